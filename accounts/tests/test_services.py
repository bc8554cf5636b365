"""Disabling and deleting accounts, and deleting old tokens."""

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from accounts import services, tokens
from accounts.audit import Actor
from accounts.models import AuditEvent, SessionToken, User
from accounts.tokens import TokenRefused

PAGE = "/accounts/password/"


@pytest.fixture
def by(admin) -> Actor:
    return Actor(admin, "10.0.0.1")


@pytest.mark.django_db(transaction=True)
def test_disabled_is_out_at_once(alice, by, client_for, token_for, published_disconnects):
    browser, text = client_for(alice), token_for(alice)
    services.set_active(user=alice, active=False, by=by)
    assert published_disconnects() == {"scope": "user", "id": str(alice.pk), "reason": "disabled", "spare": ""}
    assert browser.get(PAGE).status_code == 302
    with pytest.raises(TokenRefused, match="disabled"):
        tokens.verify(text)
    event = AuditEvent.objects.get()
    assert (event.action, event.target, event.actor, event.address) == ("user.disable", "alice", by.user, "10.0.0.1")


@pytest.mark.django_db(transaction=True)
def test_disabled_while_a_token_is_being_issued(alice, by, token_for):
    """Disabling an account waits for a token that is being issued, and revokes it too."""

    def disable() -> None:
        services.set_active(user=User.objects.get(pk=alice.pk), active=False, by=by)
        connection.close()

    with ThreadPoolExecutor() as pool:
        with transaction.atomic():
            text = token_for(alice)
            disabling = pool.submit(disable)
            assert wait([disabling], timeout=0.5).not_done
        disabling.result(timeout=10)
    with pytest.raises(TokenRefused, match="disabled"):
        tokens.verify(text)


def test_enabled_again_has_to_log_in_anew(alice, by, client_for):
    browser = client_for(alice)
    services.set_active(user=alice, active=False, by=by)
    services.set_active(user=alice, active=True, by=by)
    assert browser.get(PAGE).status_code == 302
    assert client_for(User.objects.get(pk=alice.pk)).get(PAGE).status_code == 200
    assert AuditEvent.objects.latest("pk").action == "user.enable"


@pytest.mark.django_db(transaction=True)
def test_deleted_is_out_at_once(alice, by, client_for, token_for, published_disconnects):
    browser, text, user_id = client_for(alice), token_for(alice), str(alice.pk)
    services.delete_user(user=alice, by=by)
    assert published_disconnects() == {"scope": "user", "id": user_id, "reason": "disabled", "spare": ""}
    assert browser.get(PAGE).status_code == 302
    with pytest.raises(TokenRefused, match="revoked"):
        tokens.verify(text)
    assert AuditEvent.objects.get().target == "alice"


def test_owner_of_a_desktop_is_not_deleted(alice, by, make_desktop, token_for):
    make_desktop(owner=alice)
    text = token_for(alice)
    with pytest.raises(ProtectedError):
        services.delete_user(user=alice, by=by)
    assert tokens.verify(text)
    assert not AuditEvent.objects.exists()


def test_trail_outlives_the_account(alice, by):
    services.sign_out_everywhere(user=alice, by=Actor(alice))
    services.delete_user(user=alice, by=by)
    event = AuditEvent.objects.get(action="logout.everywhere")
    assert (event.actor, event.actor_name) == (None, "alice")


def test_ended_logins_are_forgotten(alice, client_for):
    kept, ended = client_for(alice).session, client_for(alice).session
    ended.set_expiry(-1)
    ended.save()
    services.prune()
    assert [row.pk for row in Session.objects.all()] == [kept.session_key]


def test_old_tokens_are_forgotten(alice, token_for):
    old, recent = token_for(alice), token_for(alice)
    for text, days in ((old, 31), (recent, 29)):
        ended = timezone.now() - timedelta(days=days)
        SessionToken.objects.filter(pk=tokens.verify(text).jti).update(expires_at=ended)
    token_for(alice)
    assert (services.prune(), services.prune()) == (1, 0)
    assert SessionToken.objects.count() == 2
