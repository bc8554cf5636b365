"""A notice about the portal's own parts, for pages that launch desktops."""

from django import template
from django.utils.translation import gettext

from core import redis_health

register = template.Library()


@register.inclusion_tag("desktops/_portal_health.html")
def portal_health() -> dict[str, str]:
    """Return a notice if Redis is unavailable and launches have to wait, or nothing."""
    found = redis_health.look()
    hint = gettext("Running desktops are not affected. Launches and stops wait until Redis works again.")
    return {"sentence": found.sentence, "hint": hint}
