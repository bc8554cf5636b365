"""What is wrong with the installation is found from its parts, and each finding has a sentence and a next step."""

import json
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from core.redis import client, key
from desktops.lifecycle import heartbeat, namespace_quota, node_ports, queue
from desktops.lifecycle.backups.repositories import repository_of
from desktops.models import DesktopRun, Status, Volume
from desktops.runtimes.base import ResourceQuotaUse
from desktops.selectors.conditions import BACKUP_TOO_OLD, CERTIFICATE_ENDS, ROUND_LATE, WARNINGS, conditions_of
from desktops.selectors.installation_overview import installation_overview
from desktops.wording import conditions
from tests.support.alert_rules import alerts
from tests.support.environment import redis_refuses_writes

# Alerts on numbers that each process counts for itself, or on what keeps the page from opening.
ONLY_IN_PROMETHEUS = {
    *("PodeskProcessDown", "PodeskDatabaseUnavailable", "PodeskManyFailedLogins"),
    *("PodeskErrorRate", "PodeskDisconnectsSlow"),
}


@pytest.fixture
def at_work(db, monkeypatch) -> None:
    heartbeat.record_controller_beat()
    heartbeat.record_runtime_answer()


def work(desktop_id: str) -> None:
    """A job for the queue of these tests."""


def found() -> dict[str, str]:
    """Return the sentences of all conditions that hold, by alert, without that of the missing worker."""
    holding = conditions_of(installation_overview())
    sentences = {each.alert: conditions.sentence(each.alert, each.facts) for each in holding}
    assert all(conditions.next_step(alert) for alert in sentences)
    sentences.pop("PodeskNoWorkers", None)
    return sentences


@pytest.fixture
def launches(alice, make_desktop):
    """Return a function that makes launches that have just ended: ready after some seconds, or failed."""

    def make(count: int, *, seconds: int = 0) -> None:
        for _ in range(count):
            desktop = make_desktop(alice, name=str(uuid4()), status=Status.STARTING)
            if seconds:
                desktop.move(to=Status.RUNNING)
            else:
                desktop.move(to=Status.FAILED, reason="disk_full")
            queued = timezone.now() - timedelta(seconds=seconds)
            DesktopRun.objects.filter(desktop_id=desktop.pk).update(queued_at=queued)

    return make


def test_nothing_is_wrong(at_work):
    assert found() == {}


def test_every_condition_names_what_it_needs():
    numbers = ["jobs", "seconds", "failed", "total", "launches", "percent", "resource", "free", "range", "folders"]
    numbers += ["days", "hours"]
    facts = dict.fromkeys(numbers, 1) | {"reason": "away"}
    for alert in conditions.CONDITIONS:
        assert "%(" not in conditions.sentence(alert, facts)


def test_conditions_are_alerts_of_the_same_severity():
    assert conditions.CONDITIONS.keys() == alerts().keys() - ONLY_IN_PROMETHEUS
    severities = {name: alerts()[name]["labels"]["severity"] for name in conditions.CONDITIONS}
    assert {name: "warning" if name in WARNINGS else "critical" for name in severities} == severities


def test_no_controller(db, old_redis):
    assert list(found()) == ["PodeskNoController"]
    client().set(key("controller", "heartbeat"), str(time.time() - heartbeat.LATE_AFTER - 1))
    assert list(found()) == ["PodeskNoController"]


def test_no_worker(at_work, old_redis):
    assert [each.alert for each in conditions_of(installation_overview())] == ["PodeskNoWorkers"]


def test_queue_stuck(at_work, django_capture_on_commit_callbacks, monkeypatch):
    with django_capture_on_commit_callbacks(execute=True):
        queue.enqueue_after_commit(work, "1")
    assert found() == {}
    monkeypatch.setattr("desktops.selectors.conditions.QUEUE_STUCK", -1)
    assert "wait for a worker: 1" in found()["PodeskQueueStuck"]


def test_cluster_unavailable(at_work):
    heartbeat.record_runtime_outage(refused=False)
    assert "do not answer" in found()["PodeskClusterUnavailable"]
    heartbeat.record_runtime_outage(refused=True)
    assert found() == {"PodeskClusterUnavailable": found()["PodeskClusterUnavailable"]}
    assert "denies access" in found()["PodeskClusterUnavailable"]


def test_controller_is_stuck(at_work):
    heartbeat.record_round()
    assert found() == {}
    client().set(key("controller", "round"), str(time.time() - ROUND_LATE - 1))
    assert list(found()) == ["PodeskControllerStuck"]
    heartbeat.record_runtime_outage(refused=False)  # no round can end
    assert list(found()) == ["PodeskClusterUnavailable"]


def test_redis_refuses_writes(at_work):
    with redis_refuses_writes("memory_full"):
        assert found() == {
            "PodeskRedisUnavailable": "Redis answers but refuses writes: its memory is full (maxmemory)."
        }


def test_redis_unavailable(at_work, redis_unavailable):
    with redis_unavailable():
        assert found() == {"PodeskRedisUnavailable": "Redis is unavailable: it does not answer."}


def test_launches_fail(at_work, launches):
    launches(2)
    assert found() == {}
    launches(10, seconds=2)
    launches(1, seconds=0)
    assert "Of 13 launches in the last half hour, 3 failed" in found()["PodeskLaunchesFail"]
    DesktopRun.objects.filter(result="failed").update(ended_at=timezone.now() - timedelta(hours=1))
    assert found() == {}


def test_launches_are_slow(at_work, launches):
    launches(3, seconds=90)
    assert "One of ten launches of the last half hour took more than 90 seconds" in found()["PodeskLaunchesSlow"]


def test_no_room_on_nodes(at_work, alice, make_desktop):
    make_desktop(alice, name="a", status=Status.STARTING, reason="unschedulable")
    make_desktop(alice, name="b", status=Status.FAILED, reason="unschedulable")
    assert "room: 1." in found()["PodeskNoRoomOnNodes"]


def test_namespace_quota_nearly_full(at_work, scripted_runtime):
    scripted_runtime.quotas = (ResourceQuotaUse("pods", 46, 50), ResourceQuotaUse("limits.cpu", 40, 50))
    namespace_quota.refresh()
    assert found() == {"PodeskNamespaceQuotaNearlyFull": "92 % of the namespace's quota for pods is used."}


def test_node_ports_nearly_used_up(at_work, settings, alice, make_desktop):
    settings.DESKTOP_EXPOSURE = "nodeport"
    settings.DESKTOP_VNC_PORTS, settings.DESKTOP_SSH_PORTS = range(30000, 30002), range(31000, 31100)
    assert found() == {}
    node_ports.node_ports_of(make_desktop(alice))
    assert found() == {"PodeskNodePortsNearlyUsedUp": "Of 2 node ports for vnc, 0 are free."}


def test_home_folders_lost(at_work, alice):
    Volume.objects.create(owner=alice, object_name="v", storage_gib=1, lost_at=timezone.now())
    assert list(found()) == ["PodeskHomeFoldersLost"]


def test_home_folder_nearly_full(at_work, alice, make_desktop):
    home = make_desktop(alice).volume
    home.used_bytes = int(0.94 * home.limit_bytes)
    home.save()
    assert found() == {}
    home.used_bytes = int(0.96 * home.limit_bytes)
    home.save()
    assert "at least 95 % is used: 1." in found()["PodeskHomeFolderNearlyFull"]


def leader_reports(**known) -> None:
    """Write the report of a leading controller."""
    empty = {"certificate_expires_at": None, "storage": None, "machines": None, "backups": []}
    client().set(key("leader-report"), json.dumps(empty | known))


def test_certificate_ends_soon(at_work):
    leader_reports(certificate_expires_at=time.time() + CERTIFICATE_ENDS + 60)
    assert found() == {}
    leader_reports(certificate_expires_at=time.time() + 2.5 * 86400)
    assert "ends in 2 days" in found()["PodeskCertificateEndsSoon"]


def test_storage_nearly_full(at_work):
    leader_reports(storage={"used": 90, "free": 10})
    assert found() == {}
    leader_reports(storage={"used": 91, "free": 9})
    assert "9 % of the disk" in found()["PodeskStorageNearlyFull"]


def test_backups_of_the_database(at_work):
    backup = {"kind": "daily_copy", "last_success": time.time(), "failed": False}
    leader_reports(backups=[backup])
    assert found() == {}
    leader_reports(backups=[backup | {"failed": True}])
    assert list(found()) == ["PodeskDatabaseBackupFailing"]
    leader_reports(backups=[backup | {"last_success": time.time() - BACKUP_TOO_OLD - 1}])
    assert list(found()) == ["PodeskDatabaseBackupTooOld"]


def test_backups_of_home_folders(at_work, make_desktop, alice, settings):
    repository = repository_of(make_desktop(alice).volume)
    now = timezone.now()

    def change(**fields) -> None:
        type(repository).objects.update(**fields)

    change(due_at=now, saved_until=now - timedelta(hours=37), failed_since=now, damaged_since=now)
    assert found() == {}  # no place for backups is set
    settings.BACKUP_REPOSITORY = "/mnt/backups"
    assert set(found()) == {"PodeskBackupTooOld", "PodeskBackupsFailing", "PodeskBackupNotVerifiable"}
    change(saved_until=now - timedelta(hours=35), failed_since=None, damaged_since=None)
    assert found() == {}
