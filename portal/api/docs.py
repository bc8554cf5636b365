"""The schema of the API, and a page to read it and try it out; all that the page loads is served from here."""

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

schema = SpectacularAPIView.as_view()
page = SpectacularSwaggerSplitView.as_view(url_name="api_schema")
