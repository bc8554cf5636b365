"""The history of storage: what each change of a home folder leaves, how long it is kept, and how it is corrected."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.audit import Actor
from accounts.models import User
from desktops import services
from desktops.lifecycle import jobs, reconcile, storage_history, timers, volumes
from desktops.lifecycle.backups import requests as backup_requests
from desktops.models import Desktop, Status, StoragePeriod, Volume
from desktops.services import LaunchRequest


@pytest.fixture
def launched(alice, image, small) -> Desktop:
    return services.launch_desktop(by=Actor(alice), wanted=LaunchRequest(image, small))


def periods(volume: Volume) -> list[tuple[str, bool]]:
    """Return the states of a folder, oldest first, and whether each has ended."""
    rows = StoragePeriod.objects.filter(volume_id=volume.pk).order_by("pk")
    return [(row.state, row.ended_at is not None) for row in rows]


def delete(desktop: Desktop, alice: User, *, keep_data: bool) -> None:
    Desktop.objects.filter(pk=desktop.pk).update(status=Status.STOPPED)
    services.delete_desktop(desktop=desktop, by=Actor(alice), keep_data=keep_data)
    reconcile.reconcile_desktop(Desktop.objects.get(pk=desktop.pk), None)


def test_launch_begins_one(launched, alice, small):
    row = StoragePeriod.objects.get()
    assert (row.volume_id, row.owner, row.owner_name) == (launched.volume_id, alice, "alice")
    assert (row.storage_gib, row.image_name) == (small.storage_gib, launched.image.name)
    assert (row.state, row.begun_at, row.ended_at) == ("in_use", launched.volume.created_at, None)


def test_stop_and_start_change_nothing(launched, alice):
    Desktop.objects.update(status=Status.STOPPED)
    services.start_desktop(desktop=launched, by=Actor(alice))
    assert periods(launched.volume) == [("in_use", False)]


def test_kept_and_used_again(launched, alice, image, small):
    delete(launched, alice, keep_data=True)
    assert periods(launched.volume) == [("in_use", True), ("kept", False)]
    assert set(StoragePeriod.objects.values_list("image_name", flat=True)) == {image.name}
    kept = Volume.objects.get()
    services.launch_desktop(by=Actor(alice), wanted=LaunchRequest(image, small, "again", kept))
    assert periods(kept) == [("in_use", True), ("kept", True), ("in_use", False)]
    ended, begun = StoragePeriod.objects.order_by("pk").values_list("ended_at", "begun_at")[:2]
    assert ended[0] == begun[1]  # without a gap


def test_deleted_with_its_files(launched, alice, scripted_runtime):
    delete(launched, alice, keep_data=False)
    assert periods(launched.volume) == [("in_use", False)]  # until nothing of them is left
    jobs.delete_volume(launched.volume_id)
    assert not Volume.objects.exists()
    assert periods(launched.volume) == [("in_use", True)]


def test_kept_files_deleted(launched, alice, scripted_runtime):
    delete(launched, alice, keep_data=True)
    services.delete_volume(volume=launched.volume, by=Actor(alice))
    assert periods(launched.volume)[-1] == ("kept", False)
    jobs.delete_volume(launched.volume_id)
    assert periods(launched.volume)[-1] == ("kept", True)


def test_lost_and_found(launched):
    volumes.note_lost(launched.volume)
    assert periods(launched.volume) == [("in_use", True)]
    volumes.note_found(launched.volume)
    assert periods(launched.volume) == [("in_use", True), ("in_use", False)]


def test_new_files_for_lost_ones(launched, alice):
    volumes.note_lost(launched.volume)
    Desktop.objects.update(status=Status.FAILED)
    services.start_desktop(desktop=launched, by=Actor(alice), new_files=True)
    lost, new = Volume.objects.order_by("created_at")
    assert (periods(lost), periods(new)) == ([("in_use", True)], [("in_use", False)])
    volumes.note_found(lost)
    assert periods(lost) == [("in_use", True), ("kept", False)]


def test_restored_as_new(launched, alice, make_backup, settings):
    settings.BACKUP_REPOSITORY = "/nowhere"
    backup_requests.restore_as_new(backup=make_backup(launched.volume), name="copy", by=Actor(alice))
    assert periods(Volume.objects.get(desktop_name="copy")) == [("kept", False)]


def test_size_and_owner(launched, bob):
    Volume.objects.update(storage_gib=50, owner=bob)
    storage_history.record(launched.volume_id)
    first, second = StoragePeriod.objects.order_by("pk")
    assert (first.ended_at, first.owner_name) == (second.begun_at, "alice")
    assert (second.storage_gib, second.owner_name, second.ended_at) == (50, "bob", None)


def test_refused_launch_leaves_nothing(alice, image, small):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        services.launch_desktop(by=Actor(alice), wanted=LaunchRequest(image, small))
        raise ZeroDivisionError
    assert not StoragePeriod.objects.exists()


def test_one_period_at_a_time(launched):
    row = StoragePeriod.objects.get()
    row.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


def test_it_outlives_the_account(launched, alice):
    Desktop.objects.all().delete()
    Volume.objects.all().delete()
    alice.delete()
    row = StoragePeriod.objects.get()
    assert (row.owner, row.owner_name) == (None, "alice")


@pytest.mark.parametrize(("days", "left"), [(30, {"29 days", "open"}), (0, {"29 days", "31 days", "open"})])
def test_retention(alice, make_desktop, settings, days, left):
    settings.RUN_HISTORY_DAYS = days
    now = timezone.now()
    volume = make_desktop(alice, name="open").volume
    fields = {"owner": alice, "storage_gib": 1, "state": "in_use", "begun_at": now - timedelta(days=99)}
    StoragePeriod.objects.create(volume_id=volume.pk, desktop_name="open", **fields)
    for age in (29, 31):
        ended = now - timedelta(days=age)
        StoragePeriod.objects.create(volume_id=volume.pk, desktop_name=f"{age} days", ended_at=ended, **fields)
    storage_history.prune()
    assert set(StoragePeriod.objects.values_list("desktop_name", flat=True)) == left


def test_corrected_once_a_day(alice, make_desktop):
    """Rows that were changed from outside: a folder without a period, and a period without its folder."""
    present, gone = make_desktop(alice).volume, make_desktop(alice, name="gone", object_name="gone")
    storage_history.record(gone.volume_id)
    gone.delete()
    Volume.objects.filter(pk=gone.volume_id).delete()
    timers.prune_daily()
    assert (periods(present), periods(gone.volume)) == ([("in_use", False)], [("in_use", True)])


def test_migration_begins_the_periods(alice, make_desktop):
    created = timezone.now() - timedelta(days=9)
    used = make_desktop(alice).volume
    for name, fields in {"kept": {"kept_at": created}, "lost": {"lost_at": created + timedelta(days=2)}}.items():
        Volume.objects.create(owner=alice, object_name=name, desktop_name=name, storage_gib=3, **fields)
    Volume.objects.update(created_at=created)
    import_module("desktops.migrations.0021_storage_periods").begin(apps, None)
    found = {row.desktop_name: row for row in StoragePeriod.objects.all()}
    assert {row.begun_at for row in found.values()} == {created}
    assert (found["desktop"].volume_id, found["desktop"].state) == (used.pk, "in_use")
    assert (found["kept"].state, found["kept"].ended_at, found["kept"].storage_gib) == ("kept", None, 3)
    assert found["lost"].ended_at == created + timedelta(days=2)
    storage_history.prune()  # finds nothing to correct
    assert StoragePeriod.objects.count() == 3
