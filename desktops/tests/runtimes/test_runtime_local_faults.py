"""Faults of a local desktop, and how they are reported. All tests use a real Xvnc."""

import shutil
from pathlib import Path

import pytest

from desktops.runtimes import get_runtime
from desktops.runtimes.base import Phase, RuntimeFault
from desktops.runtimes.local import cgroups, session_commands
from desktops.runtimes.local.local_runtime import PATH, LocalRuntime
from desktops.runtimes.local.session_log import LIMIT, Log, tail
from desktops.tests.support.runtime_specs import ACCOUNT, soon


def programs_without(harness, missing: str) -> str:
    """Return a folder with all programs that a desktop needs except one."""
    folder = harness.root / "bin"
    folder.mkdir()
    for program in set(session_commands.PROGRAMS) - {missing}:
        (folder / program).symlink_to(shutil.which(program, path=PATH))
    return str(folder)


@pytest.mark.parametrize("missing", ["Xvnc", "xfwm4"])
def test_a_missing_program_is_named(harness, missing):
    harness.runtime.path = programs_without(harness, missing)
    spec = harness.spec()
    with pytest.raises(RuntimeFault) as caught:
        harness.runtime.start(spec, deadline=soon())
    assert (caught.value.reason, caught.value.detail, caught.value.permanent) == ("program_missing", missing, True)
    assert harness.runtime.list() == []
    harness.runtime.path = PATH
    harness.run(desktop_id=spec.desktop_id, run=2)


def test_a_session_that_cannot_start_fails_with_what_it_said(harness):
    folder = harness.root / "bin"
    folder.mkdir()
    for program in session_commands.PROGRAMS:
        (folder / program).write_text(f"#!/bin/sh\necho {program} says no; exit 3\n")
        (folder / program).chmod(0o755)
    harness.runtime.path = f"{folder}:{PATH}"
    spec = harness.spec()
    harness.runtime.start(spec, deadline=soon())
    failed = harness.wait(spec.name, Phase.FAILED)
    assert failed.reason == "start_failed"
    assert "X server ended with 3" in failed.detail
    assert "Xvnc says no" in failed.detail


def test_a_folder_too_deep_for_a_socket_is_refused(harness):
    deep = LocalRuntime(harness.root / ("x" * 90), installation=harness.installation, user=ACCOUNT)
    with pytest.raises(RuntimeFault, match="path_too_long"):
        deep.start(harness.spec(), deadline=soon())
    assert deep.list() == []


def test_a_folder_that_is_a_file_is_refused(harness):
    (harness.root / "file").write_text("")
    with pytest.raises(RuntimeFault, match=r"start_failed|dir_unusable"):
        LocalRuntime(harness.root / "file", installation="test", user=ACCOUNT).start(harness.spec(), deadline=soon())


@pytest.mark.parametrize("resolution", ["", "800", "800x600; rm", "99999999x1", "-1x600"])
def test_a_resolution_that_is_none_is_refused(harness, resolution):
    with pytest.raises(RuntimeFault, match="bad_resolution"):
        harness.runtime.start(harness.spec(resolution=resolution), deadline=soon())


def test_limits_are_enforced_or_it_is_said_why_not(harness):
    why_not = cgroups.why_unlimited()
    spec = harness.spec(memory_mib=24)
    harness.runtime.start(spec, deadline=soon())
    if why_not is None:
        failed = harness.wait(spec.name, Phase.FAILED)
        assert failed.reason == "out_of_memory"
    else:
        harness.wait(spec.name, Phase.READY)
        assert harness.runtime.usage(spec.name).memory_limit_mib is None
        assert why_not.endswith(".")


def test_control_groups_go_with_the_desktop(harness):
    spec = harness.run(cpu=1)
    groups = harness.state(spec.name).groups
    assert bool(groups) == (cgroups.why_unlimited() is None)
    assert cgroups.members(groups) >= ({harness.program(spec.name, "Xvnc").pid} if groups else set())
    harness.runtime.stop(spec.name, deadline=soon())
    harness.wait(spec.name, None)
    assert not [group for group in groups if Path(group).exists() or Path(group).parent.exists()]


def test_the_log_is_bounded(tmp_path):
    log = Log(tmp_path / "log")
    for number in range(3 * LIMIT // 100):
        log.write(f"{number:099d}\n".encode())
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2 * LIMIT + 200
    assert tail(tmp_path / "log", 1) == f"{number:099d}"


def test_a_password_file_as_other_vnc_programs_write_it():
    assert session_commands.obfuscated("password").hex() == "dbd83cfd727a1458"


@pytest.fixture
def fresh_runtime():
    get_runtime.cache_clear()
    yield
    get_runtime.cache_clear()


def test_the_settings_choose_the_runtime(settings, fresh_runtime, tmp_path):
    settings.LOCAL_RUNTIME_DIR = tmp_path
    runtime = get_runtime()
    assert isinstance(runtime, LocalRuntime)
    assert (runtime.root, runtime.installation, runtime.user) == (tmp_path, "test", settings.LOCAL_DESKTOP_USER)
    assert get_runtime() is runtime


def test_the_settings_say_which_cluster(settings, fresh_runtime):
    settings.DESKTOP_RUNTIME, settings.K8S_NAMESPACE, settings.DESKTOP_EXPOSURE = "kubernetes", "here", "ingress"
    settings.DESKTOP_INGRESS_HOST = "desktops.example.org"
    cluster = get_runtime().cluster
    assert (cluster.installation, cluster.namespace, cluster.exposure) == ("test", "here", "ingress")
    assert cluster.ingress.host == "desktops.example.org"


def test_a_watcher_takes_over_from_one_that_was_killed(harness):
    harness.root.joinpath("events.sock").write_text("stale")
    spec = harness.run()
    assert set(harness.runtime.watch(timeout=0.2)) == {spec.name}
