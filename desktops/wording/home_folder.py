"""Sentences about how full a home folder is."""

from django.utils.translation import gettext as _

from core import units
from desktops.models import Volume

_MIB = 2**20


def use(volume: Volume) -> str:
    """Return "3.2 of 10 GiB", at least 1 MiB, or an empty string if the folder was not measured yet."""
    if volume.used_bytes is None:
        return ""
    return units.use("memory_mib", max(1, volume.used_bytes / _MIB), volume.limit_bytes / _MIB)


def is_nearly_full(volume: Volume) -> bool:
    return volume.fill_level in ("nearly_full", "almost_full")


def warning(volume: Volume) -> str:
    """Say that the folder is nearly full. Storage that does not enforce the limit is not full at it."""
    if volume.is_limit_enforced is False:
        text = _("The home folder uses %(percent)s %% of its size (%(use)s).")
    else:
        text = _("The home folder is %(percent)s %% full (%(use)s).")
    return text % {"percent": volume.used_percent, "use": use(volume)}


def advice(volume: Volume) -> str:
    if volume.is_limit_enforced is False:
        return _(
            "The storage does not enforce this limit, and other desktops use it too. Delete files that you do not need."
        )
    return _("Delete files that you do not need. When the folder is full, programs can no longer save.")
