"""Clients that each create their first desktop. ApacheBench can send only one token."""

import json
import math
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.support.apache_bench import Answers

_BODY = json.dumps({"resource_quota": {"cpu": "1", "memory": "1Gi"}})


class Newcomers:
    """Each person has one of `tokens`; each token is used once."""

    def __init__(self, url: str, tokens: list[str]) -> None:
        self._host, self._tokens = urlsplit(url).netloc, deque(tokens)
        self._mine = threading.local()

    def create(self, requests: int, at_once: int) -> Answers:
        """Send the requests over persistent connections. Raises AssertionError unless each answer is 202."""
        tokens = [self._tokens.popleft() for _ in range(requests)]
        began = time.monotonic()
        with ThreadPoolExecutor(at_once) as pool:
            took = sorted(pool.map(self._create, tokens))
        seconds = time.monotonic() - began
        percents = {percent: took[math.ceil(requests * percent / 100) - 1] for percent in (50, 90, 95, 99)}
        return Answers(requests, 0, 0, requests / seconds, percents, "")

    def _create(self, token: str) -> float:
        """Create one desktop and return the milliseconds."""
        wire = self._wire()
        began = time.monotonic()
        wire.request("POST", "/api/v1/pods/create", _BODY, {"X-User-Token": token, "Content-Type": "application/json"})
        answer = wire.getresponse()
        body = answer.read()
        assert answer.status == 202, (answer.status, body)  # noqa: S101
        return (time.monotonic() - began) * 1000

    def _wire(self) -> HTTPConnection:
        """Return this thread's connection; the pool's threads end with it."""
        if not hasattr(self._mine, "wire"):
            self._mine.wire = HTTPConnection(self._host, timeout=60)
        wire: HTTPConnection = self._mine.wire
        return wire
