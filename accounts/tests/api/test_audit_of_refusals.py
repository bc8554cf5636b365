"""The audit trail records requests that the token or its user may not make, although no service is called."""

from datetime import timedelta

import pytest
from django.test import Client

from accounts import tokens
from accounts.models import AuditEvent
from accounts.tokens import TokenScope

USERS = "/api/v1/admin/users"


def script(user, **scope) -> Client:
    return Client(headers={"X-User-Token": tokens.issue(user, scope=TokenScope("s", **scope))})


def audit_events() -> list[tuple[str, str, str]]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", "target", "result"))


@pytest.mark.parametrize(
    ("path", "scope", "slug"),
    [
        (USERS, {}, "not_administrator"),
        ("/api/v1/pods/create", {"pod_name": "vnc-a"}, "token_bound"),
        ("/api/v1/pods/vnc-a/password", {"permissions": ()}, "not_permitted"),
    ],
)
def test_refused_deed_is_told(alice, path, scope, slug):
    answer = script(alice, **scope).post(
        f"{path}?x=secret", {}, content_type="application/json", REMOTE_ADDR="192.0.2.3"
    )
    assert (answer.status_code, answer.json()["slug"]) == (403, slug)
    assert audit_events() == [("api.refused", f"POST {path}", slug)]
    event = AuditEvent.objects.get()
    assert (event.actor, event.actor_name, event.address) == (alice, "alice", "192.0.2.3")


def test_looking_is_not(alice):
    assert script(alice).get(USERS).status_code == 403
    assert script(alice, pod_name="vnc-a").get("/api/v1/pods").status_code == 403
    assert audit_events() == []


def test_path_that_no_database_takes(alice):
    answer = script(alice, pod_name="vnc-a").delete(f"/api/v1/auth/tokens/{'0' * 8}-{'0' * 4}-4000-8000-{'0' * 12}")
    assert answer.status_code == 403
    script(alice).post(f"/api/v1/admin/pods/{'%E5%93%88' * 90}/stop")
    assert all(len(target) <= 200 for _, target, _ in audit_events())


def test_too_many_are_not(alice, settings):
    """The rate limits are checked first."""
    settings.API_RATES = settings.API_RATES | {"write": 3}
    mine = script(alice)
    assert [mine.post(USERS).status_code for _ in range(5)] == [403, 403, 403, 429, 429]
    assert len(audit_events()) == 3


def test_neither_is_a_token_that_does_not_count(alice):
    gone = tokens.issue(alice, scope=TokenScope("s"), lifetime=timedelta(hours=-1))
    assert Client(headers={"X-User-Token": gone}).post(USERS).status_code == 401
    assert Client().post(USERS).status_code == 401
    assert audit_events() == []
