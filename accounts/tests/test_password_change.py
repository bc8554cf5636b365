"""Changing the password signs out other browsers and closes their streams. This browser stays signed in."""

import pytest

from accounts.models import AuditEvent, SessionToken

URL = "/accounts/password/"
NEW = "correct horse battery"


def change(client, old="alice's password", new=NEW, again=None):
    return client.post(URL, {"old_password": old, "new_password1": new, "new_password2": again or new})


@pytest.mark.django_db(transaction=True)
def test_works(alice, client, client_for, token_for, published_disconnects):
    there = client_for(alice)
    client.post("/accounts/login/", {"username": "alice", "password": "alice's password"})
    here = client.session["login_id"]
    token_for(alice, here)
    token_for(alice, "sess_there")

    assert change(client).url == "/"

    assert published_disconnects() == {
        "scope": "user",
        "id": str(alice.pk),
        "reason": "password_changed",
        "spare": here,
    }
    assert (client.get(URL).status_code, there.get(URL).status_code) == (200, 302)
    assert client.session["login_id"] == here
    reasons = dict(SessionToken.objects.values_list("session_id", "revoked_reason"))
    assert reasons == {here: "", "sess_there": "password_changed"}
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert AuditEvent.objects.latest("pk").action == "password.change"


@pytest.mark.parametrize(
    ("old", "new", "again"),
    [
        ("wrong", NEW, NEW),
        ("alice's password", NEW, "other"),
        ("alice's password", "short", "short"),
        ("alice's password", "1234567890", "1234567890"),
        ("alice's password", "password", "password"),
        ("alice's password", "", ""),
    ],
    ids=["wrong old one", "two different ones", "short", "numbers", "common", "none"],
)
def test_refused_with_a_sentence(alice, client_for, old, new, again):
    answer = change(client_for(alice), old, new, again)
    assert answer.status_code == 200
    page = answer.content.decode()
    assert 'role="alert"' in page
    assert 'aria-invalid="true"' in page
    assert not AuditEvent.objects.exists()
    alice.refresh_from_db()
    assert alice.check_password("alice's password")


def test_anonymous(db, client):
    assert client.get(URL).url == f"/accounts/login/?next={URL}"
    assert change(client).url == "/accounts/login/?next=/"


def test_wrong_method(alice, client_for):
    assert client_for(alice).delete(URL).status_code == 405


def test_part_of_a_page_goes_to_the_login_page_as_a_whole(db, client):
    htmx = {"HX-Request": "true", "HX-Current-URL": "http://testserver/desktops/?a=b"}
    answer = client.get(URL, headers=htmx)
    assert answer.headers["HX-Redirect"] == "/accounts/login/?next=%2Fdesktops%2F%3Fa%3Db"
    assert answer.content == b""


def test_page_of_another_site_is_not_where_one_comes_back_to(db, client):
    answer = client.get(URL, headers={"HX-Request": "true", "HX-Current-URL": "https://evil.example/x"})
    assert answer.headers["HX-Redirect"] == "/accounts/login/?next=%2F"
