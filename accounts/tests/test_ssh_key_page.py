"""Tests of `/accounts/ssh-keys/`: list, add and remove keys."""

import subprocess

import pytest
from django.test import Client

from accounts import ssh_keys
from accounts.audit import Actor
from accounts.models import SSHKey

PAGE = "/accounts/ssh-keys/"


@pytest.fixture
def pair(tmp_path) -> tuple[str, str]:
    """Return the private and the public key."""
    path = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "<b>laptop</b>", "-f", path]
    subprocess.run(command, check=True)
    return path.read_text(), path.with_suffix(".pub").read_text()


@pytest.fixture
def key(alice, pair) -> SSHKey:
    return ssh_keys.add_key(by=Actor(alice), text=pair[1])


def test_a_key_is_added_shown_and_removed(client_for, alice, pair):
    browser = client_for(alice)
    assert "You have not added any keys yet" in browser.get(PAGE).content.decode()
    page = browser.post(PAGE, {"public_key": pair[1], "name": ""}, follow=True).content.decode()
    key = SSHKey.objects.get(owner=alice)
    assert "The key was added. Running desktops accept it within two minutes." in page
    assert "&lt;b&gt;laptop&lt;/b&gt;" in page
    assert key.fingerprint in page
    assert "ssh-ed25519 ·" in page
    page = browser.post(f"{PAGE}{key.pk}/delete/", follow=True).content.decode()
    assert "The key was removed." in page
    assert not SSHKey.objects.exists()


def test_says_when_desktops_take_it(client_for, alice):
    assert "Changes reach running desktops within two minutes." in client_for(alice).get(PAGE).content.decode()


def test_what_is_refused_stays_in_the_form(client_for, alice):
    answer = client_for(alice).post(PAGE, {"public_key": "ssh-rsa brok<en", "name": "my key"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "The key is damaged or incomplete" in page
    assert "ssh-rsa brok&lt;en" in page
    assert 'value="my key"' in page


def test_a_private_key_is_not_shown_again(client_for, alice, pair, caplog):
    answer = client_for(alice).post(PAGE, {"public_key": pair[0], "name": "my key"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "This is a private key. Never paste it anywhere" in page
    assert 'value="my key"' in page
    secret = pair[0].splitlines()[1]
    assert secret not in page
    assert secret not in caplog.text
    assert not SSHKey.objects.exists()


@pytest.mark.parametrize("data", [{}, {"public_key": " "}, {"public_key": "\0"}, {"name": "x" * 101}, {"name": "\0"}])
def test_bad_input_is_told(client_for, alice, data):
    answer = client_for(alice).post(PAGE, data)
    assert answer.status_code == 422
    assert "errorlist" in answer.content.decode()


def test_removal_can_be_asked_for_without_script(client_for, alice, key):
    page = client_for(alice).get(f"{PAGE}?delete={key.pk}").content.decode()
    assert f'<dialog id="delete-{key.pk}" aria-labelledby="delete-title-{key.pk}" open>' in page


def test_strangers_neither_see_nor_remove(client_for, bob, key):
    assert key.fingerprint not in client_for(bob).get(PAGE).content.decode()
    assert client_for(bob).post(f"{PAGE}{key.pk}/delete/").status_code == 404
    assert client_for(bob).post(f"{PAGE}999999999999999999999/delete/").status_code == 404
    assert SSHKey.objects.exists()


def test_anonymous_to_login(client, key, pair):
    assert client.get(PAGE)["Location"] == f"/accounts/login/?next={PAGE}"
    for address in (PAGE, f"{PAGE}{key.pk}/delete/"):
        assert client.post(address, {"public_key": pair[1]})["Location"].startswith("/accounts/login/")
    assert SSHKey.objects.count() == 1


def test_removing_is_post_only_and_csrf_checked(alice, key, client_for):
    answer = client_for(alice).get(f"{PAGE}{key.pk}/delete/")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert "This page cannot be opened" in answer.content.decode()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert strict.post(f"{PAGE}{key.pk}/delete/").status_code == 403
    assert strict.post(PAGE, {"public_key": "x"}).status_code == 403
    assert SSHKey.objects.exists()


def test_the_menu_leads_here(client_for, alice):
    assert f'href="{PAGE}"' in client_for(alice).get("/accounts/password/").content.decode()


def test_administrators_can_only_view(client_for, admin, alice, key):
    browser = client_for(admin)
    shown = browser.get("/admin/accounts/sshkey/?q=alice").content.decode()
    assert key.fingerprint in shown
    assert browser.get("/admin/accounts/sshkey/?q=nobody").content.decode().count(key.fingerprint) == 0
    assert browser.get("/admin/accounts/sshkey/add/").status_code == 403
    assert browser.post(f"/admin/accounts/sshkey/{key.pk}/delete/", {"post": "yes"}).status_code == 403
    page = browser.get(f"/admin/accounts/user/{alice.pk}/change/").content.decode()
    assert key.fingerprint in page


def test_a_key_goes_with_its_person(client_for, admin, alice, key):
    answer = client_for(admin).post(f"/admin/accounts/user/{alice.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 302
    assert not SSHKey.objects.exists()
