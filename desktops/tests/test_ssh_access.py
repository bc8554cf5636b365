"""SSH keys that are added or removed reach the desktops that run; the others read them at their start."""

import pytest

from accounts import ssh_keys
from accounts.audit import Actor
from accounts.models import SSHKey
from desktops import jobs
from desktops.models import Status

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8lk7wEJ1rjQ2ZQNVbFYJjh3n4n9Qm9d3Yw0xvCVw2k ada"


@pytest.fixture
def committed(django_capture_on_commit_callbacks):
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.mark.parametrize("status", Status.values)
def test_who_is_up_learns_of_a_new_key(make_desktop, alice, queued, committed, status):
    desktop = make_desktop(alice, status=status)
    with committed():
        ssh_keys.add_key(by=Actor(alice), text=KEY)
    up = status in (Status.STARTING, Status.RUNNING)
    assert queued() == ([("renew_keys", str(desktop.pk))] if up else [])


def test_a_removed_key_goes_from_all_desktops_of_its_owner_alone(make_desktop, alice, bob, queued, committed):
    mine = {make_desktop(alice, status=Status.RUNNING, name=name).pk for name in ("first", "second")}
    make_desktop(bob, status=Status.RUNNING)
    key = ssh_keys.add_key(by=Actor(alice), text=KEY)
    with committed():
        ssh_keys.delete_key(by=Actor(alice), key=key)
    assert set(queued()) == {("renew_keys", str(pk)) for pk in mine}


def test_an_administrator_s_list_of_keys_removes_them_the_same_way(make_desktop, alice, queued, committed):
    desktop = make_desktop(alice, status=Status.RUNNING)
    ssh_keys.add_key(by=Actor(alice), text=KEY)
    with committed():
        SSHKey.objects.all().delete()
    assert queued() == [("renew_keys", str(desktop.pk))]


@pytest.mark.parametrize("status", [Status.STOPPED, Status.RUNNING])
def test_where_there_is_no_ssh_it_is_done(make_desktop, alice, runtime, put_off, status):
    jobs.renew_keys(str(make_desktop(alice, status=status).pk))
    assert put_off() == {}
