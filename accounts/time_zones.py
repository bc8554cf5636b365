"""A person's time zone: the one they chose, else the one their browser reported, else the installation's."""

import zoneinfo
from functools import cache

from django.conf import settings
from django.db import transaction

from accounts import audit
from accounts.audit import Actor
from accounts.models import User

LONGEST = 64  # characters
_AREAS = tuple(
    f"{area}/"
    for area in "Africa America Antarctica Arctic Asia Atlantic Australia Europe Indian Pacific".split()  # noqa: SIM905
)
_NOT_ZONES = {"Factory", "localtime", "posixrules"}  # other files in the same directory


@cache
def known_zones() -> frozenset[str]:
    """Return all names in this machine's time zone database, including old ones."""
    return frozenset(zoneinfo.available_timezones() - _NOT_ZONES)


def offered_zones() -> list[str]:
    """Return the names to choose from: UTC, then areas with their cities."""
    return ["UTC", *sorted(zone for zone in known_zones() if zone.startswith(_AREAS))]


def zone_of(user: User) -> str:
    """Return the zone of the desktops that this person starts."""
    return user.time_zone or user.browser_time_zone or settings.TIME_ZONE


def note_browser_zone(*, user: User, zone: str) -> None:
    """Store the zone that the browser reported. An unknown name is ignored, so that a launch does not fail."""
    if zone != user.browser_time_zone and zone in known_zones():
        User.objects.filter(pk=user.pk).update(browser_time_zone=zone)
        user.browser_time_zone = zone


@transaction.atomic
def choose_zone(*, by: Actor, zone: str) -> None:
    """Save the person's choice for future starts. `zone` is a known name, or empty for the browser's zone."""
    User.objects.filter(pk=by.user.pk).update(time_zone=zone)
    audit.record("time_zone.choose", by=by, target=by.user.pk, time_zone=zone)
