"""Hooks that adapt schemathesis to the API; see test_api_fuzz.py.

They add what a schema cannot express: which desktops, users and images exist, which password is strong enough, that an
idempotency key is for one request, and which tokens may be revoked.
"""

import json
import os
import re
from collections import defaultdict
from itertools import count, cycle
from pathlib import Path
from typing import Any

import httpx
import schemathesis

KEY, UNKNOWN, TOKEN = "Idempotency-Key", "x-schemathesis-unknown-property", "X-User-Token"
WORLD: dict[str, Any] = json.loads(os.environ["FUZZ_WORLD"])
ANSWERED = Path(os.environ["FUZZ_ANSWERED"])
_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SHAPES = {"pod_name": "[a-z0-9-]+", "quota_id": "[0-9]{1,9}"}  # of valid values; all others have the shape _UUID
_RUNS_RESTIC = (
    *("backUpPod", "downloadBackupFile", "listBackupContents"),
    *("restoreBackup", "restoreBackupAsNew", "restoreBackupFiles"),
)
_FEW = 8
_numbers = count()
_turns: "defaultdict[str, count[int]]" = defaultdict(count)  # by operation, so that others do not shift them
_ids = {name: cycle(ids) for name, ids in WORLD["ids"].items()}


def _id(operation: str, name: str) -> str:
    """Return the id of an existing object. For desktops, return the one that is reserved for this operation."""
    pods = WORLD["pods"]
    return str(pods.get(operation, pods[""]) if name == "pod_name" else next(_ids[name]))


def _name(operation: Any) -> str:
    return str(operation.definition.raw["operationId"])


# --- Addresses and headers ---


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Replace every second valid id with that of an existing object, but only a few times where restic would run."""
    operation = _name(context.operation)
    for name, value in (path_parameters or {}).items():
        known = name == "pod_name" or name in _ids
        if known and re.fullmatch(_SHAPES.get(name, _UUID), str(value)):
            turn = next(_turns[operation])
            if turn % 2 == 0 and not (operation in _RUNS_RESTIC and turn > _FEW):
                path_parameters[name] = _id(operation, name)
    return path_parameters


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Skip cases with an unknown header: they must not be refused, because proxies add headers."""
    return UNKNOWN not in (case.headers or {})


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    name = _name(case.operation)
    if re.fullmatch(r"[!-~]{1,180}", str((case.headers or {}).get(KEY, ""))):
        case.headers[KEY] += str(next(_numbers))  # schemathesis uses the same key for many requests
    is_wrong = case.meta and case.meta.generation.mode.is_negative
    if name in BODIES and isinstance(case.body, dict) and not is_wrong:
        case.body = BODIES[name](dict(case.body))
    if name == "downloadBackupFile" and not is_wrong:
        case.query = {"path": WORLD["file"]}
    if name == "deletePod" and str((case.query or {}).get("backup")).lower() == "true":
        case.query.pop("keep_data", None)  # a backup before the deletion allows no other value than its default
    if WORLD["spends"]:
        _give_token(name, case)


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    name = _name(case.operation)
    with ANSWERED.open("a") as log:
        log.write(f"{name if case.method.upper() == case.operation.method.upper() else '-'} {response.status_code}\n")
    if name == "revokeAllTokens" and response.status_code == 200:
        _spender.signed_in = ""


# --- Tokens that end ---


class Spender:
    """A user whose tokens may be revoked."""

    def __init__(self) -> None:
        self._portal = httpx.Client(base_url=WORLD["api"], timeout=30)
        self.signed_in = ""

    def token(self) -> str:
        """Return a token, after a login if necessary. Only revokeAllTokens uses it directly."""
        self.signed_in = self.signed_in or self._made("/auth/token", WORLD["spender"])["token"]
        return self.signed_in

    def further(self) -> dict[str, str]:
        return self._made("/auth/tokens", {"lifetime": 600}, self.token())

    def _made(self, path: str, body: dict[str, Any], token: str = "") -> dict[str, str]:
        headers = {TOKEN: token} if token else {}
        return dict(self._portal.post(path, json=body, headers=headers).raise_for_status().json())


_spender = Spender()


def _give_token(name: str, case: Any) -> None:
    token = WORLD["token"]
    if name == "revokeAllTokens":
        token = _spender.token()
    if name in ("refreshToken", "revokeToken"):
        token = (spent := _spender.further())["token"]
        if name == "revokeToken" and re.fullmatch(_UUID, str(case.path_parameters["token_id"])):
            case.path_parameters["token_id"] = spent["id"] if next(_numbers) % 2 else WORLD["ids"]["user_id"][0]
    case.headers[TOKEN] = token


# --- Bodies ---
Body = dict[str, Any]
GOOD = "lorem ipsum dolor sit amet"


def _pod(body: Body) -> Body:
    """Remove unknown images, files, names and quantities, which the portal would refuse."""
    known = {name: value for name, value in body.items() if name not in ("image", "volume")}
    if known.get("time_zone"):
        known["time_zone"] = "Asia/Shanghai"
    for name, value in (known.get("resource_quota") or {}).items():
        if isinstance(value, str):
            known["resource_quota"] = known["resource_quota"] | {name: "2" if name == "cpu" else "2Gi"}
    return known | {"name": "moved" if next(_numbers) % 2 else "new"}


def _user(body: Body) -> Body:
    known = {"password": GOOD, "groups": ["group-0"] if next(_numbers) % 2 else []}
    return body | {name: value for name, value in known.items() if name in body}


def _changed(body: Body) -> Body:
    """Remove the password from most bodies, because hashing it is slow by design."""
    sent = body if next(_numbers) % 4 == 0 else {name: body[name] for name in body if name != "password"}
    return _user(sent)


def _quota(body: Body) -> Body:
    return {name: value for name, value in body.items() if name != "group"} | {"user": next(_ids["user_id"])}


def _token(body: Body) -> Body:
    return body | {"lifetime": 600} if "lifetime" in body else body  # the request's own token is not valid for longer


def _login(body: Body) -> Body:
    return _token(body) | (WORLD["spender"] if next(_numbers) % 2 else {})


def _verified(body: Body) -> Body:
    return {"token": WORLD["token"]} if next(_numbers) % 2 else body


BODIES = {
    "restoreBackupAsNew": lambda body: body | {"name": "restored"},
    "restoreBackupFiles": lambda body: body | {"paths": [WORLD["file"]]},
    "createPod": _pod,
    "createUser": _user,
    "changeUser": _changed,
    "createQuota": _quota,
    "issueToken": _token,
    "issuePodToken": _token,
    "obtainToken": _login,
    "verifyToken": _verified,
}
