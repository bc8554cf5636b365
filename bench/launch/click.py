"""A click on Launch, as a browser makes it, without the drawing: until the first pixels have come."""

import json
import re
import struct
import time

import httpx
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol


class Browser:
    def __init__(self, url: str, password: str) -> None:
        self.http = httpx.Client(base_url=url, follow_redirects=True, timeout=60)
        self.http.get("/accounts/login/")
        self.post("/accounts/login/", username="admin", password=password)

    def launch(self) -> tuple[str, dict[str, float]]:
        """The desktop's id, and the seconds from the click to: answered, running, first pixels."""
        page = self.http.get("/?new").text
        choice = dict(re.findall(r'name="(image|size-\d+)" value="(\d+)" checked', page))
        times: dict[str, float] = {}
        began = time.monotonic()
        answer = self.post("/desktops/launch/", name="desktop", **choice)
        desktop = str(answer.url).rstrip("/").split("/")[-1]
        times["answered"] = time.monotonic() - began
        with self._socket("/ws/status/") as news:
            running = self._runs(desktop)
            self.http.get(f"/desktops/{desktop}/view/").raise_for_status()  # the viewer loads ahead, in its frame
            while not running:
                running = json.loads(news.recv(timeout=30))["status"] == "running"
            times["running"] = time.monotonic() - began
        screen = self.stream(desktop)
        times["first pixels"] = time.monotonic() - began
        screen.close()
        return desktop, times

    def delete(self, desktop: str) -> None:
        self.post(f"/desktops/{desktop}/delete/", home_folder="delete")
        while self.http.get(f"/desktops/{desktop}/panel/").status_code == httpx.codes.OK:
            time.sleep(0.2)

    def stream(self, desktop: str, url: str = "") -> ClientConnection:
        """The desktop's picture, drawn once; from another replica when `url` names one."""
        granted = self.post(f"/desktops/{desktop}/session-token/").json()
        screen = self._socket(granted["path"], f"podesk.token.{granted['token']}", url=url)
        _draw(screen)
        return screen

    def _runs(self, desktop: str) -> bool:
        return 'data-status="running"' in self.http.get(f"/desktops/{desktop}/panel/").text

    def post(self, path: str, **data: str) -> httpx.Response:
        token = self.http.cookies["csrftoken"]
        answer = self.http.post(path, data=data | {"csrfmiddlewaretoken": token}, headers={"X-CSRFToken": token})
        answer.raise_for_status()
        return answer

    def _socket(self, path: str, *protocols: str, url: str = "") -> ClientConnection:
        cookies = "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())
        address = (url or str(self.http.base_url)).replace("http", "ws", 1).rstrip("/") + path
        offered = [Subprotocol(name) for name in ("binary", *protocols)] if protocols else None
        origin = Origin(str(self.http.base_url).rstrip("/"))
        return connect(
            address, subprotocols=offered, origin=origin, additional_headers={"Cookie": cookies}, max_size=None
        )


def _draw(screen: ClientConnection) -> None:
    """RFB until the first framebuffer update has begun to come."""
    heard = bytearray()

    def take(count: int) -> bytes:
        while len(heard) < count:
            heard.extend(screen.recv(timeout=30))  # type: ignore[arg-type]
        taken = bytes(heard[:count])
        del heard[:count]
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
    while take(1)[0] != 0:
        raise AssertionError("something else than a framebuffer update came first")


def report(times: dict[str, float]) -> str:
    return json.dumps({name: round(seconds * 1000) for name, seconds in times.items()})
