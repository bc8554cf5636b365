"""The leading controller alone shows the installation's numbers, with a constant number of queries."""

from collections.abc import Iterator

import pytest
from django.utils import timezone

from core import locks
from core.redis import client, key
from desktops.lifecycle import installation_metrics, namespace_quota, node_ports, orphaned_volumes, queue
from desktops.lifecycle.installation_metrics import InstallationCollector
from desktops.models import DesktopImage, Status, Volume
from desktops.runtimes.base import ResourceQuotaUse, StorageSpace
from tests.support.metrics import value


@pytest.fixture
def measured(settings) -> None:
    settings.METRICS_PORT = 1  # a controller computes only if something can ask


@pytest.fixture
def collector(scripted_runtime, measured) -> InstallationCollector:
    return InstallationCollector()


def samples(collector: InstallationCollector, name: str) -> dict[tuple[str, ...], float]:
    (family,) = (each for each in collector.collect() if each.name == name)
    return {tuple(each.labels.values()): each.value for each in family.samples}


def refreshed(collector: InstallationCollector, name: str) -> dict[tuple[str, ...], float]:
    collector.forget()
    collector.refresh()
    return samples(collector, name)


@pytest.mark.parametrize("count", [1, 50])
def test_queries_do_not_grow_with_desktops(make_desktop, alice, settings, django_assert_num_queries, count):
    settings.DESKTOP_EXPOSURE = "nodeport"
    for number in range(count):
        desktop = make_desktop(alice, name=f"desktop {number}", status=Status.RUNNING)
        node_ports.node_ports_of(desktop)
    with django_assert_num_queries(6):
        found = installation_metrics.from_database()
    assert found["podesk_desktops"]["running", "linux-desktop"] == count
    assert found["podesk_volumes"]["in_use",] == count
    assert found["podesk_node_ports"]["vnc", "leased"] == 2 * count


def test_desktops_by_status_and_image(collector, make_desktop, alice, image):
    other = DesktopImage.objects.create(name="开发", position=2)
    make_desktop(alice, name="a", status=Status.RUNNING)
    make_desktop(alice, name="b", status=Status.FAILED, image=other)
    found = refreshed(collector, "podesk_desktops")
    assert {labels: count for labels, count in found.items() if count} == {
        ("running", "linux-desktop"): 1,
        ("failed", f"image-{other.pk}"): 1,
    }
    assert len(found) == 2 * len(Status.values)  # zeros too, so that a rule sees a number go to zero


def test_waiting_launches_by_reason(collector, make_desktop, alice):
    wait = "unschedulable"
    rows = [("starting", wait), ("pending", wait), ("starting", ""), ("failed", wait), ("running", "not_answering")]
    for number, (status, reason) in enumerate(rows):
        make_desktop(alice, name=f"desktop {number}", status=status, reason=reason)
    found = refreshed(collector, "podesk_waiting_launches")
    assert {reason: count for (reason,), count in found.items() if count} == {wait: 2}
    assert found["image_pull_failed",] == 0  # so that an alert sees a number go to zero


def test_home_folders_by_state(collector, make_desktop, alice, small):
    make_desktop(alice, name="a")
    for number, fields in enumerate(({"kept_at": timezone.now()}, {}, {"lost_at": timezone.now()})):
        Volume.objects.create(owner=alice, object_name=f"home-{number}", storage_gib=3, **fields)
    assert refreshed(collector, "podesk_volumes") == {("in_use",): 1, ("kept",): 1, ("deleting",): 1, ("lost",): 1}
    sizes = samples(collector, "podesk_volume_requested_bytes")
    assert (sizes["in_use",], sizes["kept",]) == (small.storage_gib * 2**30, 3 * 2**30)


def test_use_of_home_folders(collector, make_desktop, alice):
    """Those of desktops alone can be nearly full: kept files do not grow."""
    gib = 2**30
    shares = (None, 0.1, 0.8, 0.9499, 0.95, 1.7)
    for number, share in enumerate(shares):  # each has 5 GiB
        volume = make_desktop(alice, name=str(number)).volume
        Volume.objects.filter(pk=volume.pk).update(used_bytes=None if share is None else round(share * 5 * gib))
    Volume.objects.create(
        owner=alice, object_name="kept", storage_gib=1, used_bytes=gib, usable_bytes=gib, kept_at=timezone.now()
    )
    assert refreshed(collector, "podesk_nearly_full_volumes") == {("80",): 4, ("95",): 2}
    used = samples(collector, "podesk_volume_used_bytes")
    assert used == {
        ("in_use",): sum(round(share * 5 * gib) for share in shares if share),
        ("kept",): gib,
        ("deleting",): 0,
        ("lost",): 0,
    }


def test_orphaned_volumes_of_the_last_comparison(collector, scripted_runtime):
    assert refreshed(collector, "podesk_orphaned_volumes") == {}
    scripted_runtime.homes = ["home-lost", "home-also-lost"]
    orphaned_volumes.compare_volumes()
    assert refreshed(collector, "podesk_orphaned_volumes") == {(): 2}


def test_node_ports(collector, make_desktop, alice, settings):
    settings.DESKTOP_VNC_PORTS, settings.DESKTOP_SSH_PORTS = range(30000, 30010), range(31000, 31002)
    assert refreshed(collector, "podesk_node_ports") == {}
    settings.DESKTOP_EXPOSURE = "nodeport"
    node_ports.node_ports_of(make_desktop(alice))
    node_ports.remember_foreign(next(port for port in range(30000, 30010) if not _is_leased(port)))
    found = refreshed(collector, "podesk_node_ports")
    assert found == {
        **{("vnc", "leased"): 2, ("vnc", "foreign"): 1, ("vnc", "free"): 7},
        **{("ssh", "leased"): 1, ("ssh", "foreign"): 0, ("ssh", "free"): 1},
    }


def _is_leased(port: int) -> bool:
    return bool(node_ports.PortLease.objects.filter(port=port))


def test_storage_that_all_home_folders_share(collector, scripted_runtime):
    scripted_runtime.space = StorageSpace(used=70, free=30)
    assert refreshed(collector, "podesk_storage_bytes") == {("used",): 70, ("free",): 30}


def test_storage_that_the_runtime_cannot_see_has_no_value(collector, scripted_runtime):
    assert refreshed(collector, "podesk_storage_bytes") == {}


def test_namespace_quota_once_a_minute(collector, scripted_runtime, monkeypatch):
    scripted_runtime.quotas = (ResourceQuotaUse("pods", 3, 50),)
    monkeypatch.setattr(installation_metrics, "EVERY", 0)
    for _ in range(3):
        namespace_quota.refresh()
        collector.refresh()
    assert samples(collector, "podesk_namespace_quota") == {("pods", "used"): 3, ("pods", "hard"): 50}
    assert scripted_runtime.calls.count(("quota_use", "")) == 1


def test_cluster_that_does_not_answer_hides_only_the_quota(collector, scripted_runtime):
    scripted_runtime.unavailable = True
    namespace_quota.refresh()
    assert refreshed(collector, "podesk_namespace_quota") == {}
    assert samples(collector, "podesk_volumes")


def test_queue(collector, db, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        queue.enqueue_after_commit(_is_leased, "1")
    assert refreshed(collector, "podesk_queue_jobs") == {(): 1}
    assert samples(collector, "podesk_queue_oldest_job_seconds")[()] > 0


def test_nothing_is_computed_twice_within_seconds_or_for_nobody(collector, settings, django_assert_num_queries):
    collector.refresh()
    with django_assert_num_queries(0):
        collector.refresh()
    settings.METRICS_PORT = 0
    collector.forget()
    with django_assert_num_queries(0):
        collector.refresh()


def test_without_redis_the_old_values_stay_until_they_are_stale(collector, redis_unavailable, monkeypatch):
    collector.refresh()
    monkeypatch.setattr(installation_metrics, "EVERY", 0)
    with redis_unavailable():
        collector.refresh()
    assert samples(collector, "podesk_volumes")
    monkeypatch.setattr(installation_metrics, "STALE", 0)
    assert samples(collector, "podesk_volumes") == {}


@pytest.fixture
def leading(measured, controlled, wait_for) -> Iterator[None]:
    wait_for(_shown)
    yield


def _shown() -> bool:
    return bool(samples(installation_metrics.shown, "podesk_volumes"))


def test_values_disappear_when_the_controller_stops_leading(leading, controlled, wait_for):
    assert value("podesk_controller_leader") == 1
    client().flushdb()
    other = locks.acquire_lock(key("controller", "lease"), lease=30)
    wait_for(lambda: not _shown())
    assert value("podesk_controller_leader") == 0
    other.release()
    wait_for(_shown)
    controlled.stop()
    assert not _shown()
