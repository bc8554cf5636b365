from django.contrib import admin
from django.urls import include, path

from accounts import views as accounts
from desktops.web import overview, size_advice, usage_report

urlpatterns = [
    path("api/", include("portal.api.urls")),  # first, since it gets the most requests
    path("", include("desktops.urls")),
    path("accounts/", include("accounts.urls")),
    path("admin/login/", accounts.admin_login),
    path("admin/logout/", accounts.logout),
    path("admin/password_change/", accounts.change_password, name="admin_password_change"),
    path("admin/", overview.index, name="admin_overview"),
    path("admin/overview/", overview.live, name="overview"),
    path("admin/size-advice/", size_advice.page, name="size_advice"),
    path("admin/size-advice/resize/", size_advice.resize, name="resize_desktop"),
    path("admin/usage-report/", usage_report.page, name="admin_usage_report"),
    path("admin/", admin.site.urls),
    path(".well-known/jwks.json", accounts.jwks, name="jwks"),
    path("i18n/setlang/", accounts.set_language, name="set_language"),
]
