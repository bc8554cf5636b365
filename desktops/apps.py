from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DesktopsConfig(AppConfig):
    name = "desktops"
    verbose_name = _("Desktops")

    def ready(self) -> None:
        from desktops import checks  # noqa: F401 - registers the system checks
