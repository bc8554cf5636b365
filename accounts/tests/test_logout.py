"""Signing out, here or everywhere, closes what the login opened, and nothing else."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.login_session import session_id
from accounts.models import AuditEvent, SessionToken

OUT, EVERYWHERE = "/accounts/logout/", "/accounts/sign-out-everywhere/"
PAGE = "/accounts/password/"


@pytest.fixture
def session_of(rf):
    """Return a function that returns the login id of a test client."""

    def ask(client) -> str:
        request = rf.get("/")
        request.session = client.session
        found = session_id(request)
        request.session.save()
        return found

    return ask


@pytest.mark.django_db(transaction=True)
def test_logout_ends_this_login(alice, client_for, token_for, published_disconnects, session_of):
    here, there = client_for(alice), client_for(alice)
    token_for(alice, session_of(here))
    token_for(alice, session_of(there))
    announced = {"scope": "session", "id": session_of(here), "reason": "logged_out", "spare": ""}

    assert here.post(OUT).url == "/accounts/login/"

    assert published_disconnects() == announced
    assert (here.get(PAGE).status_code, there.get(PAGE).status_code) == (302, 200)
    reasons = dict(SessionToken.objects.values_list("session_id", "revoked_reason"))
    assert reasons == {announced["id"]: "logged_out", session_of(there): ""}
    assert AuditEvent.objects.get().action == "logout"


@pytest.mark.django_db(transaction=True)
def test_logout_is_told_in_the_transaction_that_ends_the_login_and_revokes_after_it(
    alice, client_for, token_for, session_of
):
    """Either the revocation sees a token issued at the same time, or its issue sees that the login has ended."""
    here = client_for(alice)
    token_for(alice, session_of(here))
    with CaptureQueriesContext(connection) as caught:
        here.post(OUT)
    done = [query["sql"].replace('"', "") for query in caught]
    steps = (
        "BEGIN",
        "INSERT INTO accounts_auditevent",
        "DELETE FROM django_session",
        "COMMIT",
        "UPDATE accounts_session",
    )
    left = iter(done)
    assert [step for step in steps if any(sql.startswith(step) for sql in left)] == list(steps), done


@pytest.mark.django_db(transaction=True)
def test_sign_out_everywhere(alice, bob, client_for, token_for, published_disconnects):
    here, there, bobs = client_for(alice), client_for(alice), client_for(bob)
    token_for(alice)

    assert here.post(EVERYWHERE).url == "/accounts/login/"

    assert published_disconnects() == {"scope": "user", "id": str(alice.pk), "reason": "logged_out", "spare": ""}
    assert [browser.get(PAGE).status_code for browser in (here, there, bobs)] == [302, 302, 200]
    assert SessionToken.objects.get().revoked_reason == "logged_out"
    assert AuditEvent.objects.get().action == "logout.everywhere"


@pytest.mark.parametrize("url", [OUT, EVERYWHERE])
def test_links_cannot_log_anybody_out(alice, client_for, url):
    browser = client_for(alice)
    assert browser.get(url).status_code == 405
    assert browser.get(PAGE).status_code == 200


@pytest.mark.parametrize("url", [OUT, EVERYWHERE])
def test_anonymous(db, client, url):
    assert client.post(url).url.startswith("/accounts/login/")
    assert not AuditEvent.objects.exists()


def test_login_id_is_stable_and_not_the_session_key(alice, client_for, session_of):
    browser = client_for(alice)
    first = session_of(browser)
    assert session_of(browser) == first
    assert browser.session.session_key not in first


def test_login_makes_the_id_and_a_new_login_another(alice, client, session_of):
    found = set()
    for _ in range(2):
        client.post("/accounts/login/", {"username": "alice", "password": "alice's password"})
        assert "login_id" in client.session
        found.add(session_of(client))
        client.post(OUT)
    assert len(found) == 2
