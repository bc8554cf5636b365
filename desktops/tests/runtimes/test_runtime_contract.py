"""The contract of all runtimes (see desktops/runtimes/base.py). Each runtime has a harness that runs these tests."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from desktops.runtimes.base import Deadline, Phase, RuntimeFault, RuntimeUnknown
from desktops.tests.support.runtime_specs import banner_at, soon, until

HARNESSES = [
    pytest.param("harness", id="local"),
    pytest.param("kube_harness", id="kubernetes", marks=pytest.mark.cluster),
]


@pytest.fixture(params=HARNESSES)
def any_harness(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def runtime(any_harness):
    return any_harness.runtime


def test_a_started_desktop_answers_with_an_rfb_banner(any_harness, runtime):
    spec = any_harness.run()
    seen = runtime.observe(spec.name)
    assert (seen.desktop_id, seen.run, seen.reason) == (spec.desktop_id, 1, "")
    assert tuple(seen.steps) == runtime.steps
    assert runtime.steps[-1] == "ready"
    assert sorted(seen.steps.values()) == list(seen.steps.values())
    assert all(at.tzinfo for at in seen.steps.values())
    assert banner_at(seen.endpoint) == b"RFB 003.008\n"


def test_start_does_not_wait_for_readiness(any_harness, runtime):
    spec = any_harness.spec()
    runtime.start(spec, deadline=soon())
    assert runtime.observe(spec.name).phase in (Phase.CREATED, Phase.STARTED, Phase.READY)
    any_harness.wait(spec.name, Phase.READY)


def test_starting_twice_is_one_desktop(any_harness, runtime):
    spec = any_harness.run()
    first = runtime.observe(spec.name)
    runtime.start(spec, deadline=soon())
    (listed,) = runtime.list()
    assert replace(listed, missing=first.missing) == first  # only a list compares the objects around a desktop
    assert not listed.missing


def test_what_is_not_there_is_none_and_ending_it_is_success(any_harness, runtime):
    assert runtime.observe("vnc-nobody") is None
    assert runtime.list() == []
    assert runtime.logs("vnc-nobody") == ""
    assert runtime.usage("vnc-nobody") is None
    assert runtime.usage_of_all() == {}
    assert runtime.home_usage("vnc-nobody") is None
    assert runtime.volumes() == []
    runtime.stop("vnc-nobody", deadline=soon())
    runtime.delete_volume("home-nobody", deadline=soon())


def test_stop_begins_the_end_and_returns(any_harness, runtime):
    spec = any_harness.run()
    runtime.stop(spec.name, deadline=soon())
    seen = runtime.observe(spec.name)
    assert seen is None or (seen.phase, seen.endpoint) == (Phase.STOPPING, None)
    runtime.stop(spec.name, deadline=soon())
    any_harness.wait(spec.name, None)
    assert runtime.list() == []
    runtime.stop(spec.name, deadline=soon())


def test_a_stop_right_after_start_is_not_lost(any_harness, runtime):
    spec = any_harness.spec()
    runtime.start(spec, deadline=soon())
    runtime.stop(spec.name, deadline=soon())
    any_harness.wait(spec.name, None)
    time.sleep(0.3)
    assert runtime.observe(spec.name) is None


def test_the_home_survives_stop_and_start(any_harness, runtime):
    spec = any_harness.run()
    any_harness.shell(spec, "echo kept > kept")
    runtime.stop(spec.name, deadline=soon())
    any_harness.wait(spec.name, None)
    assert any_harness.run(desktop_id=spec.desktop_id, run=2) != spec
    assert runtime.observe(spec.name).run == 2
    assert any_harness.shell(spec, "cat kept") == "kept\n"


def test_a_deleted_volume_is_gone_for_good(any_harness, runtime):
    spec = any_harness.run()
    any_harness.shell(spec, "mkdir -m 500 gone")
    runtime.stop(spec.name, deadline=soon())
    any_harness.wait(spec.name, None)
    assert runtime.volumes() == [spec.volume]
    any_harness.delete_home(spec)
    assert not any_harness.has_home(spec)  # as the answer said
    assert runtime.volumes() == []
    any_harness.run(desktop_id=spec.desktop_id, run=2)
    assert "gone" not in any_harness.shell(spec, "ls").split()


def test_a_home_that_somebody_worked_in_is_never_replaced_by_an_empty_one(any_harness, runtime):
    spec = any_harness.run()
    any_harness.run(desktop_id=spec.desktop_id, run=2, volume_used=True)
    runtime.stop(spec.name, deadline=soon())
    any_harness.wait(spec.name, None)
    any_harness.lose_home(spec)
    with pytest.raises(RuntimeFault) as caught:
        runtime.start(any_harness.spec(desktop_id=spec.desktop_id, run=3, volume_used=True), deadline=soon())
    assert (caught.value.reason, caught.value.permanent) == ("volume_lost", True)
    assert runtime.list() == []
    assert not any_harness.has_home(spec)


def test_a_new_run_ends_the_earlier_one_first(any_harness, runtime):
    spec = any_harness.run()
    again = any_harness.spec(desktop_id=spec.desktop_id, run=2)
    any_harness.start(again)
    any_harness.wait(spec.name, Phase.READY)
    assert [seen.run for seen in runtime.list()] == [2]


def test_a_late_start_of_an_earlier_run_changes_nothing(any_harness, runtime):
    spec = any_harness.run(run=3)
    runtime.start(any_harness.spec(desktop_id=spec.desktop_id, run=2), deadline=soon())
    assert [(seen.run, seen.phase) for seen in runtime.list()] == [(3, Phase.READY)]


def test_who_logs_out_inside_has_ended_until_stop_forgets_it(any_harness, runtime):
    spec = any_harness.run()
    any_harness.log_out(spec.name)
    ended = any_harness.wait(spec.name, Phase.ENDED)
    assert (ended.endpoint, ended.reason) == (None, "")
    runtime.start(spec, deadline=soon())  # a repeated job of the same run does not restart it
    assert runtime.observe(spec.name) == ended
    runtime.stop(spec.name, deadline=soon())
    any_harness.wait(spec.name, None)


def test_another_installation_sees_and_touches_nothing_of_ours(any_harness, runtime):
    spec = any_harness.run()
    other = any_harness.other()
    assert other.list() == []
    assert other.observe(spec.name) is None
    assert other.logs(spec.name) == ""
    other.stop(spec.name, deadline=soon())
    with pytest.raises(RuntimeFault, match="name_taken"):
        other.start(any_harness.spec(desktop_id=spec.desktop_id, installation="another", run=2), deadline=soon())
    assert runtime.observe(spec.name).phase is Phase.READY


def test_watch_names_what_changes_and_ends_in_time(any_harness, runtime):
    spec, heard = any_harness.spec(), []

    def listen():
        for name in runtime.watch(timeout=60):
            heard.append(name)
            if len(heard) == 3:  # created, started and ready
                return

    watcher = threading.Thread(target=listen, daemon=True)
    watcher.start()
    runtime.start(spec, deadline=soon())
    watcher.join(60)
    assert heard == [spec.name] * 3
    any_harness.wait(spec.name, Phase.READY)
    began = time.monotonic()
    assert set(runtime.watch(timeout=0.5)) <= {spec.name}
    assert time.monotonic() - began >= 0.5


def test_watch_tells_what_happened_just_before(any_harness, runtime):
    spec = any_harness.run()
    assert next(runtime.watch(timeout=1)) == spec.name


def test_logs_are_the_last_lines(any_harness, runtime):
    spec = any_harness.run()
    assert "Xvnc" in runtime.logs(spec.name)

    def last_line_alone():  # more output may come between the two calls
        return runtime.logs(spec.name, lines=1) == runtime.logs(spec.name).splitlines()[-1]

    until(last_line_alone, what="the last line", every=0.2)
    assert runtime.logs(spec.name, lines=0) == ""


def test_usage_of_a_running_desktop(any_harness, runtime):
    spec = any_harness.run()
    usage = until(lambda: runtime.usage(spec.name), what="figures")
    assert 0 <= usage.cpu < 64
    assert 5 < usage.memory_mib < 1024
    limits = (float(spec.cpu), 1024.0) if runtime.unlimited() is None else (None, None)
    assert (usage.cpu_limit, usage.memory_limit_mib) == limits
    runtime.stop(spec.name, deadline=soon())
    any_harness.wait(spec.name, None)
    assert runtime.usage(spec.name) is None


def test_usage_of_all_running_desktops(any_harness, runtime):
    specs = [any_harness.run() for _ in range(2)]
    names = {spec.name for spec in specs}
    found = until(lambda: (now := runtime.usage_of_all()).keys() >= names and now, what="figures")
    assert found.keys() == names  # and none of another installation
    for usage in found.values():
        assert 0 <= usage.cpu < 64
        assert 5 < usage.memory_mib < 1024
    assert any_harness.other().usage_of_all() == {}


def test_home_usage_of_a_running_desktop(any_harness, runtime):
    began = datetime.now(UTC).replace(microsecond=0)
    spec = any_harness.run()
    found = until(lambda: runtime.home_usage(spec.name), what="a measurement", every=0.5)
    assert began <= found.measured_at <= datetime.now(UTC)
    assert 4096 <= found.used_bytes < 2**30  # the usual files of a new home folder
    assert found.usable_bytes > found.used_bytes
    assert "home-usage" not in runtime.logs(spec.name, lines=1000)
    runtime.stop(spec.name, deadline=soon())
    any_harness.wait(spec.name, None)
    assert runtime.home_usage(spec.name) is None


@pytest.mark.parametrize("name", ["", "../x", "a/b", "UPPER", "-a", "a-", "x" * 64, "中文", "a\n"])
def test_a_name_that_is_no_label_is_refused(any_harness, runtime, name):
    for call in (
        lambda: runtime.start(any_harness.spec(name=name), deadline=soon()),
        lambda: runtime.start(any_harness.spec(volume=name), deadline=soon()),
        lambda: runtime.stop(name, deadline=soon()),
        lambda: runtime.delete_volume(name, deadline=soon()),
    ):
        with pytest.raises(RuntimeFault, match="bad_name"):
            call()


def test_no_time_left_is_said_and_may_be_repeated(any_harness, runtime):
    spec = any_harness.run()
    again = any_harness.spec(desktop_id=spec.desktop_id, run=2)
    with pytest.raises((RuntimeFault, RuntimeUnknown)) as caught:
        runtime.start(again, deadline=Deadline.after(0))
    assert not getattr(caught.value, "permanent", False)
    any_harness.start(again)
    any_harness.wait(spec.name, Phase.READY)
    assert [seen.run for seen in runtime.list()] == [2]
