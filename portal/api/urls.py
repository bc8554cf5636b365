from django.urls import include, path, re_path

from core.api import exception_handler
from portal.api import docs

urlpatterns = [
    path("v1/", include("accounts.api.urls")),
    path("v1/", include("desktops.api.urls")),
    path("schema/", docs.schema, name="api_schema"),
    path("docs/", docs.page, name="api_docs"),
    re_path(r"", exception_handler.not_found),
]
