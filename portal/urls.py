from django.contrib import admin
from django.urls import include, path

from portal import health

urlpatterns = [
    path("", include("desktops.urls")),
    path("accounts/", include("accounts.urls")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("health", health.healthz),  # the names that probes written for other portals use
    path("ready", health.readyz),
]
