"""A gateway between a portal and a cluster that forwards everything and kills a worker at a chosen call of a launch."""

import base64
import json
import os
import signal
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import psutil

CLAIMS = "/persistentvolumeclaims"  # a launch creates its claim first
_NOT_OURS = ("connection", "transfer-encoding", "content-length")  # these headers are not forwarded


@dataclass
class Moment:
    """The moment after so many changes of a launch. `heard`: the worker has received the answer to the last one."""

    calls: int
    heard: bool
    last: str = ""  # the last call, once it was made

    def __str__(self) -> str:
        return f"after {self.calls} calls, the last {'' if self.heard else 'un'}answered"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Gateway"

    def setup(self) -> None:
        super().setup()
        self.upstream = self.server.connect()

    def finish(self) -> None:
        self.upstream.close()
        super().finish()

    def do_GET(self) -> None:
        self._pass(self._ask(self._body()))

    def do_POST(self) -> None:
        """Forward a change, and kill the worker if this is its moment."""
        body = self._body()
        moment = self.server.moment_of(self, body)
        answer = self._ask(body)
        if moment is None:
            return self._pass(answer)
        if moment.heard:
            self._pass(answer)
        moment.last = f"{self.command} {self.path.split('/')[-1 if self.command == 'POST' else -2]}"
        self.close_connection = True
        os.kill(self.server.client(self), signal.SIGKILL)
        return self.server.came_to(moment)

    do_PATCH = do_DELETE = do_POST

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _ask(self, body: bytes) -> HTTPResponse:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", *_NOT_OURS)}
        self.upstream.request(self.command, self.path, body or None, headers)
        return self.upstream.getresponse()

    def _pass(self, answer: HTTPResponse) -> None:
        """Forward the answer in parts as they arrive, because a watch does not end."""
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in (*_NOT_OURS, "date", "server"):
                self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while part := answer.read1(65536):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")
        answer.read()  # reads nothing, but http.client requires it before the next request

    def log_message(self, *arguments: Any) -> None:
        pass


class Gateway(ThreadingHTTPServer):
    """The gateway. `cluster`: an entry of a kubeconfig. Clients send their own tokens."""

    daemon_threads = True

    def __init__(self, cluster: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.passed: list[Moment] = []
        self._there = urlsplit(cluster["server"])
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._tls = ssl.create_default_context(cadata=authority)
        self._planned: list[Moment] = []
        self._claims: set[str] = set()  # of launches that have begun
        self._launching: dict[int, tuple[Moment, int]] = {}  # by process: when to kill it, and its changes until now
        self._lock = threading.Lock()

    def kill_at(self, *moments: Moment) -> None:
        """Use up one moment for each of the next launches. A launch that is repeated is not interrupted again."""
        self._planned, self.passed = list(moments), []

    # --- For handlers -----------------------------------------------------------------------------------------------

    def connect(self) -> HTTPConnection:
        return HTTPSConnection(self._there.hostname or "", self._there.port, context=self._tls)

    def moment_of(self, handler: Handler, body: bytes) -> Moment | None:
        """Return the moment if this change is the last of its process, else None."""
        with self._lock:
            if not (self._planned or self._launching):
                return None
            process = self.client(handler)
            if handler.command == "POST" and handler.path.endswith(CLAIMS):
                name = json.loads(body)["metadata"]["name"]
                if self._planned and name not in self._claims:
                    self._launching[process] = self._planned.pop(0), 0
                self._claims.add(name)
            if process not in self._launching:
                return None
            moment, before = self._launching.pop(process)
            if before + 1 == moment.calls:
                return moment
            self._launching[process] = moment, before + 1
            return None

    def client(self, handler: Handler) -> int:
        ends = (handler.client_address[1], self.server_port)
        found = (each for each in psutil.net_connections("tcp4") if each.raddr)
        return next(each.pid for each in found if (each.laddr.port, each.raddr.port) == ends)

    def came_to(self, moment: Moment) -> None:
        self.passed.append(moment)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect, and an unavailable API: the client sees that error too."""


@contextmanager
def gateway_to(cluster: dict[str, str]) -> Iterator[Gateway]:
    with Gateway(cluster) as gateway:
        threading.Thread(target=gateway.serve_forever, args=(0.05,), daemon=True).start()
        yield gateway
        gateway.shutdown()
