"""Start what the relay benchmark needs: Redis, a running desktop in a database, the portal, websockify, and VNC."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import psutil

from bench.parts import answers, free_port, redis_command, set_environment, wait_until
from bench.relay.load import Target

ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "far end!"  # noqa: S105 - of a server that lives as long as the benchmark


class Relay:
    """A stack under test, with the processes whose CPU and memory are measured."""

    def __init__(self, name: str, target: Target, process: int = 0) -> None:
        self.name, self.target, self._process = name, target, process

    def _processes(self) -> list[psutil.Process]:
        if not self._process:
            return []
        parent = psutil.Process(self._process)
        return [parent, *parent.children(recursive=True)]

    def cpu(self) -> float:
        """Return the seconds of user and system time of the processes that are running."""
        return sum(sum(process.cpu_times()[:2]) for process in self._processes())

    def memory(self) -> int:
        """Return the bytes of memory that only these processes use."""
        total = 0
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().uss
        return total


class Load:
    """The process with the browsers."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def order(self, do: str, **details: object) -> dict[str, float]:
        assert self._process.stdin and self._process.stdout  # noqa: S101
        self._process.stdin.write(json.dumps({"do": do, **details}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the load generator died at {do} {details}")
        return dict(json.loads(answer))

    @contextlib.contextmanager
    def sessions(self, relay: Relay, count: int) -> Iterator[None]:
        self.order("connect", target=vars(relay.target), sessions=count)
        try:
            yield
        finally:
            self.order("close")


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[tuple[Load, list[Relay]]]:
    """Yield the load generator, and the stacks: plain TCP, websockify and the portal."""
    with contextlib.ExitStack() as stack:

        def start(*command: str) -> "subprocess.Popen[str]":
            log = stack.enter_context((folder / f"{Path(command[-1]).name}.log").open("w"))
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=None if "load" in command[-1] else log,
                text=True,
                cwd=ROOT,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        set_environment(folder, PROXY_STREAMS_PER_DESKTOP="1000")
        start(*redis_command(folder))
        wait_until((folder / "redis.sock").exists)
        vnc_server = start(sys.executable, "-m", "bench.relay.vnc_server", PASSWORD)
        assert vnc_server.stdout  # noqa: S101
        with_login, without = json.loads(vnc_server.stdout.readline())
        target = _portal_target(with_login)
        portal = start(sys.executable, "-m", "portal.server", "--port", str(target.port))
        peer_port = free_port()
        peer = start(
            str(Path(sys.executable).with_name("websockify")), f"127.0.0.1:{peer_port}", f"127.0.0.1:{without}"
        )
        for port in (target.port, peer_port):
            wait_until(partial(answers, port))
        yield (
            Load(start(sys.executable, "-m", "bench.relay.load")),
            [
                Relay("plain TCP", Target(without, websocket=False)),
                Relay("websockify", Target(peer_port), peer.pid),
                Relay("Podesk", target, portal.pid),
            ],
        )


def _portal_target(vnc_port: int) -> Target:
    """Create a user, a running desktop and a token."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from accounts import tokens
    from accounts.models import User
    from core import encryption
    from desktops.models import Desktop, DesktopImage, Volume

    user = User.objects.create_user("bench")
    desktop = Desktop.objects.create(
        owner=user,
        image=DesktopImage.objects.get(),
        volume=Volume.objects.create(owner=user, object_name="bench", desktop_name="bench", storage_gib=1),
        object_name="bench",
        status="running",
        cpu=1,
        memory_mib=1024,
        storage_gib=1,
        endpoint_kind="tcp",
        endpoint_address="127.0.0.1",
        endpoint_port=vnc_port,
        vnc_password_sealed=encryption.encrypt(PASSWORD),
    )
    scope = tokens.TokenScope(session_id="bench", pod_name=desktop.object_name)
    token = tokens.issue(user, scope=scope, lifetime=timedelta(hours=2))
    return Target(free_port(), path=f"/ws/desktops/{desktop.pk}/vnc", token=token)
