"""Tests of the end of kept files: notice, postponement, deletion, and what keeps files from it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.audit import Actor
from accounts.models import AuditEvent
from desktops import services
from desktops.exceptions import AlreadyPostponed, NoExpiry
from desktops.lifecycle import kept_files
from desktops.lifecycle.backups import repositories
from desktops.models import BackupTask, Desktop, Volume

DAY = timedelta(days=1)
TIMES = ("expires_at", "postponed_at")


@pytest.fixture(autouse=True)
def end(settings) -> None:
    settings.KEPT_FILES_DAYS, settings.KEPT_FILES_NOTICE_DAYS = 90, 14


@pytest.fixture
def keep(alice, make_desktop):
    """Return a function that makes kept files. Times are in days from now."""

    def make(kept: float = 0, name: str = "work", **fields) -> Volume:
        desktop = make_desktop(alice, name=name)
        days = {"kept_at": kept} | {field: fields.pop(field) for field in list(fields) if field in TIMES}
        found = {field: timezone.now() + number * DAY for field, number in days.items()}
        Desktop.objects.filter(pk=desktop.pk).delete()
        Volume.objects.filter(pk=desktop.volume_id).update(**found, **fields)
        return read(desktop.volume)

    return make


def read(volume: Volume) -> Volume:
    return Volume.objects.get(pk=volume.pk)


def days_left(volume: Volume) -> float | None:
    until = read(volume).expires_at
    return until and round((until - timezone.now()) / DAY, 2)


@pytest.fixture
def go(django_capture_on_commit_callbacks, queued):
    """Return a function that does one round, and returns the ids of the files whose deletion it queued."""

    def round_of_it() -> list[str]:
        before = len(queued())
        with django_capture_on_commit_callbacks(execute=True):
            kept_files.compare()
        return [pk for work, pk in queued()[before:] if work == "delete_volume"]

    return round_of_it


def test_files_have_no_end_by_default(keep, go, settings):
    settings.KEPT_FILES_DAYS = 0
    old = keep(-9999)
    assert (go(), days_left(old)) == ([], None)


def test_the_date_follows_from_the_deletion_of_the_desktop(keep, go):
    young = keep(-10)
    assert (go(), days_left(young)) == ([], 80)
    event = AuditEvent.objects.get(action="volume.expiry_set")
    assert (event.actor, event.target, event.details["name"]) == (None, str(young.pk), "work")
    go()
    assert AuditEvent.objects.count() == 1


def test_old_files_have_the_full_notice_when_it_is_turned_on(keep, go):
    old = keep(-9999)
    assert (go(), days_left(old)) == ([], 14)
    assert (go(), days_left(old)) == ([], 14)


@pytest.mark.parametrize(("left", "ends"), [(timedelta(seconds=-1), True), (timedelta(minutes=1), False)])
def test_files_end_at_their_date(keep, go, left, ends):
    volume = keep(-104)
    Volume.objects.update(expires_at=timezone.now() + left)
    assert go() == ([str(volume.pk)] if ends else [])
    assert (read(volume).kept_at is None) is ends
    if ends:
        event = AuditEvent.objects.get(action="volume.delete")
        assert (event.actor, event.target, event.details["expired"]) == (None, str(volume.pk), True)


def test_a_second_controller_deletes_nothing_again(keep, go, django_capture_on_commit_callbacks):
    volume = keep(-104, expires_at=-1)
    both_found = list(Volume.expired())
    assert go() == [str(volume.pk)]
    with django_capture_on_commit_callbacks() as sent:
        kept_files._end(both_found[0])
    assert sent == []
    assert AuditEvent.objects.filter(action="volume.delete").count() == 1


@pytest.mark.parametrize(
    ("days", "expires_at", "left"),
    [
        (200, 80, 190),  # longer: also within the notice
        (200, 3, 190),
        (30, 80, 20),  # shorter: never below the notice
        (12, 80, 14),
        (12, 3, 3),  # what was announced stays
    ],
)
def test_a_changed_setting_changes_dates(keep, go, settings, days, expires_at, left):
    settings.KEPT_FILES_DAYS = days
    volume = keep(-10, expires_at=expires_at)
    assert (go(), days_left(volume)) == ([], left)


def test_turning_it_off_clears_dates(keep, go, settings):
    volume = keep(-104, expires_at=-1, postponed_at=-20)
    settings.KEPT_FILES_DAYS = 0
    assert (go(), days_left(volume), read(volume).postponed_at) == ([], None, None)


def test_files_of_disabled_accounts_and_lost_files_have_no_end(keep, go, alice):
    volume, lost = keep(-104, expires_at=-1), keep(-104, name="lost", expires_at=-1, lost_at=timezone.now())
    alice.is_active = False
    alice.save()
    assert (go(), days_left(volume), days_left(lost)) == ([], None, None)
    alice.is_active = True
    alice.save()
    assert (go(), days_left(volume), days_left(lost)) == ([], 14, None)  # with a new notice


def test_launching_with_the_files_clears_the_date(keep, go, alice, image, small):
    volume = keep(-100, expires_at=1)
    services.launch_desktop(by=Actor(alice), wanted=services.LaunchRequest(image, small, "again", volume))
    assert (go(), days_left(volume)) == ([], None)
    assert read(volume).postponed_at is None


def test_an_end_is_postponed_once(keep, go, alice):
    volume = keep(-100, expires_at=4)
    assert days_left(kept_files.postpone(volume=volume, by=Actor(alice))) == 94
    with pytest.raises(AlreadyPostponed):
        kept_files.postpone(volume=volume, by=Actor(alice))
    assert (go(), days_left(volume)) == ([], 94)
    event = AuditEvent.objects.get(action="volume.postpone", result="done")
    assert (event.actor, event.target) == (alice, str(volume.pk))


def test_postponing_after_the_date_counts_from_now(keep, go, alice):
    """A failed backup may have kept the files beyond their date."""
    volume = keep(-100, expires_at=-5)
    assert days_left(kept_files.postpone(volume=volume, by=Actor(alice))) == 90


def test_what_has_no_end_cannot_be_postponed(keep, alice, settings):
    volume = keep(-100)
    with pytest.raises(NoExpiry):
        kept_files.postpone(volume=volume, by=Actor(alice))
    settings.KEPT_FILES_DAYS = 0
    with pytest.raises(NoExpiry):
        kept_files.postpone(volume=keep(-104, name="other", expires_at=-1), by=Actor(alice))


def test_files_that_are_being_restored_wait(keep, go, alice):
    volume = keep(-104, expires_at=-1)
    repository = repositories.repository_of(volume)
    task = BackupTask.objects.create(repository=repository, kind="restore", trigger="request", volume=volume)
    assert go() == []
    BackupTask.objects.filter(pk=task.pk).update(status="succeeded")
    assert go() == [str(volume.pk)]


def test_the_controller_does_one_round_a_minute(keep):
    volume = keep(-10)
    kept_files.run_timer()
    assert days_left(volume) == 80
    Volume.objects.update(expires_at=None)
    kept_files.run_timer()
    assert days_left(volume) is None
