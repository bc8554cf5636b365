"""Error pages look like other pages and say what to do. The page for 500 works without a database."""

import re

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.views.defaults import bad_request, permission_denied, server_error


@pytest.mark.parametrize(
    ("view", "status", "sentence"),
    [
        (server_error, 500, "The error was logged."),
        (lambda request: bad_request(request, ValueError()), 400, "cannot read this request"),
    ],
)
def test_drawn_without_a_database(view, status, sentence):
    response = view(RequestFactory().get("/"))  # no `db` fixture: a query would fail the test
    page = response.content.decode()
    assert response.status_code == status
    assert sentence in page
    assert "Go to My Desktop" in page


def test_forbidden(db):
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    assert "You do not have permission to do this" in permission_denied(request, PermissionError()).content.decode()


def test_nothing_here(client_for, alice):
    response = client_for(alice).get("/nothing/here/")
    assert response.status_code == 404
    assert "Go to My Desktop" in response.content.decode()


def test_no_inline_script_or_style_anywhere(client_for, alice, make_desktop):
    """The content security policy would block it without a message."""
    desktop = make_desktop(alice)
    for address in ("/nothing/", f"/desktops/{desktop.pk}/", "/?new", f"/desktops/{desktop.pk}/log/"):
        page = client_for(alice).get(address).content.decode()
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page), address
