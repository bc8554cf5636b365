"""A web process with many desktops, home folders and runs, and a client in which an administrator is signed in."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
import psutil

from bench.parts import answers, free_port, redis_command, set_environment, wait_until
from podesk_cli.folders import CHECKOUT

OWNERS = 1_000


@dataclass(frozen=True)
class Visitor:
    """An administrator's client of a web process."""

    client: httpx.Client
    process: psutil.Process

    def ask(self) -> tuple[float, float]:
        """Ask for the overview. Return the CPU seconds of the web process, and the seconds until the answer."""
        began, before = time.monotonic(), self._cpu()
        self.client.get("/admin/overview/").raise_for_status()
        return self._cpu() - before, time.monotonic() - began

    def _cpu(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def staged(folder: Path, rows: int) -> Iterator[Visitor]:
    set_environment(folder, LOG_LEVEL="WARNING")
    with ExitStack() as stack:
        _start(stack, folder / "redis.log", *redis_command(folder))
        wait_until((folder / "redis.sock").exists)
        session = _make_rows(rows)
        port = free_port()
        web = _start(stack, folder / "web.log", sys.executable, "-m", "portal.server", "--port", str(port))
        wait_until(partial(answers, port))
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", cookies={"sessionid": session}, timeout=30)
        yield Visitor(stack.enter_context(client), psutil.Process(web.pid))


def _start(stack: ExitStack, log: Path, *command: str) -> "subprocess.Popen[bytes]":
    sink = stack.enter_context(log.open("w"))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd=CHECKOUT)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


def _make_rows(count: int) -> str:
    """Create the rows, and return the session of an administrator."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from django.db import connections, transaction

    with transaction.atomic():
        _make_desktops(count)
        session = _sign_in()
    connections.close_all()
    return session


def _make_desktops(count: int) -> None:
    from django.utils import timezone

    from accounts.models import User
    from desktops.models import Desktop, DesktopImage, DesktopRun, Volume

    now, image = timezone.now(), DesktopImage.objects.get()
    owners = User.objects.bulk_create(User(username=f"u{n}", username_key=f"u{n}") for n in range(OWNERS))
    size = {"cpu": 1, "memory_mib": 1024, "storage_gib": 5}
    volumes = Volume.objects.bulk_create(
        Volume(owner=owners[n % OWNERS], object_name=f"home-{n}", storage_gib=5) for n in range(count)
    )
    Desktop.objects.bulk_create(
        Desktop(
            owner=each.owner, name=f"d{n}", image=image, volume=each, object_name=f"vnc-{n}", status="running", **size
        )
        for n, each in enumerate(volumes)
    )
    queued = [now - timedelta(days=7) * (n / count) for n in range(count)]
    DesktopRun.objects.bulk_create(
        DesktopRun(
            desktop_id=uuid4(), run=1, queued_at=at, ready_at=at + timedelta(seconds=n % 60), ended_at=now, **size
        )
        for n, at in enumerate(queued)
    )


def _sign_in() -> str:
    from django.test import Client

    from accounts.models import User

    client = Client()
    client.force_login(User.objects.create_superuser("bench"), backend="django.contrib.auth.backends.ModelBackend")
    return str(client.cookies["sessionid"].value)
