"""Measure the baseline: the same session, started from a shell, until its banner arrives."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from desktops.runtimes.base import DesktopSpec
from desktops.runtimes.local import session_commands, unix_account
from desktops.runtimes.local.desktop_files import DesktopFolder, SessionPlan

USER = os.environ.get("LOCAL_DESKTOP_USER", "podesk")


def prepare(root: Path, number: int) -> tuple[DesktopFolder, SessionPlan]:
    """Prepare all files of a session, so that only its start is measured."""
    account = unix_account.account(USER)
    place = DesktopFolder(root, f"vnc-bench-{number}")
    for folder in (root, root / "s", root / "volumes", root / "desktops", place.folder):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)
    spec = DesktopSpec(
        "bench", "0", 1, place.name, f"home-{number}", False, "0", "bench", "local", Decimal(1), 2048, 5, 0, "password"
    )
    plan = session_commands.plan(spec, place, account, os.environ["PATH"])
    unix_account.make_home(Path(plan.home), account, session_commands.SESSION / "skel")
    return place, plan


def seconds_to_banner(root: Path, number: int) -> float:
    place, plan = prepare(root, number)
    began = time.monotonic()
    with _session(plan):
        banner = _banner(place)
        assert banner.startswith(b"RFB"), banner  # noqa: S101
        return time.monotonic() - began


@contextmanager
def _session(plan: SessionPlan) -> Iterator[None]:
    """Start the X server and, as soon as its display is known, the programs in it."""
    reading, writing = os.pipe()
    common: dict[str, Any] = {
        "env": plan.environment,
        "cwd": plan.home,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    common |= plan.account | {"start_new_session": True}
    server = subprocess.Popen([*plan.server, "-displayfd", str(writing)], pass_fds=[writing], **common)
    os.close(writing)
    with os.fdopen(reading) as output:
        plan.environment["DISPLAY"] = f":{output.readline().strip()}"
    session = subprocess.Popen(plan.session, **common)
    try:
        yield
    finally:
        for process in (session, server):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 15)
            process.wait()


def _banner(place: DesktopFolder) -> bytes:
    while True:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(place.socket))
                return client.recv(12)
            except OSError:
                time.sleep(0.001)
