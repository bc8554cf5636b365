"""What is wrong with the portal's own parts, for the pages on which a desktop is launched."""

from django import template
from django.utils.translation import gettext

from core import redis_health

register = template.Library()


@register.inclusion_tag("desktops/_portal_health.html")
def portal_health() -> dict[str, str]:
    """A notice that launches wait because Redis is unavailable; nothing when it is well."""
    found = redis_health.look()
    hint = gettext("Desktops run on. What you launch or stop now waits until Redis is well; nothing is lost.")
    return {"sentence": found.sentence, "hint": hint}
