"""SSH host keys are made once, encrypted, and stay the same after a restart."""

from desktops.lifecycle import host_keys
from desktops.lifecycle.runs import fresh_run
from desktops.models import Desktop


def test_a_desktop_keeps_its_host_key(make_desktop, alice):
    desktop = make_desktop(alice)
    private = host_keys.host_key_of(desktop)
    assert private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    Desktop.objects.filter(pk=desktop.pk).update(**fresh_run())
    again = Desktop.objects.get(pk=desktop.pk)
    assert host_keys.host_key_of(again) == private
    assert "OPENSSH" not in again.host_key_sealed


def test_people_see_its_public_half(make_desktop, alice):
    desktop = make_desktop(alice)
    assert host_keys.public_host_key(desktop) == ""
    host_keys.host_key_of(desktop)
    assert host_keys.public_host_key(desktop).startswith("ssh-ed25519 AAAA")
