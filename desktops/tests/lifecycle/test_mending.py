"""Objects of a running desktop that are deleted by hand: the loss is reported, repaired, and the repair reported."""

import pytest

from core.redis import client, key
from desktops.lifecycle import controller, jobs, reachability, storage_history
from desktops.models import Desktop, DesktopEvent, Status
from desktops.runtimes.base import Phase, RuntimeFault


@pytest.fixture
def running(scripted_runtime, make_desktop, alice) -> Desktop:
    desktop = make_desktop(alice, status=Status.RUNNING)
    storage_history.record(desktop.volume_id)
    scripted_runtime.sees(desktop, Phase.READY, missing=())
    return desktop


def kinds(desktop: Desktop) -> list[str]:
    return [event.kind for event in desktop.events.order_by("pk")]


def reason(desktop: Desktop) -> str:
    desktop.refresh_from_db()
    assert desktop.status == Status.RUNNING
    return desktop.reason


def test_is_said_and_mended_by_a_worker(running, scripted_runtime, queued, caplog):
    scripted_runtime.sees(running, Phase.READY, missing=("Service",))
    scripted_runtime.broken = ["Service"]
    controller.compare_all()
    assert reason(running) == "parts_missing"
    assert queued() == [("mend_desktop", str(running.pk))]
    jobs.mend_desktop(str(running.pk))
    assert reason(running) == ""
    assert kinds(running) == ["parts_missing", "mended"]
    assert running.events.last().params == {"kinds": ["Service"]}
    warned = [record.msg["event"] for record in caplog.records if record.levelname == "WARNING"]
    assert warned == ["parts_missing", "desktop_mended"]


@pytest.mark.parametrize("before", [[], ["parts_missing", "mended"]])
def test_a_worker_that_is_first_writes_both_lines(running, scripted_runtime, before):
    for kind in before:
        DesktopEvent.write(running, kind)
    scripted_runtime.broken = ["ConfigMap", "Service"]
    jobs.mend_desktop(str(running.pk))
    assert kinds(running) == [*before, "parts_missing", "mended"]
    assert reason(running) == ""
    earlier, later = running.events.order_by("pk")[len(before) :]
    assert earlier.params == later.params == {"kinds": ["ConfigMap", "Service"]}


def test_is_said_once_however_long_it_lasts(running, scripted_runtime):
    scripted_runtime.sees(running, Phase.READY, missing=("NetworkPolicy",))
    controller.compare_all(), controller.compare_all()
    assert kinds(running) == ["parts_missing"]


def test_what_cannot_be_put_back_is_said_with_a_way_out(running, scripted_runtime, client_for, alice):
    scripted_runtime.sees(running, Phase.READY, missing=("Service",))
    scripted_runtime.unmendable = RuntimeFault("start_failed", "provided IP is already allocated")
    controller.compare_all()
    jobs.mend_desktop(str(running.pk))
    assert reason(running) == "parts_lost"
    page = client_for(alice).get(f"/desktops/{running.pk}/").content.decode()
    assert "cannot be created again while the desktop runs" in page and "restart the desktop" in page
    controller.compare_all()
    assert reason(running) == "parts_lost"


def test_what_the_cluster_refuses_is_said_with_its_number_and_no_restart_is_advised(
    running, scripted_runtime, api_for, alice
):
    scripted_runtime.sees(running, Phase.READY, missing=("Service",))
    facts = {"what": "services", "asked": "1", "used": "5", "limit": "5"}
    scripted_runtime.unmendable = RuntimeFault("namespace_quota", "exceeded quota", facts=facts)
    controller.compare_all()
    jobs.mend_desktop(str(running.pk))
    assert reason(running) == "parts_refused"
    said = api_for(alice).get(f"/api/v1/pods/{running.object_name}").json()
    assert "was deleted in the cluster" in said["sentence"]
    assert "5 of 5 services are in use" in said["sentence"]
    assert "a restart would fail" in said["next_step"]
    scripted_runtime.unmendable, scripted_runtime.broken = None, ["Service"]
    jobs.mend_desktop(str(running.pk))
    assert reason(running) == ""
    assert running.reason_facts == {}


def test_a_runtime_that_is_away_is_asked_again(running, scripted_runtime):
    scripted_runtime.sees(running, Phase.READY, missing=("Service",))
    controller.compare_all()
    scripted_runtime.unavailable = True
    jobs.mend_desktop(str(running.pk))
    assert reason(running) == "parts_missing"


def test_somebody_else_put_it_back(running, scripted_runtime):
    Desktop.objects.filter(pk=running.pk).update(reason="parts_missing")
    controller.compare_all()
    assert reason(running) == ""


def test_comparing_one_desktop_does_not_check_its_parts(running, scripted_runtime):
    scripted_runtime.sees(running, Phase.READY)
    Desktop.objects.filter(pk=running.pk).update(reason="parts_missing")
    controller.compare_one(running.object_name)
    assert reason(running) == "parts_missing"


def test_a_mere_sign_is_looked_into_without_a_word(running, scripted_runtime, queued):
    scripted_runtime.sees(running, Phase.READY, suspect=True)
    controller.compare_one(running.object_name)
    assert queued() == [("mend_desktop", str(running.pk))]
    jobs.mend_desktop(str(running.pk))
    assert (reason(running), kinds(running)) == ("", [])


def test_one_that_has_stopped_meanwhile_is_left_alone(running, scripted_runtime):
    Desktop.objects.filter(pk=running.pk).update(status=Status.STOPPING)
    jobs.mend_desktop(str(running.pk))
    assert ("mend", running.object_name) not in scripted_runtime.calls


# --- viewers as evidence --------------------------------------------------------------------------------------------
def test_a_viewer_that_does_not_reach_it_has_it_looked_at(running, controlled, queued, wait_for):
    reachability.report(running.pk)
    wait_for(lambda: ("mend_desktop", str(running.pk)) in queued())


def test_many_viewers_are_one_report(running):
    for _ in range(20):
        reachability.report(running.pk)
    assert reachability.take_reports() == [str(running.pk)]
    reachability.report(running.pk)
    assert reachability.take_reports() == []  # within ten seconds


def test_where_nothing_is_missing_it_says_so_until_nobody_complains(running, scripted_runtime):
    reachability.report(running.pk)
    jobs.mend_desktop(str(running.pk))
    assert reason(running) == "unreachable"
    controller.compare_all()
    assert reason(running) == "unreachable"
    client().delete(key("unreachable", str(running.pk)))  # as after a minute
    controller.compare_all()
    assert reason(running) == ""


def test_without_redis_a_stream_ends_all_the_same(running, redis_unavailable):
    with redis_unavailable():
        reachability.report(running.pk)
