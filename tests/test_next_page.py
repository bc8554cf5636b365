"""A redirect may lead to each page of the portal, and to nothing else. The URL configuration has the addresses."""

import pytest
from django.urls import get_resolver

from accounts.next_page import is_page
from desktops.models import Status
from tests.test_api_matrix import patterns

ROUTES = sorted(
    "/" + route for route, pattern in patterns(get_resolver()) if not route.startswith(("admin/", "^", "api/v1/"))
)
REDIRECTS = ("/accounts/login/", "/i18n/setlang/")  # open the page in `next`, and are none themselves


def is_shown(browser, address: str) -> bool:
    """Return whether a person who opens the address sees a page."""
    answer = browser.get(address, follow=True)
    return answer.status_code == 200 and "<!doctype html" in answer.content.decode()[:300].lower()


@pytest.fixture
def address(alice, make_desktop):
    desktop = make_desktop(alice, status=Status.RUNNING)
    things = {"<uuid:desktop_id>": desktop.pk, "<uuid:volume_id>": desktop.volume_id, "<int:key_id>": 1}

    def of(route: str) -> str:
        for name, value in (things | {"<uuid:token_id>": desktop.pk}).items():
            route = route.replace(name, str(value))
        return route

    return of


@pytest.mark.parametrize("route", [route for route in ROUTES if route not in REDIRECTS])
def test_is_a_page_if_it_opens(route, address, client_for, alice):
    assert is_page(address(route)) == is_shown(client_for(alice), address(route))


@pytest.mark.parametrize("path", ["", "accounts/user/", "accounts/user/add/", "desktops/desktop/", "password_change/"])
def test_administration(path, client_for, admin):
    assert is_page(f"/admin/{path}")
    assert is_shown(client_for(admin), f"/admin/{path}")


@pytest.mark.parametrize("path", ["login/", "logout/", "jsi18n/", "autocomplete/", "nowhere/"])
def test_of_the_administration_these_are_none(path):
    assert not is_page(f"/admin/{path}")
