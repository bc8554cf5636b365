"""`./podesk run`: Redis, web, worker and controller under one supervisor."""

import http.client
import os
import socket
import time
from urllib.parse import urlsplit

from podesk_cli import packages, settings, setup
from podesk_cli.commands import Runner
from podesk_cli.environment import python
from podesk_cli.folders import Folders, claim, prepare
from podesk_cli.report import Failure, Progress, say
from podesk_cli.supervisor import Interrupted, Service, Supervisor, interruptible

_REDIS_SECONDS, _WEB_SECONDS = 10, 60  # startup timeouts
_LOOK = 0.5  # seconds between checks of the child processes


def run(place: Folders, host: str, port: int) -> int:
    """Serve until interrupted. Raises Failure."""
    progress = Progress(total=setup.STEPS_INSTALL + setup.STEPS_DATA + 2)
    with interruptible():
        try:
            _serve(place, host, port, progress)
        except Interrupted as asked:
            say(f"Stopped ({asked}). Your data is in {place.data}.")
    return 0


def _serve(place: Folders, host: str, port: int, progress: Progress) -> None:
    with progress.step("This machine"):
        prepare(place)
        lock = claim(place, settings.public_url(host, port))
        _refuse_taken(host, port, "Choose another with --port or --host.")
        for number in settings.metrics_ports().values():
            _refuse_taken(settings.metrics_address(), number, "Set METRICS_PORT to the first of three free ports.")
    runner = Runner(place.checkout, place.logs / "setup.log", progress)
    desktop_packages = packages.DESKTOP if setup.runs_local_desktops() else []
    setup.install(place, runner, setup.Requirements(debian=desktop_packages))
    env = settings.environment(place, host=host, port=port)
    setup.prepare_data(place, runner, env)
    supervisor = Supervisor(_services(place, host, port), environment=env, directory=place.checkout, logs=place.logs)
    try:
        with progress.step("Starting"):
            created = _start(supervisor, place, env, (host, port))
        _print_summary(place, (host, port), env, created)
        while True:
            supervisor.restart_ended()
            time.sleep(_LOOK)
    finally:
        say("Stopping. Desktops keep running, and the next run finds them again.")
        supervisor.stop()
        lock.close()


def _start(supervisor: Supervisor, place: Folders, env: dict[str, str], address: tuple[str, int]) -> str:
    """Start the services and return the text of create_admin(). Raises Failure when the portal does not start."""
    if not settings.given("REDIS_URL"):
        supervisor.start("redis")
        _wait_for_redis(place, supervisor)
    for name in ("worker", "controller", "web"):
        supervisor.start(name)
    created = setup.create_admin(place, env)
    try:
        _wait_for_web(supervisor, settings.public_url(*address), address)
    except (Failure, Interrupted):
        if created:  # the password is shown only once, so show it even if the start has failed
            say(created)
        raise
    return created


def _services(place: Folders, host: str, port: int) -> list[Service]:
    interpreter = python(place.checkout)
    redis = [
        *(str(place.checkout / ".venv/bin/redis-server"), "--port", "0"),  # no TCP, only the UNIX socket
        # A relative socket path: Redis lists it in output that clients split at spaces, which a full path may contain.
        *("--dir", str(place.redis_socket.parent), "--unixsocket", place.redis_socket.name, "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no"),  # it contains nothing that cannot be rebuilt
    ]
    web = [interpreter, "-m", "portal.server", "--host", host, "--port", str(port)]
    measured = {
        name: {"METRICS_PORT": str(number), "METRICS_PORT_FILE": ""}
        for name, number in settings.metrics_ports().items()
    }
    embedded = [] if settings.given("REDIS_URL") else [Service("redis", redis, stop_seconds=5)]
    return [
        *embedded,
        Service("worker", [interpreter, "manage.py", "rqworker", "desktops"], environment=measured.get("worker", {})),
        Service("controller", [interpreter, "manage.py", "run_controller"], environment=measured.get("controller", {})),
        Service("web", web, stop_seconds=8, environment=measured.get("web", {})),
    ]


def _refuse_taken(host: str, port: int, remedy: str) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise Failure(f"Podesk cannot listen on {host} port {port}: {error.strerror}. {remedy}") from error


def _wait_for_redis(place: Folders, supervisor: Supervisor) -> None:
    until = time.monotonic() + _REDIS_SECONDS
    while time.monotonic() < until:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(place.redis_socket))
                probe.sendall(b"PING\r\n")
                if probe.recv(16).startswith(b"+PONG"):
                    return
            except OSError:
                time.sleep(0.05)
    raise Failure(f"Redis does not answer. The end of its log:\n{supervisor.log_end('redis')}")


def _wait_for_web(supervisor: Supervisor, url: str, address: tuple[str, int]) -> None:
    until = time.monotonic() + _WEB_SECONDS
    answer = ""
    while time.monotonic() < until:
        supervisor.restart_ended()
        ready, answer = _ask_ready(url, address)
        if ready:
            return
        time.sleep(0.2)
    raise Failure(
        f"The portal does not answer at {url} after {_WEB_SECONDS} s{f' ({answer})' if answer else ''}. "
        f"The end of its log:\n{supervisor.log_end('web')}"
    )


def _ask_ready(url: str, address: tuple[str, int]) -> tuple[bool, str]:
    """Ask the process itself, even if there is a proxy at the public address."""
    connection = http.client.HTTPConnection(settings.reachable(address[0]), address[1], timeout=5)
    try:
        connection.request("GET", "/readyz", headers={"Host": urlsplit(url).netloc})
        answer = connection.getresponse()
        return answer.status == 200, answer.read(300).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException):
        return False, ""
    finally:
        connection.close()


def _print_summary(place: Folders, address: tuple[str, int], env: dict[str, str], created: str) -> None:
    url = settings.public_url(*address)
    say(f"\nPodesk is ready: {url}\n")
    if created:
        say(f"{created}\nThe password is shown only once. To set a new one: ./podesk manage changepassword admin\n")
    say(f"Data: {place.data}\nLogs: {place.logs}\nStop: Ctrl-C (or SIGTERM to process {os.getpid()}); data is kept.")
    if not settings.value("DATABASE_URL").startswith("postgres") and settings.value("DATABASE_COPIES") != "0":
        say(f"Daily copies of the database: {place.data}/backups")
    if ports := settings.metrics_ports():
        served_at = settings.metrics_address()
        say("Metrics: " + ", ".join(f"http://{served_at}:{number} ({name})" for name, number in ports.items()))
    if limits := setup.describe_limits(place, env):
        say(limits)
    if settings.beyond_loopback(address[0]) and url.startswith("http://"):
        say("The connection is not encrypted. Put an HTTPS proxy in front of Podesk and set PUBLIC_URL.")
