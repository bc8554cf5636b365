"""Tests of `POST /api/v1/auth/token`: a session token for username and password."""

import logging
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from asgiref.sync import sync_to_async
from axes.models import AccessAttempt
from django.contrib.auth.hashers import make_password
from django.db import connections
from django.test import Client
from django.utils import timezone

from accounts import keys, token_services
from accounts.audit import Actor
from accounts.models import AuditEvent, Quota, SessionToken, User
from accounts.token_services import LoginEnded, TokenRequest

URL = "/api/v1/auth/token"
PASSWORD = "alice's password"


def obtain(client=None, username="alice", password=PASSWORD, **fields):
    body = {"username": username, "password": password, **fields}
    return (client or Client()).post(URL, body, content_type="application/json")


def payload(text: str) -> dict:
    ring = keys.keyring()
    kid = jwt.get_unverified_header(text)["kid"]
    return jwt.decode(text, ring.public_keys[kid], algorithms=["RS256"])


def test_works(alice):
    answer = obtain()
    assert answer.status_code == 201
    body = answer.json()
    row = SessionToken.objects.get()
    assert list(body) == [
        *("token", "id", "label", "session_id", "permissions", "created_at", "expires_at", "refresh_until")
    ]
    assert (body["id"], body["label"], body["permissions"]) == (str(row.pk), "API token", ["vnc", "ssh"])
    assert row.expires_at - row.created_at == timedelta(hours=24)
    assert row.refresh_until - row.created_at == timedelta(days=30)
    assert datetime.fromisoformat(body["refresh_until"]) == row.refresh_until
    assert "no-store" in answer["Cache-Control"]
    mine = Client().get("/api/v1/auth/tokens", headers={"X-User-Token": body["token"]})
    assert [one["id"] for one in mine.json()["results"]] == [body["id"]]


def test_every_claim(alice, settings):
    Quota.objects.create(user=alice, cpu="2.50", memory_mib=4096, storage_gib=10)
    body = obtain().json()
    claims = payload(body["token"])
    created = datetime.fromtimestamp(claims["iat"], UTC)
    assert claims == {
        "iss": settings.INSTALLATION_ID,
        "jti": body["id"],
        "iat": claims["iat"],
        "exp": claims["iat"] + 24 * 3600,
        "user_id": str(alice.pk),
        "session_id": body["session_id"],
        "pod_name": "",
        "created_at": f"{created:%Y-%m-%dT%H:%M:%SZ}",
        "expires_at": f"{created + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
        "permissions": ["vnc", "ssh"],
        "resource_quota": {"cpu": "2.5", "memory": "4Gi", "storage": "10Gi"},
    }
    assert abs(timezone.now() - created) < timedelta(seconds=30)
    assert claims["session_id"].startswith("sess_")
    assert jwt.get_unverified_header(body["token"])["alg"] == "RS256"


def test_each_has_a_session_of_its_own(alice):
    assert obtain().json()["session_id"] != obtain().json()["session_id"]


def test_label_permissions_and_lifetime_as_wanted(alice):
    body = obtain(label="backup job", permissions=["ssh", "ssh"], lifetime=60).json()
    assert (body["label"], body["permissions"]) == ("backup job", ["ssh"])
    claims = payload(body["token"])
    assert (claims["permissions"], claims["exp"] - claims["iat"]) == (["ssh"], 60)


def test_one_that_lives_as_long_as_it_could_be_refreshed_cannot_be_refreshed(alice):
    assert obtain(lifetime=30 * 24 * 3600).json()["refresh_until"] is None


def test_is_audited(alice):
    body = obtain(label="backup", permissions=["vnc"]).json()
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.address, event.target) == (
        *("token.issue", alice, "127.0.0.1", "alice backup"),
    )
    assert event.details == {"id": body["id"], "label": "backup", "permissions": ["vnc"]}


def test_it_is_a_login(alice):
    obtain()
    alice.refresh_from_db()
    assert timezone.now() - alice.last_login < timedelta(seconds=30)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"username": ""}, "username"),
        ({"username": "a" * 151}, "username"),
        ({"username": "\ufdfa" * 20}, "username"),  # Django normalizes it to 360 letters
        ({"username": ["alice"]}, "username"),
        ({"username": 7}, "username"),
        ({"username": None}, "username"),
        ({"password": ""}, "password"),
        ({"password": "x" * 4097}, "password"),
        ({"password": {"a": 1}}, "password"),
        ({"label": "x" * 101}, "label"),
        ({"label": 1.5e300, "permissions": "vnc"}, "permissions"),
        ({"permissions": []}, "permissions"),
        ({"permissions": ["vnc", "root"]}, "permissions"),
        ({"permissions": [{}]}, "permissions"),
        ({"lifetime": 59}, "lifetime"),
        ({"lifetime": 30 * 24 * 3600 + 1}, "lifetime"),
        ({"lifetime": -1}, "lifetime"),
        ({"lifetime": "long"}, "lifetime"),
        ({"lifetime": None}, "lifetime"),
        ({"lifetim": 60}, "lifetim"),
    ],
)
def test_bad_input(alice, fields, named):
    answer = obtain(**fields)
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    assert named in {error["field"].partition(".")[0] for error in answer.json()["errors"]}
    assert not SessionToken.objects.exists()
    assert not AccessAttempt.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [{"username": "nul\0"}, {"username": "\ud800"}, {"password": "nul\0"}, {"label": "\0"}, {"lifetime": 10**4000}],
)
def test_what_cannot_be_kept(alice, fields):
    answer = obtain(**fields)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert not AccessAttempt.objects.exists()


def test_query_parameters_are_refused(alice):
    body = {"username": "alice", "password": PASSWORD}
    answer = Client().post(f"{URL}?password=x", body, content_type="application/json")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "password")


def test_other_methods(alice):
    for method in ("get", "put", "patch", "delete"):
        assert getattr(Client(), method)(URL).status_code == 405


def test_forms_are_no_json(alice):
    assert Client().post(URL, {"username": "alice", "password": PASSWORD}).status_code == 415


def test_wrong_password(alice):
    answer = obtain(password="wrong")
    body = answer.json()
    assert (answer.status_code, body["slug"], body["detail"]) == (
        *(401, "wrong_password", "The username or password is incorrect."),
    )
    assert answer["WWW-Authenticate"].startswith("Bearer")
    event = AuditEvent.objects.get()
    assert (event.action, event.target, event.address) == ("login.failed", "alice", "127.0.0.1")


def test_unknown_and_disabled_look_like_a_wrong_password(alice, bob):
    User.objects.filter(pk=bob.pk).update(is_active=False)
    wrong = obtain(password="wrong").json()
    for answer in (obtain(username="nobody"), obtain(username="bob", password="bob's password")):
        assert answer.status_code == 401
        assert answer.json() | {"request_id": ""} == wrong | {"request_id": ""}


def test_spaces_belong_to_a_password(alice):
    alice.set_password("  spaced  ")
    alice.save()
    assert obtain(password="  spaced  ").status_code == 201
    assert obtain(password="spaced").status_code == 401


def test_locked_after_five_wrong_passwords(alice):
    answers = [obtain(password="wrong") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 401, 429]
    answer = obtain()  # the right password
    assert (answer.status_code, answer["Content-Type"]) == (429, "application/problem+json")
    assert answer.json()["slug"] == "locked_out"
    assert 895 <= int(answer["Retry-After"]) <= 900
    actions = list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["login.failed"] * 5 + ["login.locked"]
    assert not SessionToken.objects.exists()


def test_page_and_api_count_together(alice, client):
    for _ in range(3):
        client.post("/accounts/login/", {"username": "alice", "password": "wrong"})
    obtain(client, password="wrong")
    page = client.post("/accounts/login/", {"username": "alice", "password": "wrong"})
    assert (page.status_code, page["Content-Type"].partition(";")[0]) == (429, "text/html")
    assert obtain(client).status_code == 429


def test_the_right_password_ends_the_count(alice):
    for _ in range(2):
        for _ in range(4):
            obtain(password="wrong")
        assert obtain().status_code == 201


@pytest.mark.django_db(transaction=True)
async def test_locked_under_asgi(alice, async_client):
    """Axes uses different code under ASGI."""
    body = {"username": "alice", "password": "wrong"}
    answers = [await async_client.post(URL, body, content_type="application/json") for _ in range(6)]
    await sync_to_async(connections.close_all)()  # of the threads that served the requests
    assert [answer.status_code for answer in answers] == [401, 401, 401, 401, 429, 429]
    assert answers[-1]["Content-Type"] == "application/problem+json"
    assert 890 <= int(answers[-1]["Retry-After"]) <= 900


def test_has_a_rate_of_its_own(alice, settings):
    settings.API_RATES = settings.API_RATES | {"login": 2}
    assert [obtain().status_code for _ in range(3)] == [201, 201, 429]


def test_password_that_changes_meanwhile(alice):
    """A token is not issued if the password changes after it was checked."""
    read_before = User.objects.get(pk=alice.pk)
    User.objects.filter(pk=alice.pk).update(password=make_password("new"))
    with pytest.raises(LoginEnded):
        token_services.issue_for_login(by=Actor(read_before), wanted=TokenRequest("late"))
    assert not SessionToken.objects.exists()


def test_secrets_are_in_no_log(alice, caplog):
    caplog.set_level(logging.DEBUG)
    text = obtain().json()["token"]
    obtain(password="a-wrong-secret")
    assert caplog.records
    for secret in (text, PASSWORD, "a-wrong-secret"):
        assert secret not in caplog.text
    kept = str([*AccessAttempt.objects.values(), *AuditEvent.objects.values(), *SessionToken.objects.values()])
    assert text not in kept
    assert "a-wrong-secret" not in kept
