from django.urls import URLPattern, path

from desktops import proxy

app_name = "desktops"
urlpatterns: list[URLPattern] = []
websocket_urlpatterns: list[URLPattern] = [
    path("ws/desktops/<uuid:desktop_id>/vnc", proxy.application),
    path("user/<str:user_id>/vnc", proxy.application),
]
