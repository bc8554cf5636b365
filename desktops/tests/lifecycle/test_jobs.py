"""Jobs of workers on the real local runtime. A job may run twice, late, or without any effect."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from accounts.audit import Actor
from core import locks
from core.redis import client, key
from desktops import quota, selectors, services
from desktops.lifecycle import jobs
from desktops.models import Desktop, Status, Volume
from desktops.runtimes import names
from desktops.runtimes.base import Deadline, Phase


@pytest.fixture
def starting(make_desktop, alice, runtime) -> Desktop:
    return make_desktop(alice, status=Status.PENDING, object_name=names.desktop_name("alice", "0" * 32))


def phase_of(runtime, desktop) -> Phase | None:
    observed = runtime.observe(desktop.object_name)
    return observed and observed.phase


def test_start_makes_it_exist_and_returns_at_once(starting, runtime, wait_for):
    jobs.start_desktop(str(starting.pk))
    starting.refresh_from_db()
    assert starting.status == Status.STARTING
    wait_for(lambda: phase_of(runtime, starting) == Phase.READY)


def test_start_twice_makes_one(starting, runtime, wait_for):
    for _ in range(2):
        jobs.start_desktop(str(starting.pk))
    wait_for(lambda: phase_of(runtime, starting) == Phase.READY)
    assert [observed.name for observed in runtime.list()] == [starting.object_name]


def test_start_goes_on_where_a_killed_worker_left_it(starting, runtime, wait_for):
    assert starting.move(to=Status.STARTING)
    jobs.start_desktop(str(starting.pk))
    wait_for(lambda: phase_of(runtime, starting) == Phase.READY)


@pytest.mark.parametrize("status", [Status.STOPPING, Status.STOPPED, Status.DELETING, Status.FAILED, Status.RUNNING])
def test_start_that_comes_too_late_does_nothing(starting, runtime, status):
    Desktop.objects.filter(pk=starting.pk).update(status=status)
    jobs.start_desktop(str(starting.pk))
    assert runtime.observe(starting.object_name) is None


@pytest.mark.parametrize("work", [jobs.start_desktop, jobs.stop_desktop])
def test_work_for_a_row_that_is_gone_does_nothing(runtime, work):
    work("00000000-0000-0000-0000-000000000000")
    assert runtime.list() == []


def test_permanent_start_failure_reports_its_reason(starting, runtime, settings, monkeypatch):
    monkeypatch.setattr(runtime, "path", "/nowhere")  # a PATH without Xvnc
    jobs.start_desktop(str(starting.pk))
    starting.refresh_from_db()
    assert (starting.status, starting.reason) == (Status.FAILED, "program_missing")
    assert starting.events.get(kind="failed").params["reason"] == "program_missing"


@pytest.mark.parametrize("status", [Status.STOPPING, Status.DELETING, Status.FAILED, Status.STOPPED])
def test_stop_ends_what_runs(starting, runtime, wait_for, status):
    jobs.start_desktop(str(starting.pk))
    Desktop.objects.filter(pk=starting.pk).update(status=status)
    jobs.stop_desktop(str(starting.pk))
    assert wait_for(lambda: runtime.observe(starting.object_name) is None)


def test_of_what_crashed_the_log_is_kept_and_the_rest_ended(starting, runtime, wait_for):
    jobs.start_desktop(str(starting.pk))
    wait_for(lambda: phase_of(runtime, starting) == Phase.READY)
    Desktop.objects.filter(pk=starting.pk).update(status=Status.FAILED, reason="session_crashed")
    for _ in range(2):  # the second time there is nothing left to keep
        jobs.stop_desktop(str(starting.pk))
        wait_for(lambda: runtime.observe(starting.object_name) is None)
    starting.refresh_from_db()
    assert "Xvnc" in starting.last_log
    assert selectors.log_of(starting) == starting.last_log
    assert selectors.log_of(starting, lines=1) == starting.last_log.splitlines()[-1]
    services.start_desktop(desktop=starting, by=Actor(starting.owner))
    starting.refresh_from_db()
    assert (starting.last_log, selectors.log_of(starting)) == ("", "")


def test_a_log_that_nobody_tells_is_no_reason_to_keep_what_failed(make_desktop, alice, scripted_runtime):
    desktop = make_desktop(alice, status=Status.FAILED, reason="node_lost")
    scripted_runtime.sees(desktop, Phase.FAILED)
    scripted_runtime.logs_unavailable = True
    jobs.stop_desktop(str(desktop.pk))
    assert ("stop", desktop.object_name) in scripted_runtime.calls


def test_of_a_long_log_with_odd_bytes_the_end_is_kept(make_desktop, alice, scripted_runtime):
    desktop = make_desktop(alice, status=Status.FAILED, reason="crash_loop")
    scripted_runtime.sees(desktop, Phase.FAILED)
    scripted_runtime.log = "x" * 50_000 + "\0 the disk is full"
    jobs.stop_desktop(str(desktop.pk))
    desktop.refresh_from_db()
    assert desktop.last_log.endswith("x the disk is full")
    assert len(desktop.last_log) == 20_000


def test_stop_that_comes_too_late_leaves_the_next_run_alone(starting, runtime, wait_for):
    jobs.start_desktop(str(starting.pk))
    wait_for(lambda: phase_of(runtime, starting) == Phase.READY)
    jobs.stop_desktop(str(starting.pk))
    assert phase_of(runtime, starting) == Phase.READY


def test_two_workers_never_work_on_one_desktop_at_once(starting, runtime, monkeypatch, put_off):
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.2)
    with client().lock(key("desktop", str(starting.pk)), timeout=5):
        jobs.start_desktop(str(starting.pk))
        jobs.stop_desktop(str(starting.pk))
    starting.refresh_from_db()
    assert starting.status == Status.PENDING
    assert set(put_off()) == {("start_desktop", str(starting.pk)), ("stop_desktop", str(starting.pk))}


def test_who_finds_another_at_work_is_free_for_others_within_seconds(starting, runtime):
    began = time.monotonic()
    with client().lock(key("desktop", str(starting.pk)), timeout=30):
        jobs.start_desktop(str(starting.pk))
    assert time.monotonic() - began < 5


def test_orphans_end_and_rows_are_spared(starting, runtime, wait_for):
    jobs.start_desktop(str(starting.pk))
    jobs.remove_orphan(starting.object_name)
    wait_for(lambda: phase_of(runtime, starting) == Phase.READY)
    stray = replace(jobs.spec_of(starting), name="vnc-stray", volume="home-stray")
    runtime.start(stray, deadline=Deadline.after(10))
    jobs.remove_orphan("vnc-stray")
    wait_for(lambda: runtime.observe("vnc-stray") is None)
    assert phase_of(runtime, starting) == Phase.READY


def test_files_that_take_a_moment_count_until_they_are_gone(scripted_runtime, alice, make_desktop, put_off):
    volume = make_desktop(alice).volume
    Desktop.objects.all().delete()
    scripted_runtime.homes = [volume.object_name]
    jobs.delete_volume(str(volume.pk))
    assert list(put_off()) == [("delete_volume", str(volume.pk))]
    assert quota.use_of(alice).storage_gib == volume.storage_gib
    jobs.delete_volume(str(volume.pk))
    assert quota.use_of(alice).storage_gib == 0


def test_files_go_only_when_that_was_asked(starting, runtime, settings, wait_for):
    home = Path(settings.LOCAL_RUNTIME_DIR) / "volumes" / starting.volume.object_name
    jobs.start_desktop(str(starting.pk))
    assert home.is_dir()
    jobs.delete_volume(str(starting.volume.pk))  # in use
    assert home.is_dir()
    Desktop.objects.filter(pk=starting.pk).update(status=Status.STOPPING)
    jobs.stop_desktop(str(starting.pk))
    wait_for(lambda: runtime.observe(starting.object_name) is None)
    Desktop.objects.filter(pk=starting.pk).delete()
    jobs.delete_volume(str(starting.volume.pk))
    assert not home.exists()
    assert not Volume.objects.filter(pk=starting.volume.pk).exists()
