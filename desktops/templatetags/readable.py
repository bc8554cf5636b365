"""Template filters over core.units and desktops.wording."""

from django import template

from core import units
from desktops.models import AT_REST, Desktop
from desktops.web import icons
from desktops.wording import home_folder
from desktops.wording.diagnosis import reason_of
from desktops.wording.reasons import sentence

register = template.Library()


register.filter("cores", units.cores, is_safe=True)
register.filter("memory", units.memory, is_safe=True)
register.filter("storage", units.storage, is_safe=True)
register.filter("home_use", home_folder.use, is_safe=True)
register.filter("is_nearly_full", home_folder.is_nearly_full)
register.filter("home_warning", home_folder.warning)
register.filter("home_advice", home_folder.advice)


@register.filter
def icon(name: str) -> str:
    return icons.known(name)


@register.filter
def why_at_rest(desktop: Desktop) -> str:
    """Say why a desktop failed or stopped. Uses the row alone, because lists call it for each desktop."""
    if desktop.status not in AT_REST:
        return ""
    slug = reason_of(desktop.status, desktop.reason, files_lost=desktop.volume.lost_at is not None)
    return sentence(slug, desktop.reason_facts) if slug else ""
