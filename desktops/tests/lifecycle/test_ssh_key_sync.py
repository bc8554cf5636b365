"""Changes of SSH keys reach running desktops. Other desktops read the keys when they start."""

import pytest

from accounts import ssh_keys
from accounts.audit import Actor
from accounts.models import User
from core.redis import client
from desktops.lifecycle import jobs, ssh_key_sync
from desktops.lifecycle.controller import Controller
from desktops.models import Desktop, Status

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8lk7wEJ1rjQ2ZQNVbFYJjh3n4n9Qm9d3Yw0xvCVw2k ada"


def renewals(*desktops: Desktop) -> set[tuple[str, str]]:
    return {("renew_keys", str(desktop.pk)) for desktop in desktops}


@pytest.mark.parametrize("status", Status.values)
def test_who_runs_learns_of_a_new_key(make_desktop, alice, queued, status):
    desktop = make_desktop(alice, status=status)
    ssh_keys.add_key(by=Actor(alice), text=KEY)
    ssh_key_sync.queue_renewals()
    assert set(queued()) == (renewals(desktop) if status == Status.RUNNING else set())


def test_a_removed_key_goes_from_all_desktops_of_its_owner_alone(make_desktop, alice, bob, queued):
    key = ssh_keys.add_key(by=Actor(alice), text=KEY)
    of_owner = {"status": Status.RUNNING, "ssh_keys_version": 1}
    mine = [make_desktop(alice, name=name, **of_owner) for name in ("first", "second")]
    make_desktop(bob, status=Status.RUNNING)
    ssh_key_sync.queue_renewals()
    assert queued() == []
    ssh_keys.delete_key(by=Actor(alice), key=key)
    ssh_key_sync.queue_renewals()
    assert set(queued()) == renewals(*mine)


def test_one_query_however_many(make_desktop, alice, django_assert_num_queries):
    for number in range(3):
        make_desktop(alice, name=str(number), status=Status.RUNNING)
    ssh_keys.add_key(by=Actor(alice), text=KEY)
    with django_assert_num_queries(1):
        ssh_key_sync.queue_renewals()


def test_the_controller_orders_it_and_once_is_enough(make_desktop, alice, queued, runtime):
    desktop = make_desktop(alice, status=Status.RUNNING)
    ssh_keys.add_key(by=Actor(alice), text=KEY)
    turns = iter((False, True))
    Controller(lambda: next(turns)).run()
    assert renewals(desktop) <= set(queued())
    Desktop.objects.filter(pk=desktop.pk).update(status=Status.RUNNING)  # it was observed not to run
    jobs.renew_keys(str(desktop.pk))
    client().flushdb()
    ssh_key_sync.queue_renewals()
    assert queued() == []


def test_what_redis_lost_is_ordered_again(make_desktop, alice, queued):
    desktop = make_desktop(alice, status=Status.RUNNING)
    ssh_keys.add_key(by=Actor(alice), text=KEY)
    ssh_key_sync.queue_renewals()
    client().flushdb()
    ssh_key_sync.queue_renewals()
    assert set(queued()) == renewals(desktop)


def test_works_while_redis_is_unavailable(make_desktop, alice, queued, redis_unavailable):
    desktop = make_desktop(alice, status=Status.RUNNING)
    with redis_unavailable():
        ssh_keys.add_key(by=Actor(alice), text=KEY)
        ssh_key_sync.queue_renewals()
    ssh_key_sync.queue_renewals()
    assert set(queued()) == renewals(desktop)


def test_a_start_reads_the_keys_as_they_are(make_desktop, alice):
    desktop = make_desktop(alice, status=Status.PENDING)
    ssh_keys.add_key(by=Actor(alice), text=KEY)
    assert jobs._claim(Desktop.objects.select_related("owner").get(pk=desktop.pk))
    desktop.refresh_from_db()
    assert desktop.ssh_keys_version == User.objects.get(pk=alice.pk).ssh_keys_version == 1


@pytest.mark.parametrize("status", Status.values)
def test_where_there_is_no_ssh_it_is_done(make_desktop, alice, runtime, put_off, status):
    ssh_keys.add_key(by=Actor(alice), text=KEY)
    desktop = make_desktop(alice, status=status)
    jobs.renew_keys(str(desktop.pk))
    desktop.refresh_from_db()
    assert put_off() == {}
    assert desktop.ssh_keys_version == (1 if status == Status.RUNNING else 0)
