"""Somebody who uses a running Podesk by its pages: a browser without pixels."""

import re
from typing import Any

import httpx


class Visitor:
    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, follow_redirects=True, timeout=60)

    def sign_in(self, name: str, password: str) -> None:
        self.http.get("/accounts/login/")
        answer = self.post("/accounts/login/", username=name, password=password)
        assert "/accounts/login/" not in str(answer.url), answer.text

    def post(self, path: str, **data: Any) -> httpx.Response:
        return self.http.post(path, data=data | {"csrfmiddlewaretoken": self.http.cookies["csrftoken"]})

    def launch_choice(self) -> dict[str, str]:
        """What the launch page has chosen for us, as a browser would send it."""
        page = self.http.get("/?new").text
        chosen = re.findall(r'name="(image|size-\d+)" value="(\d+)" checked', page)
        return dict(chosen) | {"name": "desktop"}

    def launch(self) -> str:
        """The id of the desktop, known from the address that the answer led to."""
        answer = self.post("/desktops/launch/", **self.launch_choice())
        found = re.search(r"/desktops/([0-9a-f-]{36})/", str(answer.url))
        assert found, (answer.status_code, answer.text)
        return found[1]

    def act(self, desktop: str, verb: str, **data: Any) -> httpx.Response:
        return self.post(f"/desktops/{desktop}/{verb}/", **data)

    def panel(self, desktop: str) -> str:
        return self.http.get(f"/desktops/{desktop}/panel/").text
