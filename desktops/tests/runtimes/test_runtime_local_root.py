"""Tests that need root: full disks, and the change of accounts. Other accounts do not collect them."""

import os
import pickle
import pwd
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from desktops.runtimes.base import DesktopSpec, Observed, Phase, RuntimeFault
from desktops.runtimes.local.local_runtime import LocalRuntime
from desktops.tests.support.runtime_specs import ACCOUNT, soon, until


@pytest.fixture
def small_disk(harness):
    """Put the runtime's folder on a disk of 2 MiB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "tmpfs", harness.root], check=True)
    yield harness.root
    harness.close()
    subprocess.run(["umount", "--lazy", harness.root], check=True)
    harness.close()


def fill(folder: Path) -> Path:
    full = folder / "fill"
    with full.open("wb", buffering=0) as file:
        for size in (65536, 4096):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    return full


def test_a_full_disk_is_told_at_once(harness, small_disk):
    full, spec = fill(small_disk), harness.spec()
    with pytest.raises(RuntimeFault) as caught:
        harness.runtime.start(spec, deadline=soon())
    assert (caught.value.reason, caught.value.permanent) == ("disk_full", True)
    assert harness.runtime.list() == []
    full.unlink()
    harness.run(desktop_id=spec.desktop_id)


def test_a_disk_that_fills_up_does_not_hide_why_a_desktop_ended(harness, small_disk):
    """The session may come up again on a full disk: what it wrote before is deleted first, which makes room."""
    spec = harness.run()
    fill(small_disk)
    harness.program(spec.name, "Xvnc").kill()
    seen = until(lambda: ended_or_restarted(harness, spec), what="the end of the X server to be reported")
    assert seen.reason in ("screen_crashed", "session_crashed", "disk_full")
    harness.runtime.stop(spec.name, deadline=soon())
    harness.wait(spec.name, None)
    assert harness.runtime.list() == []


def ended_or_restarted(harness, spec: DesktopSpec) -> Observed | None:
    seen = harness.runtime.observe(spec.name)
    return seen if seen and (seen.phase == Phase.FAILED or seen.restarts) else None


def test_nothing_of_the_session_runs_as_root(harness):
    spec, entry = harness.run(), pwd.getpwnam(ACCOUNT)
    until(lambda: len(harness.processes(spec.name)) > 6, what="the session")
    looked_at = 0
    for process in harness.processes(spec.name):
        with suppress(
            psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError
        ):  # some processes of a new session end quickly
            status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            assert set(process.uids()) == {entry.pw_uid}
            assert set(process.gids()) == {entry.pw_gid}
            groups = next(line for line in status if "Groups" in line)
            assert groups.split()[1:] in ([], [str(entry.pw_gid)])
            looked_at += 1
    assert looked_at > 3
    assert harness.home(spec).owner() == ACCOUNT
    assert all(path.owner() == ACCOUNT for path in harness.home(spec).iterdir())


def test_a_missing_account_is_named_with_its_remedy(harness):
    runtime = LocalRuntime(harness.root, installation=harness.installation, user="podesk-nobody")
    with pytest.raises(RuntimeFault, match=r"account_missing.*useradd --system --user-group podesk-nobody"):
        runtime.start(harness.spec(), deadline=soon())
    with pytest.raises(RuntimeFault, match="account_missing"):
        LocalRuntime(harness.root, installation=harness.installation, user="root").start(
            harness.spec(), deadline=soon()
        )


def test_a_folder_that_the_account_cannot_enter_is_refused(harness):
    with tempfile.TemporaryDirectory() as closed:
        assert Path(closed).stat().st_mode & 0o777 == 0o700
        runtime = LocalRuntime(Path(closed, "local"), installation=harness.installation, user=ACCOUNT)
        with pytest.raises(RuntimeFault, match=r"dir_unusable.*LOCAL_RUNTIME_DIR"):
            runtime.start(harness.spec(), deadline=soon())
        assert runtime.list() == []


START = """
import os
import pickle, sys
from desktops.runtimes.base import Deadline
runtime, spec = pickle.load(sys.stdin.buffer)
runtime.start(spec, deadline=Deadline.after(10))
"""


def test_a_closed_umask_keeps_no_desktop_from_starting(harness):
    before = os.umask(0o077)
    try:
        spec = harness.run()
    finally:
        os.umask(before)
    assert harness.program(spec.name, "xfce4-panel").is_running()


ORDINARY_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000")


def user_namespace(process: psutil.Process) -> Path:
    return Path(f"/proc/{process.pid}/ns/user").readlink()


@pytest.mark.skipif(
    subprocess.run([*ORDINARY_USER, "true"], capture_output=True, check=False).returncode != 0,
    reason="this kernel opens no user namespace to us: a chroot, or a setting",
)
def test_without_root_a_desktop_runs_as_oneself(harness):
    """Run in a user namespace as an ordinary user, who owns root's files there and has no privileges."""
    spec = harness.spec()
    command = (*ORDINARY_USER, sys.executable, "-c", START)
    subprocess.run(command, input=pickle.dumps((harness.runtime, spec)), check=True, timeout=20)
    harness.wait(spec.name, Phase.READY)
    namespaces = {user_namespace(harness.program(spec.name, name)) for name in ("Xvnc", "xfwm4")}
    assert namespaces == {user_namespace(harness.holder(spec.name))}
    assert harness.state(spec.name).groups == ()
    harness.runtime.stop(spec.name, deadline=soon())
    harness.wait(spec.name, None)
