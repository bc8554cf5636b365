"""A portal with many desktops, whose processes serve their metrics, and a bare process for comparison."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.parts import answers, free_port, redis_command, set_environment, wait_until
from podesk_cli.folders import CHECKOUT

# What a client library costs that has only the metrics that it makes itself.
_BARE = """
import sys, threading
from prometheus_client import start_http_server
start_http_server(int(sys.argv[1]), "127.0.0.1")
threading.Event().wait()
"""
_ASK = {
    "Accept": "application/openmetrics-text; version=1.0.0",
    "Accept-Encoding": "gzip",  # as Prometheus asks
}
_KWARGS = {"uuid": "0d7b3c4e-4a43-4a0f-8c5e-0f3f7c1f6a11", "int": "1", "pod": "vnc-nobody"}


@dataclass(frozen=True)
class Measured:
    """A process that serves metrics."""

    process: psutil.Process
    port: int

    def scrape(self) -> str:
        answer = httpx.get(f"http://127.0.0.1:{self.port}/metrics", headers=_ASK)
        answer.raise_for_status()
        return answer.text

    def cpu_per_scrape(self, scrapes: int) -> float:
        """Return the CPU seconds of one scrape, without what the process uses anyway in the same time."""
        began, before = time.monotonic(), self._cpu()
        for _ in range(scrapes):
            self.scrape()
        took, used = time.monotonic() - began, self._cpu() - before
        idle = self._cpu()
        time.sleep(took)
        return max(0.0, used - (self._cpu() - idle)) / scrapes

    def _cpu(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def staged(folder: Path, desktops: int) -> Iterator[dict[str, Measured]]:
    """Start the processes, and use each route of the web process once, so that it has all its series."""
    set_environment(folder, RELIST_SECONDS="3600", LOG_LEVEL="WARNING", LOGIN_FAILURE_LIMIT="1000")
    with ExitStack() as stack:
        _start(stack, folder / "redis.log", *redis_command(folder))
        wait_until((folder / "redis.sock").exists)
        _make_desktops(desktops)
        web = free_port()
        commands = {
            "bare": ["-c", _BARE],
            "web": ["-m", "portal.server", "--port", str(web)],
            "worker": ["manage.py", "rqworker", "desktops"],
            "controller": ["manage.py", "run_controller"],
        }
        found = {name: _measured(stack, folder / f"{name}.log", command) for name, command in commands.items()}
        wait_until(partial(answers, web))
        _visit_all(f"http://127.0.0.1:{web}")
        wait_until(lambda: f'status="stopped"}} {desktops}.0' in found["controller"].scrape())
        yield found


def _measured(stack: ExitStack, log: Path, command: list[str]) -> Measured:
    port = free_port()
    options = [*command, str(port)] if command[0] == "-c" else command
    process = _start(stack, log, "env", f"METRICS_PORT={port}", sys.executable, *options)
    wait_until(partial(answers, port))
    return Measured(psutil.Process(process.pid), port)


def _start(stack: ExitStack, log: Path, *command: str) -> "subprocess.Popen[bytes]":
    sink = stack.enter_context(log.open("w"))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd=CHECKOUT)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


def _make_desktops(count: int) -> None:
    """Create the rows of stopped desktops. The controller would end running ones, since they have no process."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from django.db import connections, transaction

    from accounts.models import User
    from desktops.models import Desktop, DesktopImage, Volume

    owner, image = User.objects.create_user("bench"), DesktopImage.objects.get()
    size = image.sizes.all()[0]
    fields = {"cpu": size.cpu, "memory_mib": size.memory_mib, "storage_gib": size.storage_gib, "status": "stopped"}
    with transaction.atomic():
        volumes = Volume.objects.bulk_create(
            Volume(owner=owner, object_name=f"home-{n}", storage_gib=size.storage_gib, used_bytes=n << 20)
            for n in range(count)
        )
        Desktop.objects.bulk_create(
            Desktop(owner=owner, name=each.object_name, image=image, volume=each, object_name=f"vnc-{n}", **fields)
            for n, each in enumerate(volumes)
        )
    connections.close_all()


def _visit_all(url: str) -> None:
    from django.urls import get_resolver

    with httpx.Client(base_url=url) as client:
        for path in _paths(get_resolver(), ""):
            with suppress(httpx.HTTPError):  # an event stream does not end
                client.get(path, timeout=5)
                client.post(path, timeout=5)


def _paths(resolver: Any, before: str) -> Iterator[str]:
    """Yield a path of each route. Ids are invented: the answer is a redirect or an error, and the route is counted."""
    for each in resolver.url_patterns:
        text = before + str(each.pattern)
        for kind, name in re.findall(r"<(\w+):(\w+)>", text):
            text = text.replace(f"<{kind}:{name}>", _KWARGS.get(kind, "x"))
        if hasattr(each, "url_patterns"):
            yield from _paths(each, text)
        elif "(" not in text and "^" not in text:
            yield f"/{text}"
