"""When home folders are backed up, verified and cleared of old backups."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Quota
from accounts.quotas import backup_policy_of, effective
from desktops.lifecycle.backups import repositories, requests, schedule
from desktops.models import Backup, BackupRepository, BackupTask, Desktop, Status, Volume

pytestmark = pytest.mark.usefixtures("backups_on")
KIND, TRIGGER = BackupTask.Kind, BackupTask.Trigger
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def desktop(make_desktop, alice) -> Desktop:
    made = make_desktop(alice, status=Status.RUNNING)
    Volume.objects.update(used_at=timezone.now())
    return made


@pytest.fixture
def repository(desktop) -> BackupRepository:
    return repositories.repository_of(desktop.volume)


def policy(value: str | None, **whose) -> None:
    Quota.objects.update_or_create(**({"user": None, "group": None} | whose), defaults={"backups": value})


def change(repository: BackupRepository, **fields) -> None:
    BackupRepository.objects.filter(pk=repository.pk).update(**fields)


def due_at(repository: BackupRepository):
    repository.refresh_from_db()
    return repository.due_at


def plan_all() -> None:
    schedule.adopt_home_folders()
    schedule.apply_policies()


def test_nothing_is_scheduled_by_default(desktop):
    plan_all()
    assert not BackupRepository.objects.exists()


def test_the_first_backup_comes_within_an_hour_and_each_at_another_time(make_desktop, alice, first_rows):
    policy("daily")
    for number in range(40):
        make_desktop(alice, name=f"d{number}")
    Volume.objects.update(used_at=timezone.now())
    plan_all()
    times = list(BackupRepository.objects.values_list("due_at", flat=True))
    assert len(times) == 40
    assert all(timezone.now() - HOUR < at < timezone.now() + HOUR for at in times)
    assert len({int(at.timestamp()) for at in times}) > 35
    plan_all()
    assert sorted(BackupRepository.objects.values_list("due_at", flat=True)) == sorted(times)


def test_a_home_folder_that_never_ran_is_lost_or_is_being_deleted_is_left_out(make_desktop, alice, first_rows):
    policy("daily")
    used = {"used_at": timezone.now()}
    for number, fields in enumerate([{}, used | {"lost_at": timezone.now()}, used]):
        volume = make_desktop(alice, name=f"d{number}").volume
        Volume.objects.filter(pk=volume.pk).update(**fields)
    Desktop.objects.filter(name="d2").delete()
    plan_all()
    assert not BackupRepository.objects.exists()


def test_the_policy_is_the_effective_one_and_its_changes_apply(desktop, alice, repository):
    policy("daily")
    policy("never", user=alice)
    plan_all()
    assert due_at(repository) is None
    policy("daily", user=alice)
    plan_all()
    assert due_at(repository)
    change(repository, due_at=timezone.now() + 20 * HOUR)
    policy("hourly", user=alice)
    plan_all()
    assert due_at(repository) < timezone.now() + HOUR
    policy("never", user=alice)
    plan_all()
    assert due_at(repository) is None


def test_disabled_accounts_are_not_backed_up(desktop, alice, repository):
    policy("daily")
    plan_all()
    alice.is_active = False
    alice.save()
    plan_all()
    assert due_at(repository) is None


@pytest.mark.parametrize(("name", "period"), [("daily", DAY), ("hourly", HOUR)])
def test_a_due_backup_is_queued_once_and_the_next_keeps_the_rhythm(repository, name, period):
    policy(name)
    late = timezone.now() - 3 * period - timedelta(minutes=5)
    change(repository, due_at=late)
    schedule.queue_due()
    schedule.queue_due()
    task = BackupTask.objects.get()
    assert (task.kind, task.trigger, task.volume) == (KIND.BACKUP, TRIGGER.SCHEDULE, repository.volume)
    assert due_at(repository) == late + 4 * period
    change(repository, due_at=timezone.now())
    schedule.queue_due()  # the first still waits
    assert BackupTask.objects.count() == 1


def test_what_nothing_can_have_changed_is_not_backed_up_again(desktop, repository):
    policy("daily")
    now = timezone.now()
    change(repository, due_at=now, succeeded_at=now)
    Desktop.objects.update(status=Status.STOPPED, status_since=now - HOUR)
    schedule.queue_due()
    assert not BackupTask.objects.exists()
    assert due_at(repository) > now
    change(repository, due_at=now, succeeded_at=now - 2 * HOUR)
    schedule.queue_due()
    assert BackupTask.objects.count() == 1


def test_kept_files_are_backed_up_until_they_are_saved(desktop, repository):
    policy("daily")
    now = timezone.now()
    Desktop.objects.all().delete()
    Volume.objects.update(kept_at=now - HOUR)
    change(repository, due_at=now, succeeded_at=now)
    schedule.queue_due()
    assert not BackupTask.objects.exists()
    change(repository, due_at=now, succeeded_at=None)
    schedule.queue_due()
    assert BackupTask.objects.count() == 1


def test_old_backups_are_removed_once_a_day_after_new_ones(repository, make_backup):
    now = timezone.now()
    schedule.queue_removals()
    assert not BackupTask.objects.exists()
    make_backup(repository.volume)
    change(repository, succeeded_at=now)
    schedule.queue_removals()
    schedule.queue_removals()
    assert BackupTask.objects.get().kind == KIND.FORGET
    BackupTask.objects.all().delete()
    change(repository, tidied_at=now - 23 * HOUR)
    schedule.queue_removals()
    assert not BackupTask.objects.exists()
    change(repository, tidied_at=now - 25 * HOUR)
    schedule.queue_removals()
    assert BackupTask.objects.count() == 1


def test_a_removal_that_failed_is_tried_again_after_an_hour(repository, make_backup, by_alice):
    requests.delete_backup(backup=make_backup(repository.volume), by=by_alice)
    BackupTask.objects.update(status=BackupTask.Status.FAILED)
    schedule.queue_removals()
    assert BackupTask.objects.count() == 1
    BackupTask.objects.update(created_at=timezone.now() - 2 * HOUR)
    schedule.queue_removals()
    assert BackupTask.objects.count() == 2


def test_each_repository_is_verified_weekly_and_a_damaged_one_daily(repository, make_backup):
    now = timezone.now()
    schedule.queue_verifications()
    assert not BackupTask.objects.exists()
    make_backup(repository.volume)

    def queued_with(**fields) -> int:
        BackupTask.objects.all().delete()
        change(repository, **fields)
        schedule.queue_verifications()
        return BackupTask.objects.filter(kind=KIND.VERIFY).count()

    assert queued_with() == 1
    assert queued_with(checked_at=now - 6 * DAY) == 0
    assert queued_with(checked_at=now - 8 * DAY) == 1
    assert queued_with(checked_at=now - 2 * DAY, damaged_since=now - 9 * DAY) == 1


def test_a_removal_forgets_what_the_storage_no_longer_has(repository, make_backup, engine, go_round, by_alice):
    old, deleted, good = (make_backup(repository.volume, snapshot=name) for name in ("a", "b", "c"))
    requests.delete_backup(backup=deleted, by=by_alice)
    go_round()
    assert (engine.begun[0].snapshots, engine.begun[0].retention) == (("b",), None)
    engine.succeeds(engine.begun[0].id, snapshots=("a", "c"), repository_size=77)
    go_round()
    assert set(Backup.objects.all()) == {old, good}
    repository.refresh_from_db()
    assert (repository.size_bytes, repository.tidied_at) == (77, None)


def test_a_scheduled_removal_keeps_what_the_settings_say(repository, make_backup, engine, go_round, settings):
    settings.BACKUP_KEEP_DAILY = 3
    make_backup(repository.volume, snapshot="a")
    change(repository, succeeded_at=timezone.now(), checked_at=timezone.now())
    schedule.queue_removals()
    go_round()
    assert (engine.begun[0].retention.daily, engine.begun[0].retention.monthly) == (3, 6)
    engine.succeeds(engine.begun[0].id, snapshots=("a",), repository_size=5)
    go_round()
    repository.refresh_from_db()
    assert repository.tidied_at


def test_a_deleted_repository_is_forgotten_once_its_storage_is_empty(
    repository, make_backup, engine, go_round, by_alice
):
    make_backup(repository.volume, snapshot="a")
    requests.delete_repository(repository=repository, by=by_alice)
    go_round()
    assert engine.begun[0].delete_all
    engine.succeeds(engine.begun[0].id, snapshots=())
    go_round()
    assert not BackupRepository.objects.exists()
    go_round()
    assert engine.there == {}


def test_damage_stays_known_until_everything_was_read_well(repository, make_backup, engine, go_round):
    backup = make_backup(repository.volume, snapshot="a")
    change(repository, succeeded_at=timezone.now(), tidied_at=timezone.now(), next_part=4)

    def verify() -> str:
        BackupTask.objects.all().delete()
        change(repository, checked_at=timezone.now() - 8 * DAY)
        schedule.queue_verifications()
        go_round()
        return engine.begun[-1].id

    engine.succeeds(verify(), snapshot="a")
    assert engine.begun[-1].part == (4, 4)
    go_round()
    repository.refresh_from_db()
    backup.refresh_from_db()
    assert (repository.next_part, repository.damaged_since) == (1, None)
    assert backup.verified_at
    engine.fails(verify(), "repository_damaged")
    go_round()
    repository.refresh_from_db()
    assert repository.damaged_since
    engine.succeeds(verify(), snapshot="a")
    assert engine.begun[-1].part == (1, 1)
    go_round()
    repository.refresh_from_db()
    assert repository.damaged_since is None


def test_a_scheduled_backup_beyond_the_quota_fails_with_a_reason(repository, alice, engine, go_round):
    Quota.objects.create(user=alice, backups="hourly", backup_storage_gib=1)
    change(repository, due_at=timezone.now(), size_bytes=2**30, tidied_at=timezone.now(), checked_at=timezone.now())
    go_round()
    task = BackupTask.objects.get(kind=KIND.BACKUP)
    assert (task.status, task.reason) == ("failed", "quota_exceeded")
    assert not engine.begun


def test_a_scheduled_backup_that_failed_is_tried_again_within_an_hour(repository, engine, go_round):
    policy("daily")
    change(repository, due_at=timezone.now())
    go_round()
    assert due_at(repository) > timezone.now() + 20 * HOUR
    engine.fails(engine.begun[0].id, "repository_unreachable")
    go_round()
    assert due_at(repository) < timezone.now() + HOUR + timedelta(minutes=1)


@pytest.mark.parametrize("own", [None, "never", "hourly"])
@pytest.mark.parametrize("groups", [(), ("daily",), ("never", "hourly"), (None,)])
@pytest.mark.parametrize("default", [None, "daily"])
def test_the_expression_gives_the_effective_policy(desktop, alice, own, groups, default):
    policy(default)
    policy(own, user=alice)
    for number, value in enumerate(groups):
        policy(value, group=alice.groups.create(name=str(number)))
    assert Volume.objects.annotate(policy=backup_policy_of("owner")).get().policy == effective(alice).backups.value


def test_the_number_of_queries_is_constant(make_desktop, alice, first_rows, django_assert_max_num_queries):
    policy("hourly")
    for number in range(30):
        make_desktop(alice, name=f"d{number}", status=Status.RUNNING)
    Volume.objects.update(used_at=timezone.now())
    with django_assert_max_num_queries(16):
        plan_all()
    BackupRepository.objects.update(due_at=timezone.now())
    with django_assert_max_num_queries(8):
        schedule.queue_due()
    assert BackupTask.objects.count() == 30
