"""Home folders without a row are reported, hourly and on request, and are not deleted."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from core.redis import client
from desktops.lifecycle import controller, orphaned_volumes


@pytest.fixture
def lost(scripted_runtime, make_desktop, alice) -> str:
    """Return an orphaned volume, beside those of a desktop and of kept files."""
    desktop, deleted = make_desktop(alice), make_desktop(alice, name="second")
    kept = deleted.volume
    deleted.delete()
    scripted_runtime.homes = [desktop.volume.object_name, "home-lost", kept.object_name]
    return "home-lost"


def listed() -> str:
    out = StringIO()
    call_command("list_orphans", stdout=out, stderr=StringIO())
    return out.getvalue()


def warnings(caplog) -> list[dict]:
    return [record.msg for record in caplog.records if "volumes" in str(record.msg)]


def test_listed_when_asked(lost, scripted_runtime):
    assert listed() == f"{lost}\n"
    scripted_runtime.homes.remove(lost)
    assert listed() == ""


def test_told_by_the_controller_once_an_hour_and_left_alone(lost, scripted_runtime, caplog):
    for _ in range(3):
        controller.compare_all()
    [said] = warnings(caplog)
    assert (said["event"], said["count"], said["names"]) == ("volumes_without_row", 1, [lost])
    assert scripted_runtime.calls.count(("volumes", "")) == 1
    assert not [name for verb, name in scripted_runtime.calls if verb == "delete_volume"]
    client().flushdb()  # as an hour later
    controller.compare_all()
    assert len(warnings(caplog)) == 2


def test_a_cluster_that_does_not_say_is_said(lost, scripted_runtime, caplog):
    scripted_runtime.unavailable = True
    with pytest.raises(CommandError, match="could not list"):
        listed()
    orphaned_volumes.compare_volumes()
    assert warnings(caplog)[0]["event"] == "volumes_not_compared"
