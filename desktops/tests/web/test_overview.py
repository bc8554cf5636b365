"""The first page of the administration shows the installation to administrators who may view all of it."""

import html
import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.models import User
from core.redis import client, key
from desktops.lifecycle import leader_report, namespace_quota, processes
from desktops.models import DesktopRun, Status, Volume
from desktops.runtimes.base import MachineCapacity, ResourceQuotaUse, StorageSpace

PAGE, LIVE = "/admin/", "/admin/overview/"
MAY_VIEW = ("view_desktop", "view_desktoprun", "view_volume")


def words(response) -> str:
    """Return the text of a page without tags, with single spaces."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def staff(user, *names: str):
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


@pytest.mark.parametrize("address", [PAGE, LIVE])
def test_administrators_see_it(client_for, admin, alice, make_desktop, address):
    make_desktop(alice, status=Status.RUNNING)
    shown = words(client_for(admin).get(address))
    assert "Desktops by status" in shown
    assert "Running 1" in shown
    assert re.search(r"CPU 1 core -", shown)


@pytest.mark.parametrize("address", [PAGE, LIVE])
def test_others_are_sent_to_the_login(client, client_for, alice, address):
    assert client.get(address).status_code == 302
    assert client.get(address).url == f"/admin/login/?next={address}"
    assert client_for(alice).get(address).url == f"/admin/login/?next={address}"


@pytest.mark.parametrize("missing", MAY_VIEW)
def test_staff_without_a_permission_see_the_list_of_models_only(client_for, alice, missing):
    visitor = client_for(staff(alice, *(set(MAY_VIEW) - {missing})))
    assert "Desktops by status" not in words(visitor.get(PAGE))
    assert visitor.get(LIVE).status_code == 404


def test_staff_with_the_permissions_see_it(client_for, alice):
    visitor = client_for(staff(alice, *MAY_VIEW))
    assert "Desktops by status" in words(visitor.get(PAGE))
    assert visitor.get(LIVE).status_code == 200


def test_only_get(client_for, admin):
    assert client_for(admin).post(LIVE).status_code == 405


@pytest.mark.parametrize("count", [1, 20, 100])
def test_queries_do_not_grow(client_for, admin, settings, django_assert_num_queries, count):
    settings.DESKTOP_EXPOSURE = "nodeport"
    for number in range(count):
        owner = User.objects.create(username=f"user {number}")
        volume = f"home-{number}"
        Volume.objects.create(owner=owner, object_name=volume, desktop_name=f"home {number}", storage_gib=number + 1)
        make_run(owner, failed=bool(number % 2))
    visitor = client_for(admin)
    visitor.get(LIVE)
    with django_assert_num_queries(9):  # session and user, and seven of the overview
        shown = words(visitor.get(LIVE))
    assert f"user {count - 1} {count} GiB" in shown
    assert f"home {count - 1} user {count - 1} {count} GiB" in shown
    assert f"Launches {count} {count} Ready" in shown


def make_run(owner, *, failed: bool) -> None:
    queued = timezone.now() - timedelta(minutes=5)
    size = {"cpu": 1, "memory_mib": 1, "storage_gib": 1, "gpu": 0}
    ended = {"result": "failed", "reason": "disk_full", "ended_at": queued} if failed else {"ready_at": queued}
    DesktopRun.objects.create(owner=owner, desktop_id=uuid4(), run=1, queued_at=queued, **size, **ended)


def test_launches_and_their_failures(client_for, admin, alice):
    make_run(alice, failed=True)
    make_run(alice, failed=False)
    response = client_for(admin).get(LIVE)
    assert "Launches 2 2 Ready 1 1 Failed 1 1 Other 0 0 Half were ready within (p50) 0.0&nbsp;s" in words(response)
    assert "the disk is full. 1 1" in words(response)
    assert response.content.count(b'<rect class="ready"') == 2  # one in each chart
    assert response.content.count(b'<rect class="failed"') == 2


def test_capacity_and_quota(client_for, admin, scripted_runtime):
    scripted_runtime.quotas = (ResourceQuotaUse("limits.memory", 2 * 2**30, 4 * 2**30), ResourceQuotaUse("pods", 1, 9))
    namespace_quota.refresh()
    client().set(key("usage-total"), "[1.5, 512]")
    shown = words(client_for(admin).get(LIVE))
    assert "CPU 0 cores 1.5 cores" in shown
    assert "Memory limits.memory 2 GiB of 4 GiB" in shown
    assert "Pods 1 of 9" in shown


def test_what_the_machines_can_give(client_for, admin, scripted_runtime):
    scripted_runtime.machines = MachineCapacity(3, 24.0, 98304.0, gpu=2)
    scripted_runtime.space = StorageSpace(used=30 * 2**30, free=70 * 2**30)
    leader_report.publish()
    shown = words(client_for(admin).get(LIVE))
    assert "CPU 0 cores - 24 cores Memory 0 GiB - 96 GiB GPU 0 - 2" in shown
    assert "Disk with the home folders 30 of 100 GiB" in shown


def test_biggest_users_by_active_desktops(client_for, admin, alice, bob, make_desktop):
    for owner, name, status in ((alice, "a", "running"), (bob, "b", "starting"), (bob, "c", "running")):
        make_desktop(owner, name=name, status=status)
    make_desktop(alice, name="d", status=Status.STOPPED)
    shown = words(client_for(admin).get(LIVE))
    assert "By active desktops User Desktops CPU Memory bob 2 2 cores 4 GiB alice 1 1 core 2 GiB" in shown


def test_share_of_each_status(client_for, admin, alice, make_desktop):
    for name, status in (("a", "starting"), ("b", "running"), ("c", "running"), ("d", "failed")):
        make_desktop(alice, name=name, status=status)
    bars = re.findall(
        r'<rect class="(\w+)" x="([\d.]+)%" width="([\d.]+)%"', client_for(admin).get(LIVE).content.decode()
    )
    assert bars == [("starting", "0.0", "25.0"), ("running", "25.0", "50.0"), ("failed", "75.0", "25.0")]


def test_versions_of_processes(client_for, admin, monkeypatch):
    processes.record("controller", lasts=60)
    monkeypatch.setattr(processes, "VERSION", "0.9")
    processes.record("worker", lasts=60)
    processes.record("controller", lasts=0)  # it does not run any more
    shown = words(client_for(admin).get(LIVE))
    assert "Workers 0.9 1" in shown
    assert "Controllers 0.9" not in shown
    processes.forget("worker")
    assert "Workers 0.9" not in words(client_for(admin).get(LIVE))


def test_a_condition_links_to_its_list(client_for, admin, alice):
    volume = Volume.objects.create(owner=alice, object_name="gone", storage_gib=1, lost_at=timezone.now())
    Volume.objects.create(owner=alice, object_name="present", storage_gib=1)
    visitor = client_for(admin)
    response = visitor.get(LIVE)
    assert "missing in the cluster: 1." in words(response)
    assert "<code>PodeskHomeFoldersLost</code>" in response.content.decode()
    listed = visitor.get("/admin/desktops/volume/?lost_at__isempty=0").content.decode()
    assert volume.object_name in listed
    assert "present" not in listed


def test_every_link_opens(client_for, admin, alice, make_desktop):
    make_desktop(alice, status=Status.STARTING, reason="unschedulable")
    Volume.objects.create(owner=alice, object_name="gone", storage_gib=1, lost_at=timezone.now())
    visitor = client_for(admin)
    addresses = re.findall(r'href="([^"]+)"', visitor.get(LIVE).content.decode())
    assert len(addresses) == len(Status.values) + 7
    assert [visitor.get(address).status_code for address in addresses] == [200] * len(addresses)


def test_without_redis(client_for, admin, redis_unavailable):
    visitor = client_for(admin)
    with redis_unavailable():
        shown = words(visitor.get(PAGE))
    assert "Redis is unavailable" in shown
    assert "Desktops by status" in shown


def test_kept_files_that_end_soon(client_for, admin, alice, settings):
    settings.KEPT_FILES_DAYS = 90
    now = timezone.now()
    for number, days in enumerate((-1, 13, 15)):
        times = {"kept_at": now, "expires_at": now + timedelta(days=days)}
        Volume.objects.create(owner=alice, object_name=f"v{number}", desktop_name="d", storage_gib=1, **times)
    assert "Kept home folders that will be deleted within 14 days: 2" in words(client_for(admin).get(LIVE))
    [address] = re.findall(r'href="([^"]*expires_at[^"]*)"', client_for(admin).get(LIVE).content.decode())
    assert words(client_for(admin).get(html.unescape(address))).count("kept until") >= 1
    settings.KEPT_FILES_DAYS = 0
    assert "will be deleted within" not in words(client_for(admin).get(LIVE))
