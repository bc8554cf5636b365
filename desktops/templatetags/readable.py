"""Template filters over desktops.wording.amounts and desktops.wording.diagnosis."""

from decimal import Decimal
from math import ceil

from django import template

from desktops.models import AT_REST, Desktop
from desktops.web import icons
from desktops.wording import amounts
from desktops.wording.diagnosis import reason_of
from desktops.wording.reasons import sentence

register = template.Library()


@register.filter
def gib(mib: float) -> str:
    return amounts.gib(mib)


@register.filter
def amount(number: float | Decimal) -> str:
    return amounts.amount(number)


@register.filter
def whole(number: float | Decimal) -> int:
    """For the choice between one and many, which knows whole numbers only."""
    return ceil(number)


@register.filter
def icon(name: str) -> str:
    return icons.known(name)


@register.filter
def why_at_rest(desktop: Desktop) -> str:
    """Why it failed or stopped, from the row alone: lists of desktops ask no further queries."""
    if desktop.status not in AT_REST:
        return ""
    slug = reason_of(desktop.status, desktop.reason, files_lost=desktop.volume.lost_at is not None)
    return sentence(slug, desktop.reason_facts) if slug else ""
