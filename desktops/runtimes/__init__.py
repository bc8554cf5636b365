"""Runtimes: how desktops come to exist. `get_runtime` is the only place here that knows Django."""

from functools import cache
from typing import TYPE_CHECKING

# A desktop's own process starts through this package while a person waits: it needs neither Django nor a runtime.
if TYPE_CHECKING:
    from desktops.runtimes.base import Runtime


@cache
def get_runtime() -> "Runtime":
    """The runtime that the settings name. Raises ImproperlyConfigured for one that is not there yet."""
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    from desktops.runtimes.local import LocalRuntime

    if settings.DESKTOP_RUNTIME == "local":
        return LocalRuntime(
            settings.LOCAL_RUNTIME_DIR, installation=settings.INSTALLATION_ID, user=settings.LOCAL_DESKTOP_USER
        )
    raise ImproperlyConfigured(
        f"DESKTOP_RUNTIME={settings.DESKTOP_RUNTIME} is not available yet; its place is desktops/runtimes/"
        f"{settings.DESKTOP_RUNTIME}.py. Use DESKTOP_RUNTIME=local."
    )
