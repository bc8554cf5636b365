"""The cached snapshot of a desktop is never older than the last commit: each change shows at once."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.audit import Actor
from accounts.models import Quota
from core.redis import client
from desktops import services, status_cache
from desktops.exceptions import DesktopNotFound
from desktops.lifecycle import reconcile, timers
from desktops.models import Desktop, DesktopImage, Status
from desktops.runtimes.base import Exposed, Phase
from desktops.tests.support.status_cache_probe import known, seen, stop, warm

pytestmark = pytest.mark.django_db(transaction=True)  # the cache changes on commit


def extend(desktop: Desktop) -> None:
    Quota.objects.create(user=desktop.owner, max_lifetime_minutes=60)
    Desktop.objects.filter(pk=desktop.pk).update(expires_at=timezone.now())
    services.extend_desktop(desktop=desktop, by=Actor(desktop.owner))


def restart(desktop: Desktop) -> None:
    services.restart_desktop(desktop=desktop, by=Actor(desktop.owner))


def delete(desktop: Desktop) -> None:
    services.delete_desktop(desktop=desktop, by=Actor(desktop.owner), keep_data=True)


def settled_as(phase: Phase | None, **fields) -> Callable[[Desktop], None]:
    return lambda desktop: reconcile.reconcile_desktop(desktop, phase and seen(desktop, phase, **fields))


def time_over(desktop: Desktop) -> None:
    Desktop.objects.filter(pk=desktop.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    timers.run_timers()


AT_NODE = Exposed("10.0.0.7", 30001, 30002, 31001)
CHANGES = [
    ("stop", stop, "stopping"),
    ("restart", restart, "stopping"),
    ("extend", extend, "running"),
    ("delete", delete, "deleting"),
    ("its time is over", time_over, "stopping"),
    ("vanished", settled_as(None), "failed"),
    ("logged out inside", settled_as(Phase.ENDED), "stopped"),
    ("does not answer", settled_as(Phase.STARTED), "running"),
    ("crashed and came back", settled_as(Phase.READY, restarts=1, reason="crashed"), "running"),
    ("another address", settled_as(Phase.READY, exposed=AT_NODE), "running"),
]


@pytest.mark.parametrize(("change", "status"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_change_of_a_running_one_shows_at_once(running, same_as_row, change, status):
    before = known(running)
    change(Desktop.objects.get(pk=running.pk))
    now = same_as_row(running)
    assert now.status == status
    assert now != before


def test_address_and_reason_are_told(running, same_as_row):
    settled_as(Phase.READY, exposed=AT_NODE)(running)
    assert same_as_row(running).exposed_vnc == 30001
    running.refresh_from_db()
    settled_as(Phase.STARTED)(running)
    assert same_as_row(running).reason == "not_answering"
    running.refresh_from_db()
    settled_as(Phase.READY, exposed=AT_NODE)(running)
    assert same_as_row(running).reason == ""


def test_from_rest_to_running_and_back(make_desktop, alice, same_as_row):
    desktop = warm(make_desktop(alice, status=Status.STOPPED))
    services.start_desktop(desktop=desktop, by=Actor(alice))
    assert same_as_row(desktop).status == "pending"
    assert desktop.move(to=Status.STARTING)
    assert same_as_row(desktop).status == "starting"
    reconcile.reconcile_desktop(desktop, seen(desktop, Phase.READY))
    assert same_as_row(desktop).status == "running"  # cached by the controller before the first request
    desktop.refresh_from_db()
    stop(desktop)
    desktop.refresh_from_db()
    reconcile.reconcile_desktop(desktop, None)
    assert same_as_row(desktop).status == "stopped"


def test_gone_is_gone(running):
    delete(running)
    running.refresh_from_db()
    reconcile.reconcile_desktop(running, None)
    with pytest.raises(DesktopNotFound):
        known(running)


def test_made_again_under_the_same_name(running, make_desktop, alice, same_as_row):
    name = running.object_name
    delete(running)
    running.refresh_from_db()
    reconcile.reconcile_desktop(running, None)
    again = make_desktop(alice, object_name=name, status=Status.STOPPED)
    assert known(again).status == "stopped"
    assert same_as_row(again).id == str(again.pk)


def test_renamed_image_shows_when_the_memory_ends(running):
    """The only change without a message is a new name of an image."""
    DesktopImage.objects.update(name="Another name")
    assert known(running).image != "Another name"
    assert 0 < client().ttl(status_cache._snapshot_key(running.object_name)) <= status_cache.SNAPSHOT_SECONDS == 60
