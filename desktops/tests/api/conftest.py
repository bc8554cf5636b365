"""Fixtures with a real server on the tests' database, and a client that reads its streams."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from accounts import tokens
from desktops.tests.conftest import desktop_account, queued, redis_hangs, redis_unavailable, runtime, wait_for  # noqa: F401
from desktops.tests.support.portal_server import Server, running


@pytest.fixture(scope="session")
def live_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="session")
def live(live_folder, django_db_setup) -> Iterator[Server]:
    with running(live_folder) as server:
        yield server


@pytest.fixture
def committed(transactional_db) -> None:
    """Commit what tests write, so that the server's process sees it."""


@pytest.fixture
def script_token() -> Callable[..., str]:
    def make(user: Any, **options: Any) -> str:
        return tokens.issue(user, scope=tokens.TokenScope("script"), **options)

    return make


@pytest.fixture
def ask() -> Callable[..., httpx.Response]:
    """Return a function that sends one request to a real server."""

    def get(server: Server, path: str, token: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{server.port}/api/v1/{path}", headers={"X-User-Token": token}, timeout=20)

    return get


class Stream:
    """Reads one event after the other. Fails after ten seconds of silence."""

    def __init__(self, server: Server, path: str, token: str, **headers: str) -> None:
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{server.port}/api/v1/", timeout=10)
        wanted = {"X-User-Token": token, "Accept": "text/event-stream"} | headers
        self.answer = self._http.send(self._http.build_request("GET", path, headers=wanted), stream=True)
        self._lines = self.answer.iter_lines()

    def event(self) -> dict[str, Any]:
        """Return `data` of the next event, with `_event` and `_id`. Raise StopIteration when the stream has ended."""
        found: dict[str, Any] = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "data":
                found |= json.loads(value)
            elif name in ("event", "id"):
                found[f"_{name}"] = value
            elif not line and found:
                return found
        raise StopIteration

    def line(self) -> str:
        """Return the next line that is not empty."""
        return next(line for line in self._lines if line)

    def close(self) -> None:
        self.answer.close()
        self._http.close()


@pytest.fixture
def listen() -> Iterator[Callable[..., Stream]]:
    open_streams: list[Stream] = []

    def make(*args: Any, **headers: str) -> Stream:
        open_streams.append(Stream(*args, **headers))
        return open_streams[-1]

    yield make
    for stream in open_streams:
        stream.close()
