"""Tests of `/accounts/tokens/`: the list, a new token that is shown once, and revoking."""

import logging
import re
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts import services, token_services, tokens
from accounts.audit import Actor
from accounts.models import AuditEvent, SessionToken
from accounts.token_services import TokenRequest
from accounts.tokens import TokenRefused, TokenScope

PAGE = "/accounts/tokens/"
FORM = {"label": "nightly <b>build</b>", "permissions": ["vnc", "ssh"], "lifetime": "86400"}
SHOWN = re.compile(r'<code id="new-token"[^>]*>([^<]+)</code>')


@pytest.fixture
def kept(alice) -> SessionToken:
    return token_services.issue_for_login(by=Actor(alice), wanted=TokenRequest("kept")).token


def create(browser, **fields) -> str:
    """Create a token on the page and return it."""
    page = browser.post(PAGE, FORM | fields)
    assert page.status_code == 200
    return SHOWN.search(page.content.decode())[1]


def test_created_and_shown_once(client_for, alice):
    browser = client_for(alice)
    assert "You have no valid tokens." in browser.get(PAGE).content.decode()
    answer = browser.post(PAGE, FORM | {"permissions": ["ssh"], "lifetime": "3600"})
    page = answer.content.decode()
    text = SHOWN.search(page)[1]
    claims = tokens.verify(text)
    row = SessionToken.objects.get()
    assert "no-store" in answer["Cache-Control"]
    assert (claims.user_id, claims.permissions, claims.pod_name) == (str(alice.pk), {"ssh"}, "")
    assert claims.expires_at - claims.created_at == timedelta(hours=1)
    assert claims.resource_quota
    assert "nightly &lt;b&gt;build&lt;/b&gt;" in page
    again = browser.get(PAGE).content.decode()
    assert "nightly &lt;b&gt;build&lt;/b&gt;" in again
    assert "Never used" in again
    assert not SHOWN.search(again)
    assert text not in again
    event = AuditEvent.objects.get(action="token.issue")
    assert (event.actor, event.details["id"]) == (alice, str(row.pk))


def test_it_works(client_for, alice):
    text = create(client_for(alice))
    answer = Client().get("/api/v1/auth/tokens", headers={"X-User-Token": text, "X-Forwarded-For": "6.6.6.6"})
    assert answer.json()["results"][0]["label"] == FORM["label"]
    assert "from 127.0.0.1" in client_for(alice).get(PAGE).content.decode()


def test_is_kept_nowhere(client_for, alice, caplog):
    caplog.set_level(logging.DEBUG)
    browser = client_for(alice)
    text = create(browser)
    browser.get(PAGE)
    assert caplog.records
    assert text not in caplog.text
    kept = [session.get_decoded() for session in Session.objects.all()]
    kept += [*SessionToken.objects.values(), *AuditEvent.objects.values()]
    assert text not in str(kept)
    assert text not in str(browser.cookies)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"label": ""}, "Give the token a label."),
        ({"label": "x" * 101}, "at most 100 characters"),
        ({"label": "\0"}, "Null characters are not allowed."),
        ({"permissions": []}, "Select at least one."),
        ({"permissions": ["root"]}, "root is not one of the available choices."),
        ({"lifetime": "3601"}, "3601 is not one of the available choices."),
        ({"lifetime": ""}, "This field is required."),
    ],
)
def test_bad_input_is_told(client_for, alice, fields, sentence):
    answer = client_for(alice).post(PAGE, FORM | fields)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not SessionToken.objects.exists()


@pytest.mark.parametrize(
    ("longest", "choices"),
    [
        (30 * 86400, ["1 hour", "1 day", "7 days", "30 days"]),
        (30 * 86400 - 1, ["1 hour", "1 day", "7 days"]),
        (3600, ["1 hour"]),
        (600, ["10 minutes"]),
    ],
)
def test_lifetimes_end_where_the_installation_says(client_for, alice, settings, longest, choices):
    settings.TOKEN_LIFETIME_MAX = longest
    page = client_for(alice).get(PAGE).content.decode()
    assert re.findall(r'<option value="\d+"[^>]*>([^<]+)</option>', page) == choices
    assert ("selected>1 day" in page) == ("1 day" in choices)


def test_revoked(client_for, alice, kept):
    browser = client_for(alice)
    page = browser.post(f"{PAGE}{kept.pk}/revoke/", follow=True).content.decode()
    assert "The token was revoked" in page
    assert "You have no valid tokens." in page
    kept.refresh_from_db()
    assert kept.revoked_reason == "revoked"


def test_all_revoked(client_for, alice, kept):
    browser = client_for(alice)
    create(browser)
    page = browser.post(f"{PAGE}revoke-all/", follow=True).content.decode()
    assert "2 tokens were revoked." in page
    assert not SessionToken.objects.filter(revoked_at=None).exists()
    assert browser.get("/accounts/password/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_survive_the_browser_but_not_a_new_password(client_for, alice):
    browser = client_for(alice)
    text = create(browser)
    browser.post("/accounts/logout/")
    assert tokens.verify(text)
    services.change_password(user=alice, password="new one", by=Actor(alice))
    with pytest.raises(TokenRefused, match="revoked"):
        tokens.verify(text)


def test_login_that_ends_meanwhile(client_for, alice, monkeypatch):
    """If the user signs out everywhere during the request, no token is issued and the browser goes to the login."""
    browser = client_for(alice)
    issue = token_services.issue_for_login

    def ends_first(**given):
        services.sign_out_everywhere(user=alice, by=Actor(alice))
        return issue(**given)

    monkeypatch.setattr("accounts.token_views.token_services.issue_for_login", ends_first)
    answer = browser.post(PAGE, FORM)
    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    assert browser.get(PAGE)["Location"].startswith("/accounts/login/")
    assert not SessionToken.objects.exists()


def test_lists_what_counts(client_for, alice, kept):
    scope = TokenScope("sess_browser", pod_name="vnc-of-alice")
    tokens.issue(alice, scope=scope)  # the token of a viewer
    tokens.issue(alice, scope=scope, label="for one desktop")
    SessionToken.objects.create(user=alice, session_id="s", label="expired", expires_at=timezone.now())
    SessionToken.objects.create(
        user=alice, session_id="s", label="revoked", expires_at=kept.expires_at, revoked_at=timezone.now()
    )
    page = client_for(alice).get(PAGE).content.decode()
    listed = page.partition("Your tokens")[2].partition("</ul>")[0]
    assert sorted(re.findall(r"<strong>([^<]+)</strong>", listed)) == ["for one desktop", "kept"]
    assert "For the desktop vnc-of-alice only" in page


def test_a_hundred_are_shown(client_for, alice):
    end = timezone.now() + timedelta(days=1)
    SessionToken.objects.bulk_create(
        SessionToken(user=alice, session_id=f"s{number}", label=f"l{number}", expires_at=end) for number in range(101)
    )
    page = client_for(alice).get(PAGE).content.decode()
    assert page.count("/revoke/") == 100
    assert "The API lists all of them." in page


def test_can_be_asked_for_without_script(client_for, alice, kept):
    browser = client_for(alice)
    page = browser.get(f"{PAGE}?revoke={kept.pk}").content.decode()
    assert f'<dialog id="revoke-{kept.pk}" aria-labelledby="revoke-title-{kept.pk}" open>' in page
    assert (
        '<dialog id="revoke-all" aria-labelledby="revoke-all-title" open>'
        in browser.get(f"{PAGE}?revoke=all").content.decode()
    )


def test_strangers_neither_see_nor_revoke(client_for, bob, admin, kept):
    for person in (bob, admin):
        assert str(kept.pk) not in client_for(person).get(PAGE).content.decode()
        assert client_for(person).post(f"{PAGE}{kept.pk}/revoke/").status_code == 404
        client_for(person).post(f"{PAGE}revoke-all/")
    kept.refresh_from_db()
    assert kept.revoked_at is None


def test_anonymous_to_login(client, kept):
    assert client.get(PAGE)["Location"] == f"/accounts/login/?next={PAGE}"
    for address in (PAGE, f"{PAGE}{kept.pk}/revoke/", f"{PAGE}revoke-all/"):
        assert client.post(address, FORM)["Location"].startswith("/accounts/login/")
    assert SessionToken.objects.filter(revoked_at=None).count() == 1


def test_buttons_are_post_only_and_csrf_checked(alice, kept, client_for):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert strict.post(PAGE, FORM).status_code == 403
    for address in (f"{PAGE}{kept.pk}/revoke/", f"{PAGE}revoke-all/"):
        assert client_for(alice).get(address).status_code == 405
        assert strict.post(address).status_code == 403
    assert client_for(alice).put(PAGE).status_code == 405
    assert SessionToken.objects.filter(revoked_at=None).count() == 1


def test_the_menu_leads_here(client_for, alice):
    assert f'href="{PAGE}"' in client_for(alice).get("/accounts/password/").content.decode()
