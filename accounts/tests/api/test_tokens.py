"""Tests of `GET` and `POST /api/v1/auth/tokens`: list your session tokens, and create further ones."""

from datetime import datetime, timedelta

import jwt
import pytest
from django.test import Client
from django.utils import timezone

from accounts import revocation, token_services, tokens
from accounts.audit import Actor
from accounts.models import AuditEvent, SessionToken
from accounts.token_services import LoginEnded, TokenRequest

URL = "/api/v1/auth/tokens"
DAY = 24 * 3600


def labels(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [one["label"] for one in answer.json()["results"]]


def create(client, **fields):
    return client.post(URL, fields, content_type="application/json")


def moment(scripted_runtime, name) -> datetime:
    return datetime.fromisoformat(scripted_runtime[name])


# --- the list ---


def test_what_is_listed(alice, obtained, script):
    scripted_runtime = obtained(alice, label="backup", permissions=["ssh"])
    answer = script(scripted_runtime).get(URL).json()
    (one,) = answer["results"]
    assert (answer["count"], answer["next"], answer["previous"]) == (1, None, None)
    assert timezone.now() - moment(one, "last_used_at") < timedelta(seconds=30)
    assert one | {"last_used_at": ""} == {
        "id": scripted_runtime["id"],
        "label": "backup",
        "permissions": ["ssh"],
        "pod_name": "",
        "session_id": scripted_runtime["session_id"],
        "created_at": scripted_runtime["created_at"],
        "last_used_at": "",
        "last_used_from": "127.0.0.1",
        "expires_at": scripted_runtime["expires_at"],
        "refresh_until": scripted_runtime["refresh_until"],
        "revoked_at": None,
        "revoked_reason": "",
        "current": True,
    }


def test_only_mine_and_only_with_a_label(alice, bob, obtained, script, api_for):
    scripted_runtime = obtained(alice, label="mine")
    obtained(bob, label="bob's")
    assert labels(api_for(alice).get(URL)) == ["mine"]
    assert [one["current"] for one in api_for(alice).get(URL).json()["results"]] == [False]
    assert labels(script(scripted_runtime).get(URL)) == ["mine"]


def test_newest_first_in_pages_and_stable(alice, obtained, api_for):
    for number in range(5):
        obtained(alice, label=str(number))
    now = timezone.now()
    for number in range(5):
        SessionToken.objects.filter(label=str(number)).update(created_at=now - timedelta(hours=number))
    SessionToken.objects.filter(label__in="34").update(created_at=now - timedelta(hours=3))  # two with the same time
    client = api_for(alice)
    everything = labels(client.get(URL))
    assert everything[:3] == ["0", "1", "2"]
    pages = [labels(client.get(f"{URL}?limit=2&offset={offset}")) for offset in (0, 2, 4)]
    assert [label for page in pages for label in page] == everything
    assert client.get(f"{URL}?limit=2").json()["next"].endswith("?limit=2&offset=2")


@pytest.mark.parametrize(
    ("ordering", "found"),
    [("label", ["a", "b"]), ("-label", ["b", "a"]), ("expires_at", ["b", "a"]), ("created_at", ["b", "a"])],
)
def test_order(alice, obtained, api_for, ordering, found):
    first = obtained(alice, label="b", lifetime=3600)["id"]
    SessionToken.objects.filter(pk=first).update(created_at=timezone.now() - timedelta(minutes=1))
    obtained(alice, label="a")
    assert labels(api_for(alice).get(f"{URL}?ordering={ordering}")) == found
    assert api_for(alice).get(f"{URL}?ordering=id").status_code == 422


def test_active_or_not(alice, obtained, api_for):
    for label in ("live", "revoked", "expired"):
        obtained(alice, label=label)
    SessionToken.objects.filter(label="expired").update(expires_at=timezone.now())
    revocation.revoke_token(SessionToken.objects.get(label="revoked").pk, reason="revoked")
    client = api_for(alice)
    assert labels(client.get(f"{URL}?active=true")) == ["live"]
    assert sorted(labels(client.get(f"{URL}?active=false"))) == ["expired", "revoked"]
    assert len(labels(client.get(URL))) == 3
    (one,) = [one for one in client.get(URL).json()["results"] if one["label"] == "revoked"]
    assert one["revoked_reason"] == "revoked"
    assert one["revoked_at"]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        *(("active=perhaps", "active"), ("limit=0", "limit"), ("limit=201", "limit"), ("offset=-1", "offset")),
        *(("user=bob", "user"), ("active=true&active=false", "active")),
    ],
)
def test_bad_queries(alice, api_for, query, named):
    answer = api_for(alice).get(f"{URL}?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, named)


def test_constant_number_of_queries(alice, obtained, script, django_assert_num_queries):
    client = script(obtained(alice))
    client.get(URL)
    for _ in range(10):
        obtained(alice)
    with django_assert_num_queries(2):  # count and page; the check of the token asks Redis
        client.get(URL)


def test_anonymous_bound_and_other_methods(alice, api_for):
    assert Client().get(URL).status_code == 401
    assert create(Client()).status_code == 401
    bound = api_for(alice, pod_name="vnc-alice")
    assert [bound.get(URL).status_code, create(bound).status_code] == [403, 403]
    for method in ("put", "patch", "delete"):
        assert getattr(api_for(alice), method)(URL).status_code == 405


# --- a further token ---


def test_a_smaller_one(alice, obtained, script):
    parent = obtained(alice)
    answer = create(script(parent), label="small", permissions=["vnc"], lifetime=3600)
    scripted_runtime = answer.json()
    assert answer.status_code == 201
    assert "no-store" in answer["Cache-Control"]
    claims = jwt.decode(scripted_runtime["token"], options={"verify_signature": False})
    assert (claims["permissions"], claims["exp"] - claims["iat"], claims["pod_name"]) == (["vnc"], 3600, "")
    assert claims["session_id"] == scripted_runtime["session_id"] != parent["session_id"]
    assert claims["resource_quota"]
    assert moment(scripted_runtime, "refresh_until") <= moment(parent, "expires_at")
    assert sorted(labels(script(scripted_runtime).get(URL))) == ["API token", "small"]
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.target, event.address) == ("token.issue", "alice small", "127.0.0.1")


def test_by_default_as_much_as_the_one_that_asks(alice, obtained, script):
    parent = obtained(alice, permissions=["ssh"], lifetime=3600)
    scripted_runtime = create(script(parent)).json()
    assert (scripted_runtime["label"], scripted_runtime["permissions"], scripted_runtime["refresh_until"]) == (
        "API token",
        ["ssh"],
        None,
    )
    assert moment(scripted_runtime, "expires_at") <= moment(parent, "expires_at")


def test_by_default_no_longer_than_usual(alice, obtained, script):
    scripted_runtime = create(script(obtained(alice, lifetime=30 * DAY))).json()
    assert moment(scripted_runtime, "expires_at") - moment(scripted_runtime, "created_at") == timedelta(days=1)


@pytest.mark.django_db(transaction=True)
def test_ends_with_the_one_that_made_it(alice, obtained, script):
    """Revoking a token ends the tokens made with it and their refreshed ones, so that a thief keeps nothing."""
    parent = obtained(alice, lifetime=30 * DAY)
    child = create(script(parent), lifetime=3600).json()
    child = script(child).post("/api/v1/auth/token/refresh", {}, "application/json").json()
    grandchild = create(script(child), lifetime=600).json()
    other = obtained(alice)
    assert script(grandchild).get(URL).status_code == 200
    assert script(other).delete(f"{URL}/{parent['id']}").status_code == 200
    assert [script(one).get(URL).status_code for one in (parent, child, grandchild, other)] == [401, 401, 401, 200]


@pytest.mark.django_db(transaction=True)
def test_ends_without_the_one_that_made_it(alice, obtained, script):
    parent = obtained(alice)
    child = create(script(parent)).json()
    assert script(parent).delete(f"{URL}/{child['id']}").status_code == 200
    assert [script(one).get(URL).status_code for one in (parent, child)] == [200, 401]


def test_never_more_permissions(alice, obtained, script):
    answer = create(script(obtained(alice, permissions=["vnc"])), permissions=["vnc", "ssh"])
    scripted_runtime = answer.json()
    assert (answer.status_code, scripted_runtime["slug"], scripted_runtime["errors"][0]["field"]) == (
        403,
        "not_permitted",
        "permissions",
    )
    assert "ssh" in scripted_runtime["detail"]
    assert SessionToken.objects.count() == 1


def test_never_a_longer_life(alice, obtained, script):
    answer = create(script(obtained(alice, lifetime=3600)), lifetime=3660)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "lifetime")
    assert SessionToken.objects.count() == 1


def test_not_even_by_refreshing(alice, obtained, script):
    """Tokens issued by a refreshed child still end with the first token."""
    parent = obtained(alice, lifetime=3600)
    child = create(script(parent), lifetime=60).json()
    for _ in range(3):
        assert moment(child, "refresh_until") <= moment(parent, "expires_at")
        child = script(child).generic("POST", "/api/v1/auth/token/refresh").json()
    SessionToken.objects.filter(pk=child["id"]).update(refresh_until=timezone.now() + timedelta(seconds=30))
    last = script(child).generic("POST", "/api/v1/auth/token/refresh").json()
    assert moment(last, "expires_at") - timezone.now() <= timedelta(seconds=30)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"label": "x" * 101}, "label"),
        ({"permissions": []}, "permissions"),
        ({"permissions": ["root"]}, "permissions"),
        ({"lifetime": 59}, "lifetime"),
        ({"lifetime": 30 * DAY + 1}, "lifetime"),
        ({"session_id": "mine"}, "session_id"),
        ({"pod_name": "vnc-bob"}, "pod_name"),
    ],
)
def test_bad_input(alice, api_for, fields, named):
    answer = create(api_for(alice), **fields)
    assert (answer.status_code, answer.json()["errors"][0]["field"].partition(".")[0]) == (422, named)


@pytest.mark.django_db(transaction=True)
def test_who_is_out_meanwhile_issues_none(alice, obtained):
    """The password changes between the check of the token and the issue."""
    claims = tokens.verify(obtained(alice)["token"])
    revocation.revoke_user(alice, reason="password_changed")
    with pytest.raises(LoginEnded):
        token_services.issue_from_token(by=Actor(alice), claims=claims, wanted=TokenRequest("late"))


def test_once_only_with_an_idempotency_key(alice, api_for):
    client = api_for(alice)
    answers = [
        client.post(URL, {}, content_type="application/json", headers={"Idempotency-Key": "one"}) for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert SessionToken.objects.exclude(label="").count() == 1
