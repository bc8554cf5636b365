"""The leading controller reports what only it can see, and other processes read it."""

from desktops.lifecycle import database_copies, leader_report
from desktops.lifecycle.leader_report import LeaderReport
from desktops.runtimes.base import MachineCapacity, StorageSpace


def test_nothing_is_known_before_the_first_report():
    assert leader_report.last() == LeaderReport()


def test_what_the_runtime_sees(scripted_runtime):
    scripted_runtime.space = StorageSpace(used=3, free=7)
    scripted_runtime.machines = MachineCapacity(2, 16.0, 65536.0, gpu=1)
    leader_report.publish()
    found = leader_report.last()
    assert (found.storage, found.machines) == (scripted_runtime.space, scripted_runtime.machines)
    assert found.certificate_expires_at is None


def test_a_runtime_that_does_not_answer_hides_only_the_machines(scripted_runtime):
    scripted_runtime.space, scripted_runtime.unavailable = StorageSpace(used=3, free=7), True
    leader_report.publish()
    assert leader_report.last() == LeaderReport(storage=StorageSpace(3, 7), backups=leader_report.last().backups)


def test_machines_are_read_once_a_minute(scripted_runtime):
    for _ in range(3):
        leader_report.publish()
    assert scripted_runtime.calls.count(("capacity", "")) == 1


def test_backups_of_the_database(scripted_runtime, monkeypatch):
    monkeypatch.setattr(database_copies, "is_enabled", lambda: True)
    monkeypatch.setattr(database_copies, "last_success", lambda: 1000.0)
    monkeypatch.setattr(database_copies.daily, "failed", True)
    leader_report.publish()
    assert leader_report.last().backups == [leader_report.DatabaseBackupState("daily_copy", 1000.0, failed=True)]
