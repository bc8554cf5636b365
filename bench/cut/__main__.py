"""Measure how long a live stream continues after its user signs out, on every replica, in one run.

    python -m bench.cut [--rounds 7]

Opens ten streams on each of two proxies, signs out with the form of the page, and waits for the last close frame. The
baseline is a message through the same Redis. Writes bench/results/cut.md. Limit: less than one second.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from bench.catalogue import refuse_without_tools
from bench.launch.click import Browser
from bench.relay.stage import ROOT
from bench.report import LimitCheck, Report, ms, publish, rounds_asked
from tests.support.running_podesk import Portal, free_port, running, wait_for

STREAMS, LIMIT = 10, 1.0  # on each replica; seconds


@contextmanager
def second_replica(portal: Portal) -> Iterator[str]:
    """Start another web process like the first one, on another port."""
    web = portal.part("portal.server")
    assert web  # noqa: S101
    command, port = web.cmdline(), str(free_port())
    command[command.index("--port") + 1] = port
    process = subprocess.Popen(command, env=web.environ(), cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def closed_at(stream: ClientConnection) -> float:
    """Return the time.monotonic() of its close frame."""
    try:
        while True:
            stream.recv()
    except ConnectionClosed as closed:
        assert closed.rcvd and closed.rcvd.reason == "logged_out", closed  # noqa: S101
        return time.monotonic()


def one_round(portal: Portal, urls: list[str], pool: ThreadPoolExecutor) -> float:
    """Return the seconds from the click on Sign out to the last close frame."""
    browser = Browser(portal.url, portal.password)
    desktop = browser.get("/")[0].rstrip("/").split("/")[-1]
    with ExitStack() as stack:
        streams = [stack.enter_context(browser.stream(desktop, url)) for url in urls for _ in range(STREAMS)]
        ends: list[Future[float]] = [pool.submit(closed_at, stream) for stream in streams]
        time.sleep(0.5)
        began = time.monotonic()
        browser.post("/accounts/logout/")
        return max(end.result(timeout=20) for end in ends) - began


def through_redis(portal: Portal) -> float:
    """Return the seconds of one message from publisher to subscriber."""
    client = redis.Redis(unix_socket_path=str(portal.data / "redis/redis.sock"))
    with client.pubsub(ignore_subscribe_messages=True) as listener:  # type: ignore[no-untyped-call]
        listener.subscribe("bench")
        listener.get_message(timeout=1)
        began = time.monotonic()
        client.publish("bench", "x")
        while not listener.get_message(timeout=1):
            pass
        return time.monotonic() - began


def measure(folder: Path, rounds: int) -> tuple[list[float], list[float]]:
    with running(folder / "data", PROXY_STREAMS_PER_DESKTOP="50") as portal, second_replica(portal) as other:
        Browser(portal.url, portal.password).launch()
        wait_for(lambda: _answers(other))
        with ThreadPoolExecutor(2 * STREAMS) as pool:
            cuts = [one_round(portal, [portal.url, other], pool) for _ in range(rounds)]
        return cuts, [through_redis(portal) for _ in range(rounds)]


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False


def report(cuts: list[float], baseline: list[float]) -> Report:
    check = LimitCheck(
        f"all streams closed within {ms(LIMIT)}, but the slowest took {ms(max(cuts))}", max(cuts) <= LIMIT
    )
    what = f"click on Sign out until the last of {2 * STREAMS} streams on two replicas is closed"
    lines = [
        "| what | median | worst |",
        "|---|---|---|",
        f"| a message through Redis | {ms(statistics.median(baseline))} | {ms(max(baseline))} |",
        f"| {what} | {ms(statistics.median(cuts))} | {ms(max(cuts))} |",
        f"| limit: {ms(LIMIT)} | | {check.verdict} |",
    ]
    return Report("cut", lines, [check])


def main() -> int:
    rounds = rounds_asked(__doc__, 7)
    refuse_without_tools("cut")
    with tempfile.TemporaryDirectory(prefix="podesk-bench-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o711)
        cuts, baseline = measure(Path(made), rounds)
    return publish(report(cuts, baseline), rounds)


if __name__ == "__main__":
    sys.exit(main())
