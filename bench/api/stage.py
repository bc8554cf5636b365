"""Start what the API benchmark needs: PostgreSQL, Redis, a person with a running desktop, one web process."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis

from bench.api.database import Database, database
from bench.parts import answers, free_port, redis_command, set_environment, wait_until
from podesk_cli.folders import CHECKOUT

NO_LIMIT = str(10**9)  # requests per minute: counted as usual, but never refused


@dataclass(frozen=True)
class Stage:
    url: str
    token: str
    newcomers: list[str]  # a token for each of these people, who have no desktop
    pod: str  # object name of the desktop
    answer: Path  # where the bare view's JSON is stored
    redis: Any
    database: Database


@contextmanager
def staged(folder: Path, *, newcomers: int) -> Iterator[Stage]:
    answer = folder / "answer.json"
    rates = {f"API_RATE_{name}": NO_LIMIT for name in ("READ", "WRITE", "CREATE", "ADDRESS")}
    with ExitStack() as stack, database(folder) as rows:
        set_environment(folder, BENCH_ANSWER=str(answer), DATABASE_URL=rows.url, **rates)
        _start(stack, folder / "redis.log", *redis_command(folder))
        wait_until((folder / "redis.sock").exists)
        token, pod = _rows()
        tokens = _newcomers(newcomers)
        port = free_port()
        settings = ["env", "DJANGO_SETTINGS_MODULE=bench.api.server_settings", "PGAPPNAME=web"]
        _start(stack, folder / "web.log", *settings, sys.executable, "-m", "portal.server", "--port", str(port))
        wait_until(partial(answers, port))
        redis = Redis(unix_socket_path=str(folder / "redis.sock"), decode_responses=True)
        yield Stage(f"http://127.0.0.1:{port}", token, tokens, pod, answer, redis, rows)


def _start(stack: ExitStack, log: Path, *command: str) -> None:
    sink = stack.enter_context(log.open("w"))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd=CHECKOUT)
    stack.callback(process.wait)
    stack.callback(process.terminate)


def _rows() -> tuple[str, str]:
    """Create one person with a token and a desktop that looks as the controller leaves a running one."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from django.db import connections
    from django.utils import timezone

    from accounts import tokens
    from accounts.models import User
    from core import encryption
    from desktops.models import Desktop, DesktopImage, Volume

    user = User.objects.create_user("bench")
    image = DesktopImage.objects.get()
    size = image.sizes.all()[0]
    desktop = Desktop.objects.create(
        owner=user,
        image=image,
        size_name=size.name,
        volume=Volume.objects.create(owner=user, object_name="home-bench", desktop_name="desktop", storage_gib=1),
        object_name="vnc-bench",
        status="running",
        started_at=timezone.now(),
        cpu=size.cpu,
        memory_mib=size.memory_mib,
        storage_gib=size.storage_gib,
        endpoint_kind="unix",
        endpoint_address="/run/none.sock",
        vnc_password_sealed=encryption.encrypt("password"),
    )
    desktop.notify_owner()
    token = tokens.issue(user, scope=_scope("bench"), lifetime=timedelta(hours=2))
    connections.close_all()
    return token, desktop.object_name


def _newcomers(count: int) -> list[str]:
    from django.db import connections, transaction

    from accounts import tokens
    from accounts.models import User

    with transaction.atomic():
        people = User.objects.bulk_create(User(username=f"newcomer-{number}") for number in range(count))
        issued = [tokens.issue(each, scope=_scope(each.username), lifetime=timedelta(hours=2)) for each in people]
    connections.close_all()
    return issued


def _scope(session_id: str) -> Any:
    from accounts import tokens

    return tokens.TokenScope(session_id=session_id, permissions=("vnc", "ssh"))
