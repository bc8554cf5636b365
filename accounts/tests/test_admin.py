"""Tests of the admin: disabling, deleting and setting a password close what the user has open."""

import pytest
from django.contrib.auth.models import Group, Permission

from accounts import tokens
from accounts.models import AuditEvent, Quota, SessionToken, SSHKey, User
from accounts.tokens import TokenRefused

_PAGES = ("user", "quota", "sessiontoken", "auditevent", "sshkey")
USERS, QUOTAS, TOKENS, EVENTS, KEYS = (f"/admin/accounts/{name}/" for name in _PAGES)
NO_QUOTA = {"quota-TOTAL_FORMS": "0", "quota-INITIAL_FORMS": "0"}
LIMITS = dict.fromkeys(("memory_mib", "storage_gib", "gpu", "desktops", "max_lifetime_minutes", "idle_minutes"), "")


@pytest.fixture
def browser(admin, client_for):
    return client_for(admin)


def user_form(user: User, **changes) -> dict[str, str]:
    form = {"username": user.username, "is_active": "on", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    return {name: value for name, value in (form | NO_QUOTA | changes).items() if value is not None}


def act(browser, page, action, *rows):
    return browser.post(page, {"action": action, "_selected_action": [str(row.pk) for row in rows]}, follow=True)


def is_revoked(text: str) -> bool:
    try:
        return not tokens.verify(text)
    except TokenRefused as refused:
        return refused.reason in ("revoked", "disabled")


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


PAGES = ["/admin/", *(page + end for page in (USERS, QUOTAS) for end in ("", "add/", "?q=a")), TOKENS, EVENTS]


@pytest.mark.parametrize("page", [*PAGES, TOKENS + "?q=a", EVENTS + "?q=a", EVENTS + "?q=127.0.0.1"])
def test_pages_open_and_hold_no_inline_script(browser, alice, token_for, page):
    token_for(alice)
    answer = browser.get(page)
    assert answer.status_code == 200
    html = answer.content.decode()
    assert not [tag for tag in html.split("<script")[1:] if " src=" not in tag.partition(">")[0] and "json" not in tag]
    assert not any(handler in html for handler in (" onclick=", " onload=", " onchange=", "javascript:"))
    assert "script-src" not in answer.headers["Content-Security-Policy"]  # default-src 'self' applies to scripts
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("page", PAGES)
def test_stranger_finds_nothing(alice, client_for, page):
    stranger = client_for(alice)
    assert stranger.get(page, follow=True).status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_anonymous_goes_to_the_one_login_page(db, client, page):
    answer = client.get(page, follow=True)
    assert answer.request["PATH_INFO"] == "/accounts/login/"
    assert client.post("/admin/login/", {"username": "a", "password": "b"}).status_code == 302  # no second login


def test_after_login_back_to_the_admin(admin, client):
    wanted = client.get(USERS, follow=True).redirect_chain[-1][0]
    assert client.post(wanted, {"username": "admin", "password": "admin's password"}).url == USERS


def test_logout_and_password_of_the_admin_are_those_of_the_portal(browser):
    assert "accounts/password_change.html" in [used.name for used in browser.get("/admin/password_change/").templates]
    assert browser.post("/admin/logout/").url == "/accounts/login/"
    assert actions() == ["logout"]


def test_new_user(browser):
    new = {"username": "carol", "password1": "correct horse battery", "password2": "correct horse battery"}
    carol_page = browser.post(USERS + "add/", new | {"usable_password": "true"})
    assert carol_page.url == f"{USERS}{User.objects.get(username='carol').pk}/change/"
    assert actions() == ["user.add"]


def test_effective_quota_is_explained(browser, alice, first_rows):
    group = Group.objects.create(name="<staff>")
    alice.groups.add(group)
    Quota.objects.create(group=group, cpu=8)
    Quota.objects.create(user=alice, gpu=1)
    page = browser.get(f"{USERS}{alice.pk}/change/").content.decode()
    for line in ("8 cores</td><td>group &lt;staff&gt;", "1</td><td>user", "4 GiB</td><td>default"):
        assert line in page


def test_unchecking_active(browser, alice, token_for):
    text = token_for(alice)
    assert browser.post(f"{USERS}{alice.pk}/change/", user_form(alice, is_active=None)).status_code == 302
    alice.refresh_from_db()
    assert (alice.is_active, alice.login_generation, is_revoked(text)) == (False, 1, True)
    assert actions() == ["user.disable"]


def test_page_says_what_disabling_does(browser, alice):
    page = browser.get(f"{USERS}{alice.pk}/change/").content.decode()
    assert "their desktops stop within a minute. Files and settings are kept." in page


def test_disabled_and_renamed_at_once(browser, alice):
    browser.post(f"{USERS}{alice.pk}/change/", user_form(alice, is_active=None, first_name="Alice"))
    assert actions() == ["user.disable", "user.change"]
    assert AuditEvent.objects.get(action="user.change").details == {"fields": ["first_name"]}


def test_saved_without_a_change(browser, alice):
    browser.post(f"{USERS}{alice.pk}/change/", user_form(alice))
    assert actions() == []


def test_other_changes_revoke_nothing(browser, alice, token_for):
    text = token_for(alice)
    browser.post(f"{USERS}{alice.pk}/change/", user_form(alice, first_name="Alice"))
    alice.refresh_from_db()
    assert (alice.first_name, is_revoked(text)) == ("Alice", False)
    assert actions() == ["user.change"]


def test_own_quota_of_a_user(browser, alice):
    own = {f"quota-0-{name}": value for name, value in (LIMITS | {"cpu": "3", "id": "", "user": str(alice.pk)}).items()}
    browser.post(f"{USERS}{alice.pk}/change/", user_form(alice, **own, **{"quota-TOTAL_FORMS": "1"}))
    quota = Quota.objects.get(user=alice)
    assert quota.cpu == 3
    there = own | {"quota-0-id": str(quota.pk), "quota-TOTAL_FORMS": "1", "quota-INITIAL_FORMS": "1"}
    browser.post(f"{USERS}{alice.pk}/change/", user_form(alice, **there))  # changes nothing
    browser.post(f"{USERS}{alice.pk}/change/", user_form(alice, **there | {"quota-0-gpu": "1"}))
    browser.post(f"{USERS}{alice.pk}/change/", user_form(alice, **there | {"quota-0-DELETE": "on"}))
    assert not Quota.objects.filter(user=alice).exists()
    events = AuditEvent.objects.order_by("pk").values_list("action", "target", "details")
    assert list(events) == [
        ("quota.add", "alice", {"fields": ["cpu"]}),
        ("quota.change", "alice", {"fields": ["gpu"]}),
        ("quota.delete", "alice", {}),
    ]


def test_disable_and_enable_many(browser, admin, alice, bob, token_for):
    texts = [token_for(alice), token_for(bob)]
    page = act(browser, USERS, "disable", admin, alice, bob).content.decode()
    assert "2 users changed. Their desktops stop within a minute. Files are kept." in page
    assert [is_revoked(text) for text in texts] == [True, True]
    assert list(User.objects.filter(is_active=True)) == [admin]  # administrators cannot disable their own account
    act(browser, USERS, "enable", alice)
    alice.refresh_from_db()
    assert alice.is_active
    assert actions() == ["user.disable", "user.disable", "user.enable"]


@pytest.mark.django_db(transaction=True)
def test_new_password_by_an_administrator(browser, alice, client_for, token_for, published_disconnects):
    theirs, text = client_for(alice), token_for(alice)
    page = f"{USERS}{alice.pk}/password/"
    browser.post(page, {"password1": "short", "password2": "short", "usable_password": "true"})
    assert not is_revoked(text)
    new = {"password1": "correct horse battery", "password2": "correct horse battery", "usable_password": "true"}
    assert browser.post(page, new).status_code == 302
    assert published_disconnects()["reason"] == "password_changed"
    assert is_revoked(text)
    assert theirs.get("/accounts/password/").status_code == 302
    assert browser.get(USERS).status_code == 200
    assert actions() == ["password.change"]


@pytest.mark.parametrize(
    "page", ["garbage/password/", "garbage/change/", "00000000-0000-4000-8000-000000000000/password/"]
)
def test_no_such_user(browser, page):
    assert browser.get(USERS + page, follow=True).status_code in (200, 404)
    assert browser.post(USERS + page, {"password1": "a", "password2": "a"}, follow=True).status_code in (200, 404)


def test_delete_one(browser, alice, token_for):
    text = token_for(alice)
    assert browser.post(f"{USERS}{alice.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=alice.pk).exists()
    assert is_revoked(text)
    assert actions() == ["user.delete"]


def test_delete_many(browser, alice, bob, token_for):
    token_for(alice)
    confirmation = act(browser, USERS, "delete_selected", alice, bob)
    assert confirmation.status_code == 200
    browser.post(USERS, {"action": "delete_selected", "_selected_action": [str(alice.pk), str(bob.pk)], "post": "yes"})
    assert User.objects.count() == 1
    assert actions() == ["user.delete", "user.delete"]


def test_owner_of_a_desktop_stays(browser, alice, make_desktop):
    make_desktop(owner=alice)
    assert browser.post(f"{USERS}{alice.pk}/delete/", {"post": "yes"}).status_code < 500
    assert User.objects.filter(pk=alice.pk).exists()


def test_unlock(browser, alice, client):
    for _ in range(5):
        client.post("/accounts/login/", {"username": "alice", "password": "wrong"})
    right = {"username": "alice", "password": "alice's password"}
    assert client.post("/accounts/login/", right).status_code == 429
    act(browser, USERS, "unlock", alice)
    assert client.post("/accounts/login/", right).status_code == 302
    assert actions()[-2:] == ["login.unlock", "login"]


def test_quota_rows(browser, alice):
    added = browser.post(QUOTAS + "add/", {"user": str(alice.pk), "group": "", "cpu": "2.5", **LIMITS})
    assert added.status_code == 302
    quota = Quota.objects.get(user=alice)
    browser.post(f"{QUOTAS}{quota.pk}/change/", {"user": str(alice.pk), "group": "", "cpu": "4", **LIMITS})
    browser.post(f"{QUOTAS}{quota.pk}/delete/", {"post": "yes"})
    assert actions() == ["quota.add", "quota.change", "quota.delete"]
    assert AuditEvent.objects.get(action="quota.change").details == {"fields": ["cpu"]}


@pytest.mark.parametrize(
    ("who", "sentence"),
    [("nobody", "There is a default quota already."), ("both", "A quota is for a user or for a group, not for both.")],
)
def test_impossible_quota_gets_a_sentence(browser, alice, first_rows, who, sentence):
    group = Group.objects.create(name="staff")
    form = {"user": str(alice.pk), "group": str(group.pk)} if who == "both" else {"user": "", "group": ""}
    answer = browser.post(QUOTAS + "add/", form | {"cpu": "1", **LIMITS})
    assert sentence in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_revoke_tokens(browser, alice, token_for, published_disconnects):
    text, other = token_for(alice), token_for(alice)
    token = SessionToken.objects.get(pk=tokens.verify(text).jti)
    act(browser, TOKENS, "revoke", token)
    assert (is_revoked(text), is_revoked(other)) == (True, False)
    assert published_disconnects() == {"scope": "token", "id": str(token.pk), "reason": "revoked", "spare": ""}
    assert actions() == ["token.revoke"]


@pytest.mark.parametrize("page", [TOKENS, EVENTS])
def test_looked_at_never_edited(browser, alice, token_for, page):
    token_for(alice)
    AuditEvent.objects.create(action="login")
    row = (SessionToken if page == TOKENS else AuditEvent).objects.get()
    assert browser.get(page + "add/").status_code == 403
    assert browser.get(f"{page}{row.pk}/change/").status_code == 200
    assert browser.post(f"{page}{row.pk}/change/", {"action": "x"}).status_code == 403
    assert browser.post(f"{page}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    act(browser, page, "delete_selected", row)
    row.refresh_from_db()


def test_staff_who_may_only_look_cannot_revoke(alice, bob, client_for, token_for):
    text = token_for(bob)
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    alice.user_permissions.add(Permission.objects.get(codename="view_sessiontoken"))
    browser = client_for(User.objects.get(pk=alice.pk))
    assert browser.get(TOKENS).status_code == 200
    act(browser, TOKENS, "revoke", SessionToken.objects.get())
    assert not is_revoked(text)


def test_keys_are_removed_and_desktops_told(browser, alice):
    key = SSHKey.objects.create(owner=alice, name="lost laptop", public_key="ssh-ed25519 AAAA", fingerprint="SHA256:x")
    page = act(browser, KEYS, "remove", key)
    assert "The keys were removed." in page.content.decode()
    assert not SSHKey.objects.exists()
    alice.refresh_from_db()
    assert alice.ssh_keys_version == 1
    event = AuditEvent.objects.get(action="ssh_key.delete")
    assert (event.actor_name, event.target, event.details["owner"]) == ("admin", "SHA256:x", "alice")


def test_staff_who_may_only_look_removes_no_key(alice, bob, client_for):
    key = SSHKey.objects.create(owner=bob, name="laptop", public_key="ssh-ed25519 AAAA", fingerprint="SHA256:x")
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    alice.user_permissions.add(Permission.objects.get(codename="view_sshkey"))
    act(client_for(User.objects.get(pk=alice.pk)), KEYS, "remove", key)
    assert SSHKey.objects.exists()


class TestStaffThatIsNoSuperuser:
    @pytest.fixture
    def staff(self, bob, client_for):
        User.objects.filter(pk=bob.pk).update(is_staff=True)
        bob.user_permissions.set(Permission.objects.filter(codename__endswith="_user"))
        return client_for(User.objects.get(pk=bob.pk))

    def test_makes_nobody_more_than_they_were(self, staff, alice):
        form = user_form(alice, is_staff="on", is_superuser="on", user_permissions=str(Permission.objects.first().pk))
        assert staff.post(f"{USERS}{alice.pk}/change/", form).status_code == 302
        alice.refresh_from_db()
        assert (alice.is_staff, alice.is_superuser, alice.user_permissions.count()) == (False, False, 0)

    def test_touches_no_superuser(self, staff, admin):
        for page in ("change", "delete", "password"):
            answer = staff.post(f"{USERS}{admin.pk}/{page}/", {"post": "yes"})
            assert answer.status_code == 403
        act(staff, USERS, "disable", admin)
        act(staff, USERS, "delete_selected", admin)
        admin.refresh_from_db()
        assert admin.is_active

    def test_touches_no_other_staff(self, staff, alice):
        User.objects.filter(pk=alice.pk).update(is_staff=True)
        for page in ("change", "delete", "password"):
            assert staff.post(f"{USERS}{alice.pk}/{page}/", {"post": "yes"}).status_code == 403
        act(staff, USERS, "disable", alice)
        alice.refresh_from_db()
        assert alice.is_active


def test_own_password_is_changed_where_the_present_one_is_asked_for(browser, admin):
    new = {"password1": "correct horse battery", "password2": "correct horse battery", "usable_password": "true"}
    for name in (admin.pk, admin.pk.hex, str(admin.pk).upper()):
        assert browser.post(f"{USERS}{name}/password/", new).url == "/accounts/password/"
    admin.refresh_from_db()
    assert admin.check_password("admin's password")


def test_nobody_locks_himself_out(browser, admin):
    browser.post(f"{USERS}{admin.pk}/change/", user_form(admin, is_active=None, is_staff="on", is_superuser="on"))
    assert browser.post(f"{USERS}{admin.pk}/delete/", {"post": "yes"}).status_code == 403
    admin.refresh_from_db()
    assert admin.is_active
