"""Launch a desktop as a browser does, until the first pixels arrive. Nothing is drawn."""

import json
import re
import struct
import time
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol


class Browser:
    """A simple client with one persistent connection, so that the portal is measured and not the client."""

    def __init__(self, url: str, password: str) -> None:
        self._url = url
        self._wire = HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._cookies: dict[str, str] = {}
        self.clicked = 0.0  # time.time() of the last launch
        self.get("/accounts/login/")
        self.post("/accounts/login/", username="admin", password=password)

    def launch(self) -> tuple[str, dict[str, float]]:
        """Return the desktop's id, and the seconds from the click to the answer, to running and to the first pixels."""
        self._wire.close()  # it may have been idle for long; the next request opens it again
        page = self.get("/?new")[1]
        choice = dict(re.findall(r'name="(image|size-\d+)" value="(\d+)" checked', page))
        times: dict[str, float] = {}
        began, self.clicked = time.monotonic(), time.time()
        address = self.post("/desktops/launch/", name="desktop", **choice)[0]
        self.get(address)
        desktop = address.rstrip("/").split("/")[-1]
        times["answered"] = time.monotonic() - began
        with self._socket("/ws/status/") as news:
            running = self._runs(desktop)
            self.get(f"/desktops/{desktop}/view/")  # the viewer preloads in its frame
            while not running:
                running = json.loads(news.recv(timeout=60))["status"] == "running"
            times["running"] = time.monotonic() - began
        screen = self.stream(desktop)
        times["first pixels"] = time.monotonic() - began
        screen.close()
        return desktop, times

    def delete(self, desktop: str) -> None:
        self._wire.close()
        self.post(f"/desktops/{desktop}/delete/", home_folder="delete")
        while self.get("/")[0]:  # redirects while there is a desktop
            time.sleep(0.2)

    def stream(self, desktop: str, url: str = "") -> ClientConnection:
        """Open the desktop's stream and wait for the first picture. `url` may name another replica."""
        granted = json.loads(self.post(f"/desktops/{desktop}/session-token/")[1])
        screen = self._socket(granted["path"], f"podesk.token.{granted['token']}", url=url)
        _draw(screen)
        return screen

    def get(self, path: str) -> tuple[str, str]:
        """Return the redirect, if any, and the text."""
        return self._ask("GET", path, "")

    def post(self, path: str, **data: str) -> tuple[str, str]:
        return self._ask("POST", path, urlencode(data))

    def _runs(self, desktop: str) -> bool:
        return 'data-status="running"' in self.get(f"/desktops/{desktop}/panel/")[1]

    def _ask(self, method: str, path: str, body: str) -> tuple[str, str]:
        headers = {"Cookie": self._cookie(), "X-CSRFToken": self._cookies.get("csrftoken", "")}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            self._wire.request(method, path, body or None, headers)
            answer = self._wire.getresponse()
        except ConnectionError:  # the server closed an idle connection; a browser also repeats the request
            self._wire.close()
            self._wire.request(method, path, body or None, headers)
            answer = self._wire.getresponse()
        text = answer.read().decode()
        assert answer.status < 400, (path, answer.status)  # noqa: S101
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name] = value
        return answer.headers.get("Location") or "", text

    def _cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def _socket(self, path: str, *protocols: str, url: str = "") -> ClientConnection:
        address = (url or self._url).replace("http", "ws", 1) + path
        offered = [Subprotocol(name) for name in ("binary", *protocols)] if protocols else None
        headers = {"Cookie": self._cookie()}
        return connect(
            address, subprotocols=offered, origin=Origin(self._url), additional_headers=headers, max_size=None
        )


def _draw(screen: ClientConnection) -> None:
    """Speak RFB until the first framebuffer update begins."""
    received = bytearray()

    def take(count: int) -> bytes:
        while len(received) < count:
            received.extend(screen.recv(timeout=30))  # type: ignore[arg-type]
        taken = bytes(received[:count])
        del received[:count]
        return taken

    take(12)
    screen.send(b"RFB 003.008\n")
    take(take(1)[0])
    screen.send(b"\x01")
    assert take(4) == bytes(4)  # noqa: S101
    screen.send(b"\x01")
    width, height = struct.unpack(">HH", take(4))
    take(struct.unpack(">16xI", take(20))[0])
    screen.send(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
    if take(1)[0] != 0:
        raise AssertionError("the first message was not a framebuffer update")


def report(times: dict[str, float]) -> str:
    return json.dumps({name: round(seconds * 1000) for name, seconds in times.items()})
