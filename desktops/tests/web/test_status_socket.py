"""Tests of `/ws/status/`: open pages are notified when a desktop changes, through a real Redis channel layer."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.db import connections
from django.test import Client

from accounts.models import User
from core import keepalive
from desktops.models import Status
from desktops.web import status_socket
from portal.asgi import application

pytestmark = pytest.mark.django_db(transaction=True)
OWN = (b"host", b"testserver"), (b"origin", b"http://testserver")


def socket(client: Client | None = None, headers=OWN, **options: Any) -> WebsocketCommunicator:
    cookie = (b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode()) if client else (b"x", b"")
    return WebsocketCommunicator(application, "/ws/status/", headers=[cookie, *headers], **options)


async def in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """Run `work` in a thread that then closes its connections, because the thread ends with the test's event loop."""

    def do() -> Any:
        try:
            return work(*arguments)
        finally:
            connections.close_all()

    return await asyncio.to_thread(do)


async def connected(page: WebsocketCommunicator) -> bool:
    return bool((await page.connect(timeout=5))[0])


@pytest.fixture
def move(make_desktop) -> Callable[[User], str]:
    def go(owner: User) -> str:
        desktop = make_desktop(owner)
        assert desktop.move(to=Status.PENDING)
        return str(desktop.pk)

    return go


async def test_every_open_page_of_the_owner_hears_it(client_for, alice, bob, move):
    client, stranger = await in_thread(client_for, alice), await in_thread(client_for, bob)
    tabs, foreign = [socket(client), socket(client)], socket(stranger)
    for page in (*tabs, foreign):
        assert await connected(page)
    moved = await in_thread(move, alice)
    assert [await page.receive_json_from(timeout=5) for page in tabs] == [{"desktop": moved, "status": "pending"}] * 2
    assert await foreign.receive_nothing(timeout=0.3)
    for page in (*tabs, foreign):
        await page.disconnect()


async def test_anonymous_is_refused_before_accept():
    assert not await connected(socket())


async def test_an_ended_login_is_refused_before_accept(client_for, alice):
    client = await in_thread(client_for, alice)
    key = client.cookies["sessionid"].value
    await in_thread(client.logout)
    client.cookies["sessionid"] = key
    assert not await connected(socket(client))


@pytest.mark.parametrize(
    "origin",
    [b"http://evil.example", b"https://testserver", b"http://testserver.evil.example", b"null", b"", b"http://["],
)
async def test_a_foreign_page_is_refused_before_accept(client_for, alice, origin):
    client = await in_thread(client_for, alice)
    assert not await connected(socket(client, ((b"host", b"testserver"), (b"origin", origin))))


async def test_an_own_origin_with_a_foreign_host_is_refused(client_for, alice):
    client = await in_thread(client_for, alice)
    headers = (b"host", b"evil.example"), (b"origin", b"http://evil.example")
    assert not await connected(socket(client, headers))


async def test_whatever_a_page_says_does_no_harm(client_for, alice, move):
    page = socket(await in_thread(client_for, alice))
    assert await connected(page)
    for text in (" ", "{", "null", '{"type": "desktop.changed"}', "x" * 100_000):
        await page.send_to(text_data=text)
    await page.send_to(bytes_data=b"\xff\x00")
    moved = await in_thread(move, alice)
    assert await page.receive_json_from(timeout=5) == {"desktop": moved, "status": "pending"}
    await page.disconnect()


async def test_a_page_that_asks_for_a_sign_of_life_gets_one(client_for, alice):
    page = socket(await in_thread(client_for, alice), subprotocols=[keepalive.SUBPROTOCOL])
    assert await page.connect(timeout=5) == (True, keepalive.SUBPROTOCOL)
    await page.send_to(text_data=keepalive.PING)
    assert await page.receive_from(timeout=5) == keepalive.PONG
    await page.send_to(text_data="pang")
    assert await page.receive_nothing(timeout=0.3)
    await page.disconnect()


@pytest.mark.parametrize("how", ["signed_out", "disabled", "password_changed"])
async def test_closes_soon_after_the_login_ended(client_for, alice, monkeypatch, how):
    monkeypatch.setattr(status_socket, "LOGIN_CHECK_INTERVAL", 0.2)  # seconds
    client = await in_thread(client_for, alice)
    page = socket(client)
    assert await connected(page)
    assert await page.receive_nothing(timeout=0.5)

    def end() -> None:
        if how == "signed_out":
            client.logout()
        elif how == "disabled":
            User.objects.update(is_active=False)
        else:
            alice.set_password("another one")
            alice.save()

    await in_thread(end)
    closed = await page.receive_output(timeout=5)
    assert (closed["type"], closed["code"]) == ("websocket.close", status_socket.LOGIN_OVER)


async def test_without_redis_the_page_is_told_to_come_back(client_for, alice, redis_unavailable):
    client = await in_thread(client_for, alice)
    with redis_unavailable():
        assert not await connected(socket(client))
    page = socket(client)
    assert await connected(page)
    await page.disconnect()
