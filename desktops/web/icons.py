"""The icons for kinds of desktops: names of symbols in static/img/icons.svg."""

from django.utils.translation import gettext_lazy as _

ICONS = {
    "desktop": _("Desktop"),
    "code": _("Programming"),
    "chart": _("Data"),
    "gpu": _("Graphics card"),
    "log": _("Terminal"),
}


def known(name: str) -> str:
    """Return the name of the icon, or "desktop" if it does not exist."""
    return name if name in ICONS else "desktop"
