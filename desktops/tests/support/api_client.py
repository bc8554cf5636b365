"""A client for the API, as scripts use it: one token, JSON in both directions."""

import json
from typing import Any

from django.test import Client

from accounts import tokens
from accounts.models import User
from accounts.tokens import TokenScope


class Script:
    """Sends requests with one token. `path` is relative to /api/v1/. A body that is a text is sent unchanged."""

    def __init__(self, token: str) -> None:
        self._client = Client(headers={"X-User-Token": token} if token else {})

    def get(self, path: str, **headers: str) -> Any:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.ask("POST", path, body, **headers)

    def delete(self, path: str) -> Any:
        return self.ask("DELETE", path)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, str) else "" if body is None else json.dumps(body)
        return self._client.generic(method, f"/api/v1/{path}", data, "application/json", headers=named)


def script_of(user: User | None, **scope: Any) -> Script:
    """Return a script with a token of the user. `user` None: without a token."""
    if user is None:
        return Script("")
    wanted = {"session_id": "sess_script", "permissions": ("vnc", "ssh")} | scope
    return Script(tokens.issue(user, scope=TokenScope(**wanted), label="script"))


def fields(response: Any) -> list[str]:
    """Return the fields that a refusal names."""
    return [error["field"] for error in response.json()["errors"]]
