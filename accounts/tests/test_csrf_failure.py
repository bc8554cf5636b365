"""Forms opened before a sign-in or sign-out in another tab redirect and change nothing."""

import re

import pytest
from django.test import Client

from accounts.models import AuditEvent

LOGIN = "/accounts/login/"
PASSWORD = "alice's password"
HOME = "http://testserver/"


class Browser(Client):
    """One browser whose tabs each have the form token of their page."""

    def __init__(self) -> None:
        super().__init__(enforce_csrf_checks=True)

    def open(self, path: str = LOGIN) -> str:
        """Open a page and return its form token."""
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(path).content.decode())
        assert found
        return found[1]

    def send(self, path: str, form_token: str, *, headers: dict[str, str] | None = None, **fields: str):
        return self.post(path, fields | {"csrfmiddlewaretoken": form_token}, headers=headers)

    def sign_in(self, form_token: str, username: str = "alice", **fields: str):
        fields = {"username": username, "password": f"{username}'s password"} | fields
        return self.send(LOGIN, form_token, **fields)


@pytest.fixture
def browser(alice) -> Browser:
    return Browser()


def said(answer) -> list[str]:
    """Return the messages that the next page shows."""
    return [str(message) for message in answer.wsgi_request._messages]


class TestLogin:
    def test_signed_in_by_another_tab_goes_on(self, browser):
        older = browser.open()
        assert browser.sign_in(browser.open()).status_code == 302
        answer = browser.sign_in(older, next="/accounts/tokens/")
        assert (answer.status_code, answer.url, said(answer)) == (302, "/accounts/tokens/", [])

    @pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example/", LOGIN, "/accounts/logout/"])
    def test_goes_nowhere_else(self, browser, wanted):
        older = browser.open()
        browser.sign_in(browser.open())
        assert browser.sign_in(older, next=wanted).url == "/"

    def test_another_name_is_not_mistaken_for_the_one_that_is_in(self, browser, bob):
        older = browser.open()
        browser.sign_in(browser.open())
        answer = browser.sign_in(older, "bob")
        assert said(answer) == ["You are signed in as alice. To use another account, sign out first."]
        assert AuditEvent.objects.get().target == ""  # the only sign-in is alice's

    def test_signed_out_again_shows_the_form_with_the_name(self, browser):
        older = browser.open()
        browser.sign_in(browser.open())
        browser.send("/accounts/logout/", browser.open("/accounts/tokens/"))
        answer = browser.sign_in(older, next="/accounts/tokens/")
        page = answer.content.decode()
        assert answer.status_code == 403
        assert "no-store" in answer.headers["Cache-Control"]
        assert "The form had expired." in page
        assert 'value="alice"' in page
        assert 'name="next" value="/accounts/tokens/"' in page
        assert "s password" not in page
        assert re.search(r'type="password"[^>]*autofocus', page)
        assert not re.search(r'name="username"[^>]*autofocus', page)

    def test_the_form_that_is_shown_again_works(self, browser):
        page = browser.sign_in("x" * 64).content.decode()
        assert 'name="password"' in page
        assert browser.sign_in(re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]).status_code == 302

    def test_name_of_any_length_and_kind(self, browser):
        answer = browser.send(LOGIN, "x" * 64, username='"><script>' + "a" * 10_000)
        page = answer.content.decode()
        assert "&gt;&lt;script&gt;aaa" in page
        assert "<script>" not in page
        assert len(page) < 10_000

    def test_no_attempt_is_counted(self, browser):
        for _ in range(10):
            browser.sign_in("x" * 64, password="wrong")
        assert not AuditEvent.objects.exists()
        assert browser.sign_in(browser.open()).status_code == 302


class TestOtherForms:
    @pytest.fixture
    def older(self, browser) -> str:
        """Return a form token from before the sign-in."""
        token = browser.open()
        browser.sign_in(browser.open())
        return token

    @pytest.mark.parametrize(
        "path", ["/accounts/password/", "/accounts/ssh-keys/", "/accounts/tokens/", "/desktops/launch/"]
    )
    def test_leads_back_to_the_page_and_says_so(self, browser, older, path):
        answer = browser.send(path, older, headers={"Referer": f"{HOME}accounts/password/?a=b#c"})
        assert (answer.status_code, answer.url) == (302, "/accounts/password/?a=b")
        assert said(answer) == [
            "You signed in or out after you opened this page, so nothing was changed. Please try again."
        ]

    @pytest.mark.parametrize("path", ["/desktops/launch/", "/accounts/tokens/revoke-all/"])
    def test_leads_to_no_button(self, browser, older, path):
        """The answer to a button, such as a refusal, contains forms whose Referer is the button's address."""
        answer = browser.send("/accounts/password/", older, headers={"Referer": HOME + path[1:]})
        assert (answer.status_code, answer.url) == (302, "/")
        answer = browser.send("/i18n/setlang/", older, language="zh-hans", next=path)
        assert (answer.status_code, answer.url) == (302, "/")

    def test_password_stays(self, browser, older, alice):
        browser.send(
            "/accounts/password/", older, old_password=PASSWORD, new_password1="n3w-one!", new_password2="n3w-one!"
        )
        alice.refresh_from_db()
        assert alice.check_password(PASSWORD)

    @pytest.mark.parametrize(
        "referer", ["", "https://evil.example/x", "http://testserver//evil.example", "javascript:1", "http://["]
    )
    def test_leads_nowhere_else(self, browser, older, referer):
        answer = browser.send("/accounts/password/", older, headers={"Referer": referer})
        assert (answer.status_code, answer.url) == (302, "/")

    def test_sign_out_needs_a_valid_form_as_long_as_somebody_is_in(self, browser, older):
        assert browser.send("/accounts/logout/", older).url == "/"
        assert browser.get("/accounts/password/").status_code == 200

    def test_sign_out_of_who_is_out(self, browser):
        browser.open()
        answer = browser.send("/accounts/logout/", "x" * 64)
        assert (answer.status_code, answer.url, said(answer)) == (302, LOGIN, [])

    def test_language_changes_all_the_same(self, browser, older):
        answer = browser.send("/i18n/setlang/", older, language="zh-hans", next="/accounts/password/")
        assert (answer.status_code, answer.url) == (302, "/accounts/password/")
        assert 'lang="zh-hans"' in browser.get("/accounts/password/").content.decode()

    def test_button_of_a_live_part_loads_its_page_again(self, browser, older):
        answer = browser.send("/desktops/launch/", older, headers={"HX-Request": "true"})
        assert (answer.status_code, answer.headers["HX-Refresh"]) == (200, "true")
        assert "nothing was changed" in browser.get("/accounts/password/").content.decode()

    def test_script_of_a_page_is_told_by_status(self, browser, older):
        answer = browser.send("/accounts/tokens/", older, headers={"Accept": "application/json"})
        assert answer.status_code == 403

    def test_browser_without_cookies_is_told_so(self, browser):
        answer = browser.send("/accounts/password/", "x" * 64, headers={"Referer": f"{HOME}accounts/password/"})
        page = answer.content.decode()
        assert answer.status_code == 403
        assert "Allow cookies for this site" in page
        assert 'href="/accounts/password/"' in page


@pytest.mark.parametrize("path", [LOGIN, "/accounts/password/", "/accounts/logout/", "/i18n/setlang/"])
def test_form_of_another_site_gets_nothing(browser, path):
    form_token = browser.open()
    browser.sign_in(browser.open())
    answer = browser.send(
        path, form_token, headers={"Origin": "https://evil.example"}, language="zh-hans", username="x1y2"
    )
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "The form was sent from another site" in page
    assert "x1y2" not in page
    assert browser.get("/accounts/password/").status_code == 200
    assert 'lang="en"' in browser.get("/accounts/password/").content.decode()
