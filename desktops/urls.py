from django.urls import URLPattern

app_name = "desktops"
urlpatterns: list[URLPattern] = []
websocket_urlpatterns: list[URLPattern] = []
