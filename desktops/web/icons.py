"""Icons that a kind of desktop may have: names of symbols in static/img/icons.svg."""

from django.utils.translation import gettext_lazy as _

ICONS = {
    "desktop": _("Desktop"),
    "code": _("Programming"),
    "chart": _("Data"),
    "gpu": _("Graphics card"),
    "log": _("Terminal"),
}


def known(name: str) -> str:
    """Return the name, or "desktop" if there is no such icon."""
    return name if name in ICONS else "desktop"
