"""Every page with an object in its URL answers 404 to other users, and redirects to the login without a login.

The pages come from the URL configuration.
"""

from datetime import timedelta
from itertools import product

import pytest
from django.test import Client
from django.urls import get_resolver

from accounts import revocation
from accounts.models import SSHKey
from accounts.tokens import TokenScope, issue_row, validity_from_now
from core import encryption
from desktops.models import Backup, BackupRepository, Status, Volume
from desktops.proxy import access
from desktops.urls import websocket_urlpatterns
from tests.test_api_matrix import patterns

PAGES = sorted(
    "/" + route
    for route, pattern in patterns(get_resolver())
    if pattern.pattern.converters and not route.startswith(("api/", "admin/", "^"))
)
ADMIN = sorted(
    "/" + route
    for route, pattern in patterns(get_resolver())
    if route.startswith("admin/") and "object_id" in pattern.pattern.converters
)
SOCKETS = [pattern for pattern in websocket_urlpatterns if pattern.pattern.converters]
VISITORS = {
    "anonymous": 401,
    "stranger": 404,
    "stranger with a token for it": 404,
    "revoked": 401,
    "expired": 401,
    "unpermitted": 403,
    "bound to none": 404,
    "bound elsewhere": 404,
    "owner": 200,
}
# Used by an ingress controller and the viewer's script, which cannot follow a redirect to a form.
GATE, SCRIPTS = "/desktops/<uuid:desktop_id>/gate/", "/desktops/<uuid:desktop_id>/session-token/"


@pytest.fixture
def things(alice, make_desktop, settings) -> dict[str, object]:
    settings.BACKUP_REPOSITORY = "/nowhere"  # without it, the pages of backups do not exist
    repository = BackupRepository.objects.create(owner=alice, desktop_name="d", storage_gib=1)
    key = SSHKey.objects.create(owner=alice, name="laptop", public_key="ssh-ed25519 AAAA", fingerprint="SHA256:x")
    return {
        "<uuid:desktop_id>": make_desktop(alice, status=Status.RUNNING).pk,
        "<uuid:volume_id>": Volume.objects.create(owner=alice, object_name="v", desktop_name="d", storage_gib=1).pk,
        "<uuid:repository_id>": repository.pk,
        "<uuid:backup_id>": Backup.objects.create(repository=repository, snapshot="1", trigger="request").pk,
        "<int:key_id>": key.pk,
        "<uuid:token_id>": issue_row(alice, scope=TokenScope("s"), validity=validity_from_now(), label="kept")[1].pk,
    }


def of_alice(page: str, things: dict[str, object]) -> str:
    for name, value in things.items():
        page = page.replace(name, str(value))
    assert "<" not in page, f"{page}: name a thing of alice's above"
    return page


def statuses(client: Client, address: str) -> set[int]:
    """Return the statuses of GET and POST, without that of a method that the page does not support."""
    return {client.get(address).status_code, client.post(address).status_code} - {405}


def test_pages_are_found():
    assert len(PAGES) > 14
    assert len(ADMIN) > 10
    assert GATE in PAGES


@pytest.mark.parametrize("page", PAGES)
def test_stranger_finds_nothing(page, client_for, bob, things):
    assert statuses(client_for(bob), of_alice(page, things)) == {401 if page == GATE else 404}


@pytest.mark.parametrize("page", PAGES)
def test_administrator_finds_nothing_either(page, client_for, admin, things):
    """Administrators cannot open alice's pages. The admin has its own pages, which are audited."""
    assert statuses(client_for(admin), of_alice(page, things)) == {401 if page == GATE else 404}


@pytest.mark.parametrize("page", PAGES)
def test_who_has_not_logged_in_is_asked_to(page, client, things):
    address = of_alice(page, things)
    assert statuses(client, address) == {401 if page in (GATE, SCRIPTS) else 302}
    locations = [
        each.headers["Location"] for each in (client.get(address), client.post(address)) if each.status_code == 302
    ]
    assert all("/login/" in location for location in locations)


@pytest.mark.parametrize("page", ADMIN)
def test_administration_is_for_administrators(page, client_for, bob, client, things):
    address = page.replace("<path:object_id>", str(things["<uuid:desktop_id>"]))
    for somebody in (client, client_for(bob)):
        answer = somebody.post(address)
        assert (answer.status_code, "/login/" in answer.headers["Location"]) == (302, True)


@pytest.mark.parametrize(("socket", "who"), list(product(SOCKETS, VISITORS)), ids=str)
def test_sockets(socket, who, alice, bob, make_desktop):
    """Each route refuses before it accepts a connection: the relay calls access.admit first."""
    own = make_desktop(bob, status=Status.RUNNING)
    running = {"status": Status.RUNNING, "endpoint_kind": "tcp", "endpoint_address": "127.0.0.1", "endpoint_port": 1}
    desktop = make_desktop(alice, vnc_password_sealed=encryption.encrypt("k7Wq2xPz"), **running)
    make_desktop(alice, name="elsewhere", object_name="elsewhere")
    stranger = who.startswith("stranger")
    bound = {"stranger": own.object_name, "bound to none": "", "bound elsewhere": "elsewhere"}
    scope = TokenScope("s", bound.get(who, desktop.object_name), () if who == "unpermitted" else ("vnc", "ssh"))
    lifetime = timedelta(hours=-1 if who == "expired" else 1)
    text, row = issue_row(bob if stranger else alice, scope=scope, validity=validity_from_now(lifetime), label="matrix")
    if who == "revoked":
        revocation.revoke_token(row.pk, reason="revoked")
    # The route without a desktop opens the token's desktop: here one of alice's that does not run.
    expected = 409 if who == "bound elsewhere" and "desktop_id" not in str(socket.pattern) else VISITORS[who]
    assert visit(socket, text if who != "anonymous" else "", alice, desktop) == expected


def visit(socket, token, alice, desktop) -> int:
    path = str(socket.pattern).replace("<uuid:desktop_id>", str(desktop.pk)).replace("<str:user_id>", str(alice.pk))
    headers = [(b"host", b"testserver"), (b"x-user-token", token.encode())] if token else [(b"host", b"testserver")]
    scope = {"headers": headers, "scheme": "ws", "url_route": {"kwargs": socket.resolve(path).kwargs}}
    try:
        access.admit(scope)
    except access.StreamRefused as refused:
        return refused.status
    return 200
