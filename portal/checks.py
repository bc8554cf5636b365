"""System checks: combinations of settings that would be unsafe or cannot work."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, register


@register()
def keys_are_set(app_configs: Any, **kwargs: Any) -> list[Error]:
    missing = [name for name in ("SECRETS_KEYS", "TOKEN_SIGNING_KEY") if not getattr(settings, name)]
    return [
        Error(
            f"{name} is not set.",
            hint=f"Set {name} or {name}_FILE; docs/settings.md says how to make one.",
            id="portal.E001",
        )
        for name in missing
    ]


@register()
def local_runtime_is_meant(app_configs: Any, **kwargs: Any) -> list[Error]:
    if settings.DESKTOP_RUNTIME != "local" or settings.LOCAL_RUNTIME_ALLOWED:
        return []
    return [
        Error(
            "The local runtime does not isolate users from each other and is not allowed with DEBUG=0.",
            hint="Set DESKTOP_RUNTIME=kubernetes, or LOCAL_RUNTIME_ALLOWED=1 where all users trust each other.",
            id="portal.E002",
        )
    ]
