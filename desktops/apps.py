from django.apps import AppConfig


class DesktopsConfig(AppConfig):
    name = "desktops"

    def ready(self) -> None:
        from desktops import checks  # noqa: F401 - registers the system checks
