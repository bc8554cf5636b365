"""Signing in works, is audited, does not redirect to other sites, and is locked after too many wrong passwords."""

import logging
from datetime import timedelta
from urllib.parse import quote

import pytest
from asgiref.sync import sync_to_async
from axes.models import AccessAttempt
from django.db import connections
from django.test import Client

from accounts.models import AuditEvent

URL = "/accounts/login/"
PASSWORD = "alice's password"


def log_in(client, password=PASSWORD, username="alice", path=URL, **fields):
    return client.post(path, {"username": username, "password": password, **fields})


def test_works(alice, client):
    answer = log_in(client)
    assert (answer.status_code, answer.url) == (302, "/")
    assert client.get("/accounts/password/").status_code == 200
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.address) == ("login", alice, "127.0.0.1")


def test_page_helps_password_managers_and_screen_readers(db, client):
    page = client.get(URL).content.decode()
    for expected in ('autocomplete="username"', 'autocomplete="current-password"', "autofocus", 'lang="en"'):
        assert expected in page


def test_wrong_password(alice, client):
    answer = log_in(client, "wrong")
    assert answer.status_code == 200
    page = answer.content.decode()
    assert 'role="alert"' in page
    assert "The username or password is incorrect. Passwords are case-sensitive." in page
    assert "wrong" not in page
    event = AuditEvent.objects.get()
    assert (event.action, event.target, event.actor, event.address) == ("login.failed", "alice", None, "127.0.0.1")


def test_empty_form_is_no_attempt(alice, client):
    assert 'aria-invalid="true"' in log_in(client, "", "").content.decode()
    assert not AuditEvent.objects.exists()
    assert not AccessAttempt.objects.exists()


def test_disabled_account_looks_like_a_wrong_password(alice, client):
    wrong = log_in(client, "wrong").context["form"].errors
    type(alice).objects.update(is_active=False)
    assert log_in(client).context["form"].errors == wrong


def test_text_in_the_wrong_box_is_not_kept(alice, client):
    log_in(client, "alice", username=PASSWORD)
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("username", ["a" * 10_000, "nul\0", "😀", "' OR 1=1 --"])
def test_odd_names(db, client, username):
    assert log_in(client, username=username).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "goes_to"),
    [
        ("/accounts/password/", "/accounts/password/"),
        ("/?new&a=b#c", "/?new&a=b#c"),
        ("http://testserver/accounts/tokens/", "http://testserver/accounts/tokens/"),
        ("/accounts/tokens", "/accounts/tokens"),
        ("/admin/accounts/user/", "/admin/accounts/user/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("http:///evil.example", "/"),
        ("/accounts/login/", "/"),
        ("/accounts/logout/", "/"),
        ("/accounts/logout", "/"),
        ("http://testserver/accounts/logout/", "/"),
        ("/accounts/%6Cogout/", "/"),
        ("/x/../accounts/logout/", "/"),
        ("/admin/accounts/user/../../../accounts/sign-out-everywhere/delete/../", "/"),
        ("/accounts/lo\tgout/", "/"),
        ("/admin/logout/", "/"),
        ("/accounts/sign-out-everywhere/", "/"),
        ("/desktops/launch/", "/"),
        ("/api/v1/pods", "/"),
        ("/nowhere/", "/"),
        ("/accounts/login/?next=/accounts/login/", "/"),
        ("", "/"),
    ],
)
def test_next(alice, client, wanted, goes_to):
    path = f"{URL}?next={quote(wanted)}"
    assert log_in(client, path=path).url == goes_to
    assert client.get(path).url == goes_to  # for a signed-in user


def test_session_key_changes(alice, client):
    client.get("/accounts/login/")
    client.session.save()
    before = client.cookies["sessionid"].value if "sessionid" in client.cookies else None
    log_in(client)
    assert client.cookies["sessionid"].value != before


def test_language_keeps_the_page_that_is_wanted(db, client):
    wanted = f"{URL}?next=/accounts/tokens/"
    assert client.post("/i18n/setlang/", {"language": "zh-hans", "next": wanted}).url == wanted


def test_language_stays(alice, client):
    client.post("/i18n/setlang/", {"language": "zh-hans"})
    log_in(client)
    assert 'lang="zh-hans"' in client.get("/accounts/password/").content.decode()


def test_locked_after_five_wrong_passwords(alice, client):
    answers = [log_in(client, "wrong") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    answer = log_in(client)  # the right password
    assert answer.status_code == 429
    assert "15 minutes" in answer.content.decode()
    assert 895 <= int(answer.headers["Retry-After"]) <= 900
    assert client.get("/accounts/password/").status_code == 302
    actions = list(AuditEvent.objects.order_by("pk").values_list("action", "target", "address"))
    assert actions == [("login.failed", "alice", "127.0.0.1")] * 5 + [("login.locked", "alice", "127.0.0.1")]


@pytest.mark.django_db(transaction=True)
async def test_locked_under_asgi(alice, async_client):
    """Axes uses different code under ASGI."""
    wrong = {"username": "alice", "password": "wrong"}
    answers = [await async_client.post(URL, wrong) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429, 429]
    assert 890 <= int(answers[-1].headers["Retry-After"]) <= 900
    failures = [event.action async for event in AuditEvent.objects.order_by("pk")]
    await sync_to_async(connections.close_all)()  # of the threads that served the requests
    assert failures == ["login.failed"] * 5 + ["login.locked"]


def test_trying_during_the_lock_neither_lengthens_it_nor_fills_the_trail(alice, client):
    for _ in range(5):
        log_in(client, "wrong")
    _minutes_pass(10)
    for _ in range(10):
        answer = log_in(client, "wrong")
    assert 295 <= int(answer.headers["Retry-After"]) <= 300
    assert AuditEvent.objects.count() == 6


def test_open_again_when_retry_after_said(alice, client):
    for _ in range(5):
        log_in(client, "wrong")
    _minutes_pass(15)
    assert log_in(client).status_code == 302


def test_retry_after_with_two_browsers(alice, client):
    """Failures of all browsers add up. The lock ends when the older ones expire."""
    for _ in range(3):
        client.post(URL, {"username": "alice", "password": "wrong"}, headers={"User-Agent": "one"})
    _minutes_pass(10)
    for _ in range(2):
        answer = client.post(URL, {"username": "alice", "password": "wrong"}, headers={"User-Agent": "two"})
    assert answer.status_code == 429
    assert 295 <= int(answer.headers["Retry-After"]) <= 300
    _minutes_pass(5)
    assert log_in(client).status_code == 302


def test_lock_is_for_one_address_and_one_name(alice, bob, client, settings):
    settings.TRUSTED_PROXY_COUNT = 1
    for _ in range(5):
        client.post(URL, {"username": "alice", "password": "wrong"}, headers={"X-Forwarded-For": "6.6.6.6"})
    elsewhere = client.post(
        URL, {"username": "alice", "password": PASSWORD}, headers={"X-Forwarded-For": "6.6.6.6, 1.2.3.4"}
    )
    assert elsewhere.status_code == 302
    answer = client.post(URL, {"username": "bob", "password": "bob's password"}, headers={"X-Forwarded-For": "6.6.6.6"})
    assert answer.status_code == 302


def test_of_ipv6_a_network_is_locked(alice, client, settings):
    settings.TRUSTED_PROXY_COUNT = 1
    for number in range(5):
        answer = client.post(
            URL, {"username": "alice", "password": "wrong"}, headers={"X-Forwarded-For": f"2001:db8:1:2::{number}"}
        )
    assert answer.status_code == 429
    elsewhere = {"X-Forwarded-For": "2001:db8:1:3::1"}
    assert client.post(URL, {"username": "alice", "password": PASSWORD}, headers=elsewhere).status_code == 302


def test_many_names_from_one_address_are_slowed_down(alice, client, settings):
    settings.API_RATES = settings.API_RATES | {"login": 3}
    assert [log_in(client, username=f"u{number}").status_code for number in range(3)] == [200, 200, 200]
    answer = log_in(client)
    assert (answer.status_code, 1 <= int(answer["Retry-After"]) <= 60) == (429, True)
    assert "Try again in a minute." in answer.content.decode()
    body = {"username": "alice", "password": PASSWORD}
    api = client.post("/api/v1/auth/token", body, content_type="application/json")
    assert api.status_code == 429  # they share one counter
    assert client.get(URL).status_code == 200


def test_who_gets_in_does_not_count(alice, settings):
    settings.API_RATES = settings.API_RATES | {"login": 1}
    assert [log_in(Client()).status_code for _ in range(3)] == [302, 302, 302]


def test_forged_addresses_do_not_help(alice, client):
    for number in range(5):
        answer = client.post(
            URL, {"username": "alice", "password": "wrong"}, headers={"X-Forwarded-For": f"1.1.1.{number}"}
        )
    assert answer.status_code == 429


def test_locked_where_the_server_knows_no_address(alice, client):
    for _ in range(5):
        answer = client.post(URL, {"username": "alice", "password": "wrong"}, REMOTE_ADDR="")
    assert answer.status_code == 429
    assert 895 <= int(answer.headers["Retry-After"]) <= 900


def test_password_is_in_no_log(alice, client, caplog):
    caplog.set_level(logging.DEBUG)
    log_in(client, "a-wrong-secret")
    log_in(client)
    assert "Login" in caplog.text or "login" in caplog.text
    assert "a-wrong-secret" not in caplog.text
    assert PASSWORD not in caplog.text
    assert "a-wrong-secret" not in str(list(AccessAttempt.objects.values())) + str(list(AuditEvent.objects.values()))


def test_form_of_another_site_is_refused(alice):
    assert log_in(Client(enforce_csrf_checks=True)).status_code == 403


def _minutes_pass(minutes: int) -> None:
    for attempt in AccessAttempt.objects.all():
        AccessAttempt.objects.filter(pk=attempt.pk).update(
            attempt_time=attempt.attempt_time - timedelta(minutes=minutes)
        )
