"""Permissions of every endpoint and method in the URL configuration, for every kind of client.

A new endpoint without a row fails, and so does a row without an endpoint.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from accounts import tokens
from accounts.models import AuditEvent, Quota, SessionToken, User
from core import encryption
from desktops.models import BackupTask, Desktop, Status, Volume
from tests.support import openapi

WHO = ("anonymous", "stranger", "owner", "admin", "revoked", "expired", "unpermitted", "bound_elsewhere", "bound_here")
# All request alice's objects. stranger: bob. admin: a superuser, who is like a stranger outside of administration.
# unpermitted: alice's token with neither vnc nor ssh. bound: alice's token for one desktop only.
OPEN = (200,) * 9
MINE = (401, 404, 200, 404, 401, 401, 200, 403, 403)  # objects of alice other than desktops
LISTS = (401, 200, 200, 200, 401, 401, 200, 403, 403)  # each gets their own
LOOKS = (401, 404, 200, 404, 401, 401, 200, 404, 200)  # read a desktop
ACTS = (401, 404, 202, 404, 401, 401, 202, 403, 403)  # act on a desktop
MAKES = (401, 201, 201, 201, 401, 401, 201, 403, 403)
RULES = (401, 403, 403, 200, 401, 401, 403, 403, 403)  # administration
CREATES = (401, 403, 403, 201, 401, 401, 403, 403, 403)


def but(row: tuple[int, ...], **different: int) -> tuple[int, ...]:
    return tuple(different.get(who, status) for who, status in zip(WHO, row, strict=True))


TABLE: dict[str, tuple[int, ...]] = {
    "GET schema/": OPEN,
    "GET docs/": OPEN,
    "POST v1/auth/token": (201,) * 9,  # checks the password and ignores tokens
    "POST v1/auth/token/verify": OPEN,
    "POST v1/auth/token/refresh": MAKES,
    "GET v1/auth/tokens": LISTS,
    "POST v1/auth/tokens": MAKES,
    "DELETE v1/auth/tokens/<token_id>": MINE,
    "POST v1/auth/tokens/revoke-all": LISTS,
    "GET v1/admin/audit": RULES,
    "GET v1/admin/users": RULES,
    "POST v1/admin/users": CREATES,
    "GET v1/admin/users/<user_id>": RULES,
    "PATCH v1/admin/users/<user_id>": RULES,
    "DELETE v1/admin/users/<user_id>": RULES,
    "GET v1/admin/users/<user_id>/quota": RULES,
    "GET v1/admin/quotas": RULES,
    "POST v1/admin/quotas": CREATES,
    "GET v1/admin/quotas/<quota_id>": RULES,
    "PATCH v1/admin/quotas/<quota_id>": RULES,
    "DELETE v1/admin/quotas/<quota_id>": RULES,
    "GET v1/pods": LISTS,
    "POST v1/pods/create": (401, 202, 202, 202, 401, 401, 202, 403, 403),  # each creates their own
    "GET v1/pods/<pod_name>": LOOKS,
    "DELETE v1/pods/<pod_name>": ACTS,
    "POST v1/pods/<pod_name>/start": ACTS,
    "POST v1/pods/<pod_name>/stop": ACTS,
    "POST v1/pods/<pod_name>/restart": ACTS,
    "POST v1/pods/<pod_name>/extend": but(ACTS, owner=200, unpermitted=200),
    "POST v1/pods/<pod_name>/password": but(ACTS, owner=200, unpermitted=403),
    "POST v1/pods/<pod_name>/token": but(ACTS, owner=201, unpermitted=403),
    "GET v1/pods/<pod_name>/logs": LOOKS,
    "GET v1/pods/<pod_name>/metrics": LOOKS,
    "GET v1/pods/<pod_name>/events": LOOKS,
    "GET v1/events": LISTS,
    "GET v1/images": LISTS,
    "GET v1/quota": LISTS,
    "GET v1/volumes": LISTS,
    "DELETE v1/volumes/<volume_id>": but(MINE, owner=202, unpermitted=202),
    "POST v1/volumes/<volume_id>/postpone": MINE,
    "GET v1/pods/<pod_name>/backups": LOOKS,
    "POST v1/pods/<pod_name>/backups": ACTS,
    "GET v1/backups": LISTS,
    "GET v1/backups/<backup_id>": MINE,
    "DELETE v1/backups/<backup_id>": but(MINE, owner=202, unpermitted=202),
    "GET v1/backups/<backup_id>/contents": but(MINE, unpermitted=403),
    "GET v1/backups/<backup_id>/file": but(MINE, unpermitted=403),
    "POST v1/backups/<backup_id>/restore": but(MINE, owner=202, unpermitted=202),
    "POST v1/backups/<backup_id>/restore-as-new": but(MINE, owner=202, unpermitted=202),
    "POST v1/backups/<backup_id>/restore-files": but(MINE, owner=202, unpermitted=202),
    "DELETE v1/backup-repositories/<repository_id>": but(MINE, owner=202, unpermitted=202),
    "GET v1/backup-tasks/<task_id>": MINE,
    "GET v1/admin/backups": RULES,
    "GET v1/monitor/": LISTS,
    "GET v1/admin/pods": RULES,
    "GET v1/admin/reports/usage": RULES,
    "GET v1/admin/reports/size-advice": RULES,
    "POST v1/admin/pods/<pod_name>/resize": RULES,
    "POST v1/admin/pods/<pod_name>/stop": but(RULES, admin=202),
    "DELETE v1/admin/pods/<pod_name>": but(RULES, admin=202),
}
# Of alice's desktop; else it runs.
STATUS = {
    "POST v1/pods/<pod_name>/start": Status.STOPPED,
    "POST v1/backups/<backup_id>/restore": Status.STOPPED,
}
QUERIES = {"GET v1/backups/<backup_id>/file": "?path=notes.txt"}
BODIES = {
    "POST v1/auth/token": {"username": "alice", "password": "alice's password"},
    "POST v1/pods/create": {"name": "another"},
    "POST v1/backups/<backup_id>/restore-as-new": {"name": "again"},
    "POST v1/backups/<backup_id>/restore-files": {"paths": ["notes.txt"]},
    "POST v1/admin/users": {"username": "dave", "password": "a long password of dave's"},
    "PATCH v1/admin/users/<user_id>": {"first_name": "Carol"},
    "PATCH v1/admin/quotas/<quota_id>": {"desktops": 3},
    "POST v1/admin/pods/<pod_name>/resize": {"cpu": "500m", "memory": "1Gi"},
}


def patterns(resolver: URLResolver, above: str = "") -> Iterator[tuple[str, URLPattern]]:
    for each in resolver.url_patterns:
        route = above + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from patterns(each, route)
        else:
            yield route, each


def operations() -> Iterator[str]:
    """Yield operations such as "GET v1/pods/<pod_name>"."""
    for route, pattern in patterns(get_resolver()):
        if not route.startswith("api/") or route == "api/":  # the last is the catch-all for unknown addresses
            continue
        named = re.sub(r"<\w+:", "<", route.removeprefix("api/"))
        view = getattr(pattern.callback, "view_class", None)
        methods = [m for m in ("get", "post", "put", "patch", "delete") if hasattr(view, m)] if view else ["get"]
        yield from (f"{method.upper()} {named}" for method in methods)


def test_each_endpoint_has_a_row_and_each_row_an_endpoint():
    found = set(operations())
    assert sorted(found - set(TABLE)) == [], "endpoints without a row in TABLE"
    assert sorted(set(TABLE) - found) == [], "rows of TABLE without an endpoint"


@pytest.fixture
def things(request, alice, make_desktop, make_backup, settings) -> dict[str, object]:
    """Create alice's objects and return their ids by the names in the URLs."""
    settings.DESKTOP_EXPOSURE = "nodeport"  # otherwise there is no password to read
    Quota.objects.filter(user=None, group=None).update(desktops=5, cpu=100, memory_mib=10**6, storage_gib=10**4)
    status = STATUS.get(request.node.callspec.params["operation"], Status.RUNNING)
    desktop = make_desktop(alice, status=status, vnc_password_sealed=encryption.encrypt("k7Wq2xPz"))
    make_desktop(alice, name="elsewhere", object_name="elsewhere")
    settings.KEPT_FILES_DAYS, now = 30, timezone.now()
    volume = Volume.objects.create(
        owner=alice, object_name="kept", desktop_name="old", storage_gib=1, kept_at=now, expires_at=now
    )
    quota = Quota.objects.create(group=Group.objects.create(name="some"), desktops=2)
    scope, validity = tokens.TokenScope("kept"), tokens.validity_from_now()
    kept = tokens.issue_row(alice, scope=scope, validity=validity, label="kept")[1]
    carol = User.objects.create_user("carol")
    backup = make_backup(desktop.volume)
    task = BackupTask.objects.create(repository=backup.repository, kind="verify", trigger="schedule")
    return {
        "pod_name": desktop.object_name,
        "volume_id": volume.pk,
        "backup_id": backup.pk,
        "repository_id": backup.repository_id,
        "task_id": task.pk,
        "quota_id": quota.pk,
        "token_id": kept.pk,
        "user_id": carol.pk,
    }


def token_of(who: str, things: dict[str, object], alice: User, bob: User, admin: User) -> str:
    user = {"stranger": bob, "admin": admin}.get(who, alice)
    bound = {"bound_elsewhere": "elsewhere", "bound_here": str(things["pod_name"])}.get(who, "")
    permissions = () if who == "unpermitted" else ("vnc", "ssh")
    scope = tokens.TokenScope("matrix", pod_name=bound, permissions=permissions)
    lifetime = timedelta(hours=-1 if who == "expired" else 1)
    validity = replace(tokens.validity_from_now(lifetime), refresh_until=timezone.now() + timedelta(days=1))
    text, row = tokens.issue_row(user, scope=scope, validity=validity, label="matrix")
    if who == "revoked":
        SessionToken.objects.filter(pk=row.pk).update(revoked_at=timezone.now())
    return text


def ask(operation: str, things: dict[str, object], token: str, body: dict[str, object]) -> Any:
    method, _, address = operation.partition(" ")
    address += QUERIES.get(operation, "")
    for name, value in things.items():
        address = address.replace(f"<{name}>", str(value))
    sent = {"data": BODIES.get(operation, {}) | body, "content_type": "application/json"} if method != "GET" else {}
    client = Client(headers={"X-User-Token": token} if token else {})
    return getattr(client, method.lower())(f"/api/{address}", **sent)


UNTOLD = {
    AuditEvent: None,
    SessionToken: ("last_used_at", "last_used_from"),
}  # what a refusal may change; None: every field


def fingerprint() -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of the database."""
    found = {}
    for model in apps.get_models():
        passed_over = UNTOLD.get(model, ())
        if passed_over is not None and model._meta.managed:
            names = [field.attname for field in model._meta.concrete_fields if field.attname not in passed_over]
            found[model._meta.label] = list(model._default_manager.order_by("pk").values_list(*names))
    return found


@pytest.mark.parametrize(("operation", "who"), list(product(TABLE, WHO)))
def test_status(operation, who, things, alice, bob, admin):
    """A request has its status of the table, and a refused one changes nothing."""
    body: dict[str, object] = {}
    if operation == "POST v1/auth/token/verify":
        body = {"token": tokens.issue(bob, scope=tokens.TokenScope("other"))}
    if operation == "POST v1/admin/quotas":
        body = {"user": str(things["user_id"]), "desktops": 1}
    token = "" if who == "anonymous" else token_of(who, things, alice, bob, admin)
    before = fingerprint()
    answer = ask(operation, things, token, body)
    assert answer.status_code == dict(zip(WHO, TABLE[operation], strict=True))[who], answer.content
    assert answer.status_code < 400 or fingerprint() == before
    if " v1/" in operation:
        openapi.assert_told(operation.replace(" v1/", " ").replace("<", "{").replace(">", "}"), answer)


# Endpoints that depend on the token's permissions: permissions, further arguments, status.
PERMITTED = [
    ("GET v1/backups/<backup_id>/contents", "ssh", {}, 200),
    ("GET v1/backups/<backup_id>/contents", "vnc", {}, 403),
    ("GET v1/backups/<backup_id>/file", "ssh", {}, 200),
    ("GET v1/backups/<backup_id>/file", "vnc", {}, 403),
    ("POST v1/pods/<pod_name>/password", "vnc", {}, 200),
    ("POST v1/pods/<pod_name>/password", "ssh", {}, 403),
    ("POST v1/pods/<pod_name>/token", "vnc", {}, 201),
    ("POST v1/pods/<pod_name>/token", "vnc", {"permissions": ["vnc"]}, 201),
    ("POST v1/pods/<pod_name>/token", "vnc", {"permissions": ["ssh"]}, 403),
    ("POST v1/pods/<pod_name>/token", "ssh", {"permissions": ["vnc", "ssh"]}, 403),
    ("POST v1/pods/<pod_name>/token", "ssh", {}, 201),
    ("POST v1/auth/tokens", "ssh", {}, 201),
    ("POST v1/auth/tokens", "ssh", {"permissions": ["vnc"]}, 403),
    ("POST v1/auth/tokens", "vnc", {"permissions": ["vnc"]}, 201),
]


@pytest.mark.parametrize(("operation", "held", "body", "status"), PERMITTED)
def test_permission(operation, held, body, status, things, alice):
    token = tokens.issue(alice, scope=tokens.TokenScope("some", permissions=(held,)), label="some")
    before = fingerprint()
    answer = ask(operation, things, token, body)
    assert answer.status_code == status, answer.content
    assert answer.status_code < 400 or fingerprint() == before
    if status == 201:
        assert answer.json()["permissions"] == [held]


@pytest.mark.parametrize("operation", ["GET v1/pods/<pod_name>", "POST v1/pods/create"])
@pytest.mark.parametrize("held", ["vnc", "ssh"])
def test_only_what_the_token_permits_is_told(operation, held, things, alice):
    Desktop.objects.update(endpoint_kind="tcp", exposed_host="192.0.2.1", exposed_vnc=30001, exposed_ssh=31001)
    token = tokens.issue(alice, scope=tokens.TokenScope("some", permissions=(held,)))
    response = ask(operation, things, token, {"name": "desktop"})
    other = {"vnc": "ssh", "ssh": "vnc"}[held]
    access = response.json().get("desktop", response.json())["access_info"]
    assert (access[f"{held}_websocket"] is None, access[f"{other}_websocket"]) == (False, None)
    assert (access[f"{held}_port"] is None, access[f"{other}_port"]) == (False, None)
    assert (access["vnc_password"] is None) or held == "vnc"


def test_each_endpoint_that_needs_a_permission_is_tried_above():
    needing = {
        f"{method} {re.sub(r'<[a-z]+:', '<', route.removeprefix('api/'))}"
        for route, pattern in patterns(get_resolver())
        for method in getattr(getattr(pattern.callback, "view_class", None), "needs", {})
        if route.startswith("api/")
    }
    assert needing <= {operation for operation, *_ in PERMITTED}
    assert needing
