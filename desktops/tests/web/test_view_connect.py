"""Direct access without the portal: the card on a desktop's page, and `/desktops/<id>/password/`."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, SSHKey
from accounts.ssh_keys import parse
from core import encryption
from desktops import connection_info
from desktops.lifecycle import host_keys
from desktops.models import Desktop, Status

HTMX = {"HX-Request": "true"}
PASSWORD = "s3cr3tPw"
EXPOSED = {"exposed_host": "192.0.2.1", "exposed_vnc": 30000, "exposed_novnc": 30001, "exposed_ssh": 31001}


@pytest.fixture
def expose(settings):
    def by(way: str) -> None:
        settings.DESKTOP_EXPOSURE = way

    return by


@pytest.fixture
def desktop(alice, make_desktop):
    now = timezone.now()
    return make_desktop(
        alice,
        status=Status.RUNNING,
        started_at=now,
        vnc_password_sealed=encryption.encrypt(PASSWORD),
        host_key_sealed=host_keys.new_host_key(),
        **EXPOSED,
    )


@pytest.fixture
def key(alice) -> SSHKey:
    """Return a key that the desktop has."""
    added = timezone.now() - timedelta(hours=1)
    return SSHKey.objects.create(owner=alice, name="k", public_key="ssh-ed25519 AAAA", created_at=added)


@pytest.fixture
def page(client_for, alice, desktop):
    def look() -> str:
        return client_for(alice).get(f"/desktops/{desktop.pk}/").content.decode()

    return look


def addresses(desktop) -> list[str]:
    return [way.address for way in connection_info.access_methods(desktop)]


def test_addresses_by_node_port(expose, desktop):
    expose("nodeport")
    assert addresses(desktop) == [
        "192.0.2.1:30000",
        "http://192.0.2.1:30001/vnc.html",
        "ssh -p 31001 void@192.0.2.1",
    ]


def test_addresses_by_load_balancer(expose, desktop):
    expose("loadbalancer")
    desktop.exposed_host, desktop.exposed_vnc, desktop.exposed_novnc, desktop.exposed_ssh = (
        "2001:db8::1",
        5901,
        6080,
        22,
    )
    assert addresses(desktop) == [
        "[2001:db8::1]:5901",
        "http://[2001:db8::1]:6080/vnc.html",
        "ssh void@2001:db8::1",
    ]


def test_a_port_that_is_not_there_is_no_way(expose, desktop):
    expose("nodeport")
    desktop.exposed_ssh = 0
    assert [way.kind for way in connection_info.access_methods(desktop)] == ["vnc", "novnc"]


def test_through_the_portal_there_is_no_card(page, desktop):
    assert connection_info.connection_info_for(desktop) is None
    assert 'aria-labelledby="connect-title" hidden>' in page()  # the empty card
    assert "Connect directly" not in page()
    assert "192.0.2.1" not in page()
    assert "VNC password" not in page()


@pytest.mark.parametrize("status", [status for status in Status if status != Status.RUNNING])
@pytest.mark.parametrize("way", ["nodeport", "ingress", "loadbalancer"])
def test_while_it_does_not_run_there_is_no_card(expose, desktop, way, status):
    expose(way)
    desktop.status = status
    assert connection_info.connection_info_for(desktop) is None


def test_by_node_port_the_page_says_how(expose, page, desktop, key):
    expose("nodeport")
    shown = page()
    for address in addresses(desktop):
        assert address in shown
    assert parse(host_keys.public_host_key(desktop)).fingerprint in shown
    assert "VNC is not encrypted" in shown
    assert "Open directly" not in shown


def test_without_a_key_the_page_says_where_to_add_one(expose, page):
    expose("nodeport")
    assert "ssh -p" not in page()
    assert '<a href="/accounts/ssh-keys/">Add an SSH key</a>' in page()


def test_a_key_younger_than_the_start_needs_a_moment(expose, page, key, desktop):
    expose("nodeport")
    Desktop.objects.update(started_at=timezone.now() - timedelta(hours=1))
    SSHKey.objects.update(created_at=timezone.now() - timedelta(seconds=1))
    assert "ssh -p" not in page()
    assert "accepts your new key within two minutes" in page()
    SSHKey.objects.update(created_at=timezone.now() - timedelta(minutes=3))
    assert "ssh -p" in page()


def test_keys_that_the_desktop_has_not_received_are_named(expose, page, key, desktop, alice):
    expose("nodeport")
    assert "keys-outdated" not in page()
    type(alice).objects.filter(pk=alice.pk).update(ssh_keys_version=7)
    assert "a key that you removed still opens it" in page()
    SSHKey.objects.all().delete()
    assert "a key that you removed still opens it" in page()
    Desktop.objects.update(ssh_keys_version=7)
    assert "keys-outdated" not in page()


def test_a_load_balancer_without_an_address_yet(expose, page, desktop):
    expose("loadbalancer")
    type(desktop).objects.update(exposed_host="", exposed_vnc=0, exposed_novnc=0, exposed_ssh=0)
    assert "The cluster has not assigned an address yet." in page()


def test_by_ingress_the_page_has_a_button(expose, page, desktop):
    expose("ingress")
    type(desktop).objects.update(exposed_host="", exposed_vnc=0, exposed_novnc=0, exposed_ssh=0)
    assert f'action="/desktops/{desktop.pk}/open-directly/"' in page()
    assert "Show the VNC password" in page()
    assert "SSH" not in page().split('id="connect"')[1]


def test_says_that_input_on_direct_connections_is_not_seen(expose, page, desktop):
    expose("nodeport")
    assert "The portal does not see what you do there" not in page()
    type(desktop).objects.update(idle_minutes=60)
    assert "The desktop stops after 60 minutes without input on this page" in page()


def test_the_panel_brings_the_card_along(expose, client_for, alice, desktop):
    expose("nodeport")
    panel = client_for(alice).get(f"/desktops/{desktop.pk}/panel/").content.decode()
    assert re.search(r'<section id="connect"[^>]* hx-swap-oob="true">', panel)


def test_a_lost_secrets_key_does_not_take_the_page_along(expose, page, client_for, alice, desktop, key):
    expose("nodeport")
    type(desktop).objects.update(host_key_sealed="broken", vnc_password_sealed="broken")
    assert "ssh -p 31001" in page()
    assert "Expected host key:" not in page()
    answer = client_for(alice).post(f"/desktops/{desktop.pk}/password/")
    assert answer.status_code == 409
    assert "The password of this desktop cannot be read." in answer.content.decode()


# --- the password ---


@pytest.fixture
def show(client_for, alice, desktop):
    return lambda user=alice, **options: client_for(user).post(f"/desktops/{desktop.pk}/password/", **options)


@pytest.mark.parametrize("way", ["nodeport", "ingress", "loadbalancer"])
def test_shown_when_asked_for_and_never_before(expose, page, show, alice, desktop, way):
    expose(way)
    assert PASSWORD not in page()
    answer = show(headers=HTMX)
    assert f'<code id="vnc-password">{PASSWORD}</code>' in answer.content.decode()
    assert "<html" not in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert PASSWORD not in page()
    event = AuditEvent.objects.get(action="desktop.password_shown")
    assert (event.actor, event.target) == (alice, str(desktop.pk))
    assert PASSWORD not in str(event.details)


def test_without_script_the_page_comes_with_it(expose, show):
    expose("nodeport")
    answer = show()
    assert "<html" in answer.content.decode()
    assert PASSWORD in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]


def test_through_the_portal_it_never_leaves_the_server(show):
    assert show().status_code == 404
    assert not AuditEvent.objects.filter(action="desktop.password_shown", result="done").exists()


@pytest.mark.parametrize("status", [Status.STARTING, Status.STOPPING, Status.STOPPED, Status.FAILED])
def test_only_while_it_runs(expose, show, desktop, status):
    expose("nodeport")
    type(desktop).objects.update(status=status)
    answer = show()
    assert answer.status_code == 409
    assert "The desktop is not running." in answer.content.decode()
    assert PASSWORD not in answer.content.decode()


def test_strangers_and_administrators_get_nothing(expose, show, bob, admin):
    expose("nodeport")
    assert [show(user).status_code for user in (bob, admin)] == [404, 404]


def test_anonymous_to_login_and_post_only(expose, client, client_for, alice, desktop):
    expose("nodeport")
    address = f"/desktops/{desktop.pk}/password/"
    assert client.post(address)["Location"].startswith("/accounts/login/")
    answer = client_for(alice).get(address)
    assert answer.status_code == 405
    assert PASSWORD not in answer.content.decode()
