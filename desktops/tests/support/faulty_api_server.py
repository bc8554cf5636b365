"""A real HTTP server that fails in the ways that a cluster's API server can fail."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "OddServer"

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        with self.server.lock:
            token = self.headers.get("Authorization", "")
            self.server.seen.append((self.command, self.path, json.loads(body) if body else None, token))
            answer = self.server.script.pop(0) if len(self.server.script) > 1 else self.server.script[0]
        answer(self)

    do_POST = do_PATCH = do_DELETE = do_GET

    def log_message(self, *arguments: Any) -> None:
        pass


class OddServer(ThreadingHTTPServer):
    """Gives the answers of `script` one after the other, and repeats the last."""

    daemon_threads = True

    def __init__(self, *script: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.lock = list(script), threading.Lock()
        self.seen: list[tuple[str, str, Any, str]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect."""

    @property
    def paths(self) -> list[str]:
        return [path for _, path, _, _ in self.seen]

    def kubeconfig(self, folder: Path, token: str = "first") -> Path:
        file = folder / "kubeconfig"
        url = f"http://127.0.0.1:{self.server_port}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "odd",
            "contexts": [{"name": "odd", "context": {"cluster": "odd", "user": "odd"}}],
            "clusters": [{"name": "odd", "cluster": {"server": url}}],
            "users": [{"name": "odd", "user": {"token": token}}],
        }
        file.write_text(json.dumps(config))
        return file


@contextmanager
def serving(*script: Answer) -> Iterator[OddServer]:
    with OddServer(*script) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()


def says(status: int, body: Any, **headers: str) -> Answer:
    """Return an answer with this status. `body`: bytes are sent unchanged, everything else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def refuses(status: int, reason: str = "", message: str = "", **details: Any) -> Answer:
    return says(status, {"kind": "Status", "code": status, "reason": reason, "message": message, "details": details})


def streams(*lines: dict[str, Any], then: Callable[[], Any] = lambda: None) -> Answer:
    """Return the answer to a watch, one line per event. `then` is called before the watch ends."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        half = len(data) // 2  # a line may arrive in two parts
        for part in filter(None, (data[:half], data[half:])):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            handler.wfile.flush()
        then()
        handler.wfile.write(b"0\r\n\r\n")

    return answer


def resets(handler: Handler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def hangs(handler: Handler) -> None:
    threading.Event().wait(3)
    handler.close_connection = True
