from django.urls import URLPattern

app_name = "desktops_api"
urlpatterns: list[URLPattern] = []
