"""A client that uses the pages of a running Podesk as a browser does, without rendering them."""

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
        """Return the default choices of the launch page, as a browser would send them."""
        page = self.http.get("/?new").text
        chosen = re.findall(r'name="(image|size-\d+)" value="(\d+)" checked', page)
        return dict(chosen) | {"name": "desktop"}

    def launch(self) -> str:
        """Launch a desktop, and return its id from the address that the answer redirects to."""
        answer = self.post("/desktops/launch/", **self.launch_choice())
        found = re.search(r"/desktops/([0-9a-f-]{36})/", str(answer.url))
        assert found, (answer.status_code, answer.text)
        return found[1]

    def act(self, desktop: str, verb: str, **data: Any) -> httpx.Response:
        return self.post(f"/desktops/{desktop}/{verb}/", **data)

    def panel(self, desktop: str) -> str:
        return self.http.get(f"/desktops/{desktop}/panel/").text
