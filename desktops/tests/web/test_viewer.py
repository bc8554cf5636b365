"""The viewer page and its session token: who gets one, what it opens, and why it is refused."""

import json
import logging

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client

from accounts import tokens
from accounts.models import SessionToken
from desktops.models import Status


@pytest.fixture
def desktop(make_desktop, alice):
    return make_desktop(
        alice, status=Status.RUNNING, endpoint_kind="tcp", endpoint_address="127.0.0.1", endpoint_port=5901
    )


@pytest.fixture
def mint(client_for):
    return lambda user, desktop: client_for(user).post(f"/desktops/{desktop.pk}/session-token/")


def page(client, desktop):
    return client.get(f"/desktops/{desktop.pk}/view/")


def data_block(response, name):
    text = response.content.decode()
    begin = text.index(f'<script id="{name}" type="application/json">')
    return json.loads(text[text.index(">", begin) + 1 : text.index("</script>", begin)])


# --- the page ---


def test_page_shows_the_viewer(client_for, alice, desktop):
    response = page(client_for(alice), desktop)
    assert response.status_code == 200
    config = data_block(response, "viewer-config")
    assert config["name"] == "desktop"
    assert config["tokenUrl"] == f"/desktops/{desktop.pk}/session-token/"
    assert config["closeCodes"]["4402"]["reason"] == "revoked"
    assert config["closeCodes"]["4402"]["reconnect"] is False


def test_page_holds_no_token_and_nothing_inline(client_for, alice, desktop):
    response = page(client_for(alice), desktop)
    text = response.content.decode()
    assert "eyJ" not in text
    assert desktop.vnc_password_sealed not in text
    assert "<style" not in text
    assert " style=" not in text
    assert " onclick=" not in text
    assert "no-store" in response["Cache-Control"]
    assert not SessionToken.objects.exists()


def test_page_gives_the_cookie_that_the_token_asks_for(alice, desktop, client_for):
    client = client_for(alice)
    page(client, desktop)
    assert client.cookies["csrftoken"].value


def test_page_speaks_the_language_of_the_person(client_for, alice, desktop, settings):
    response = client_for(alice).get(f"/desktops/{desktop.pk}/view/", headers={"accept-language": "zh-hans"})
    assert 'lang="zh-hans"' in response.content.decode()


def test_every_message_of_the_scripts_is_in_the_page_and_used(client_for, alice, desktop, settings):
    messages = data_block(page(client_for(alice), desktop), "viewer-messages")
    scripts = "".join(path.read_text() for path in (settings.BASE_DIR / "static/js/viewer").glob("*.js"))
    assert [name for name in messages if f'"{name}"' not in scripts] == []


def test_a_strange_name_does_no_harm(client_for, alice, make_desktop):
    odd = make_desktop(alice, name='</script><b a="1">桌面&')
    response = page(client_for(alice), odd)
    assert "<b a=" not in response.content.decode()
    assert data_block(response, "viewer-config")["name"] == '</script><b a="1">桌面&'


def test_page_can_be_framed_by_the_portal_alone(client_for, alice, desktop):
    response = page(client_for(alice), desktop)
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in response["Content-Security-Policy"]


def test_stranger_gets_no_page(client_for, bob, desktop):
    assert page(client_for(bob), desktop).status_code == 404


def test_admin_is_a_stranger_too(client_for, admin, desktop, mint):
    assert page(client_for(admin), desktop).status_code == 404
    assert mint(admin, desktop).status_code == 404


def test_anonymous_goes_to_login(client, desktop):
    response = page(client, desktop)
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/?next=")


def test_page_cannot_be_posted_to(client_for, alice, desktop):
    assert client_for(alice).post(f"/desktops/{desktop.pk}/view/").status_code == 405


# --- the token ---


def test_token_opens_this_desktop_for_a_minute(mint, alice, desktop):
    response = mint(alice, desktop)
    assert response.status_code == 200
    answer = response.json()
    assert answer["path"] == f"/ws/desktops/{desktop.pk}/vnc"
    assert answer["expires_in"] == 60
    claims = tokens.verify(answer["token"])
    assert claims.user_id == str(alice.pk)
    assert claims.pod_name == desktop.object_name
    assert claims.permissions == {"vnc"}
    assert (claims.expires_at - claims.created_at).total_seconds() == 60
    assert claims.resource_quota == {
        "cpu": f"{desktop.cpu.normalize():f}",
        "memory": f"{desktop.memory_mib // 1024}Gi",
        "storage": f"{desktop.storage_gib}Gi",
    }


def test_tokens_of_one_login_share_its_session(client_for, alice, desktop):
    address = f"/desktops/{desktop.pk}/session-token/"
    here, elsewhere = client_for(alice), client_for(alice)
    sessions = [tokens.verify(client.post(address).json()["token"]).session_id for client in (here, here, elsewhere)]
    assert sessions[0] == sessions[1] != sessions[2]


def test_each_connection_has_a_token_of_its_own(mint, alice, desktop):
    assert mint(alice, desktop).json()["token"] != mint(alice, desktop).json()["token"]


def test_token_is_kept_nowhere_on_its_way(mint, alice, desktop, caplog, capfd):
    with caplog.at_level(logging.DEBUG):
        response = mint(alice, desktop)
    token = response.json()["token"]
    signature = token.rsplit(".", 1)[1]
    assert "no-store" in response["Cache-Control"]
    out, err = capfd.readouterr()
    assert signature not in caplog.text + out + err
    assert signature not in str(SessionToken.objects.values())


def test_token_cannot_be_got(client_for, alice, desktop):
    assert client_for(alice).get(f"/desktops/{desktop.pk}/session-token/").status_code == 405


def test_token_needs_the_form_token(alice, desktop):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(f"/desktops/{desktop.pk}/session-token/").status_code == 403
    page(client, desktop)
    headers = {"X-CSRFToken": client.cookies["csrftoken"].value}
    assert client.post(f"/desktops/{desktop.pk}/session-token/", headers=headers).status_code == 200


def test_stranger_gets_no_token(mint, bob, desktop):
    response = mint(bob, desktop)
    assert response.status_code == 404
    assert response.json()["reason"] == "not_found"
    assert not SessionToken.objects.exists()


def test_anonymous_script_is_told_where_to_sign_in(client, desktop):
    response = client.post(f"/desktops/{desktop.pk}/session-token/")
    assert response.status_code == 401
    answer = response.json()
    assert (answer["reason"], answer["retry"]) == ("signed_out", False)
    assert answer["message"]
    assert answer["login_url"] == f"/accounts/login/?next=%2Fdesktops%2F{desktop.pk}%2F"


def test_disabled_account_gets_no_token(mint, client_for, alice, desktop):
    client = client_for(alice)
    get_user_model().objects.filter(pk=alice.pk).update(is_active=False)
    assert client.post(f"/desktops/{desktop.pk}/session-token/").status_code == 401


@pytest.mark.parametrize(
    ("status", "retry"),
    [
        (Status.PENDING, True),
        (Status.STARTING, True),
        (Status.STOPPING, True),
        (Status.DELETING, True),
        (Status.STOPPED, False),
        (Status.FAILED, False),
    ],
)
def test_desktop_that_does_not_run_says_why(mint, alice, make_desktop, status, retry):
    response = mint(alice, make_desktop(alice, status=status, reason="out_of_memory"))
    assert response.status_code == 409
    answer = response.json()
    assert (answer["reason"], answer["retry"]) == (status, retry)
    assert answer["message"]
    assert not SessionToken.objects.exists()


def test_token_of_a_login_that_ends_in_this_moment_is_revoked(client_for, desktop, alice):
    """The user signs out between the check of the login and the write of the token."""
    client = client_for(alice)
    assert client.post(f"/desktops/{desktop.pk}/session-token/").status_code == 200

    def log_out_meanwhile(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if sql.startswith("INSERT INTO") and "accounts_sessiontoken" in sql:
            Session.objects.all().delete()
        return result

    with connection.execute_wrapper(log_out_meanwhile):
        answer = client.post(f"/desktops/{desktop.pk}/session-token/")
    assert (answer.status_code, answer.json()["reason"]) == (401, "signed_out")
    assert not SessionToken.objects.filter(revoked_at=None).exists()
