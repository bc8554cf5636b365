"""The metrics of backups: states, ages, sizes and open tasks, with two queries."""

from datetime import timedelta

import pytest
from django.utils import timezone
from prometheus_client import REGISTRY

from desktops.lifecycle import installation_metrics
from desktops.lifecycle.backups import backup_metrics, repositories, requests, schedule
from desktops.models import BackupRepository, Desktop, Status

DAY = timedelta(days=1)


@pytest.fixture
def repository(make_desktop, alice, backups_on) -> BackupRepository:
    return repositories.repository_of(make_desktop(alice, status=Status.RUNNING).volume)


def change(**fields) -> None:
    BackupRepository.objects.update(**fields)


def states() -> dict[str, float]:
    return {state: count for (state,), count in backup_metrics.samples()["podesk_backup_repositories"].items()}


def test_there_are_no_values_without_a_place_for_backups(make_desktop, alice, django_assert_num_queries):
    repositories.repository_of(make_desktop(alice).volume)
    with django_assert_num_queries(0):
        assert backup_metrics.samples() == {}


def test_two_queries_for_any_number_of_repositories(repository, make_desktop, alice, django_assert_num_queries):
    for number in range(20):
        repositories.repository_of(make_desktop(alice, name=f"d{number}").volume)
    with django_assert_num_queries(2):
        backup_metrics.samples()
    assert set(backup_metrics.samples()) <= set(installation_metrics.from_database())


def test_states(repository):
    now = timezone.now()
    assert set(states().values()) == {0}
    change(due_at=now, failed_since=now, damaged_since=now, succeeded_at=now, checked_at=now - 16 * DAY)
    assert states() == {"scheduled": 1, "failing": 1, "damaged": 1, "unverified": 1}
    change(reason="quota_exceeded", checked_at=now - 14 * DAY)
    assert states() == {"scheduled": 1, "failing": 0, "damaged": 1, "unverified": 0}


def test_the_oldest_change_that_is_not_saved(repository):
    now = timezone.now()

    def oldest() -> float | None:
        return backup_metrics.samples()["podesk_backup_oldest_saved_timestamp_seconds"].get(())

    assert oldest() is None  # nothing is scheduled
    change(due_at=now)
    assert oldest() == repository.created_at.timestamp()
    change(saved_until=now - DAY, succeeded_at=now - 9 * DAY)
    assert oldest() == (now - DAY).timestamp()


def test_a_home_folder_without_changes_is_saved_until_it_was_looked_at(repository, alice):
    now = timezone.now()
    Desktop.objects.update(status=Status.STOPPED, status_since=now - 9 * DAY)
    change(due_at=now - DAY, succeeded_at=now - 8 * DAY, saved_until=now - 8 * DAY)
    schedule.queue_due()
    repository.refresh_from_db()
    assert repository.saved_until > now - DAY


def test_sizes_tasks_and_results(repository, by_alice, engine, go_round):
    def ended(**labels: str) -> float:
        return REGISTRY.get_sample_value("podesk_backup_tasks_total", {"kind": "backup", **labels}) or 0

    failed, done = {"result": "failed", "reason": "repository_full"}, {"result": "done", "reason": ""}
    before = ended(**failed), ended(**done)
    requests.back_up_now(volume=repository.volume, by=by_alice)
    assert backup_metrics.samples()["podesk_backup_open_tasks"] == {("queued",): 1, ("running",): 0}
    go_round()
    engine.fails(engine.begun[0].id, "repository_full")
    go_round()
    go_round()
    requests.back_up_now(volume=repository.volume, by=by_alice)
    go_round()
    engine.succeeds(engine.begun[1].id, added=7)
    go_round()
    assert (ended(**failed), ended(**done)) == (before[0] + 1, before[1] + 1)
    assert backup_metrics.samples()["podesk_backup_stored_bytes"] == {(): 7}
    assert backup_metrics.samples()["podesk_backup_last_success_timestamp_seconds"][()] > 0
