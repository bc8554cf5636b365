"""Actions of users: launch, start, stop, restart, delete."""

import pytest

from accounts.audit import Actor
from accounts.models import AuditEvent, Quota
from desktops import quota, services
from desktops.exceptions import ImageUnavailable, NameInvalid, QuotaExceeded, VolumeInUse, WrongStatus
from desktops.lifecycle import jobs
from desktops.models import Desktop, DesktopSize, Status, Volume
from desktops.services import LaunchRequest


@pytest.fixture
def by_alice(alice) -> Actor:
    return Actor(alice, "192.0.2.1")


@pytest.fixture
def launch(by_alice, image, small, django_capture_on_commit_callbacks):
    def go(**wanted) -> Desktop:
        with django_capture_on_commit_callbacks(execute=True):
            return services.launch_desktop(
                by=by_alice, wanted=LaunchRequest(**{"image": image, "size": small} | wanted)
            )

    return go


def test_launch_writes_row_event_audit_and_queues_the_work(launch, alice, queued):
    desktop = launch()
    assert (desktop.status, desktop.owner, desktop.run) == (Status.PENDING, alice, 1)
    assert desktop.volume.storage_gib == 5
    assert [event.kind for event in desktop.events.all()] == ["queued"]
    assert AuditEvent.objects.get().action == "desktop.launch"
    assert queued() == [("start_desktop", str(desktop.pk))]


def test_launch_twice_gives_the_same_desktop(launch, queued):
    assert launch().pk == launch().pk
    assert len(queued()) == 1


def test_launch_again_starts_the_stopped_one(launch, make_desktop, alice):
    desktop = make_desktop(alice, status=Status.STOPPED)
    assert launch().pk == desktop.pk
    desktop.refresh_from_db()
    assert (desktop.status, desktop.run) == (Status.PENDING, 2)


def test_launching_one_whose_deletion_has_just_ended_does_nothing(by_alice, make_desktop, queued):
    desktop = make_desktop(by_alice.user, status=Status.STOPPED)
    Desktop.objects.all().delete()
    assert services.launch_existing(desktop=desktop, by=by_alice) is None
    assert not AuditEvent.objects.exists()
    assert queued() == []


def test_launch_while_the_old_one_is_deleted_is_refused(launch, make_desktop, alice):
    make_desktop(alice, status=Status.DELETING)
    with pytest.raises(WrongStatus):
        launch()


@pytest.mark.parametrize("name", ["", "   ", "x" * 41, "two\nlines", "null\0"])
def test_launch_with_a_bad_name_is_refused(launch, name):
    with pytest.raises(NameInvalid):
        launch(name=name)
    assert not Desktop.objects.exists()


def test_launch_of_a_disabled_image_is_refused(launch, image):
    image.enabled = False
    image.save()
    with pytest.raises(ImageUnavailable):
        launch()


def test_launch_in_a_size_that_the_image_does_not_have_is_refused(launch):
    size = DesktopSize.objects.create(name="Odd", cpu=1, memory_mib=512, storage_gib=1)
    with pytest.raises(ImageUnavailable):
        launch(size=size)


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ({"cpu": "0.5"}, "CPU: this needs 1 core, and you use 0 of 0.5 cores."),
        ({"memory_mib": 1024}, "Memory: this needs 2 GiB, and you use 0 of 1 GiB."),
        ({"storage_gib": 4}, "Storage: this needs 5 GiB, and you use 0 of 4 GiB."),
        ({"desktops": 0}, "Desktops: this needs 1, and you use 0 of 0."),
    ],
)
def test_launch_beyond_the_quota_says_what_is_short(launch, alice, limit, says):
    Quota.objects.create(user=alice, **limit)
    with pytest.raises(QuotaExceeded) as refused:
        launch()
    assert str(refused.value.message).startswith(says)
    assert not Desktop.objects.exists() and not Volume.objects.exists()


def test_a_stopped_desktop_frees_cpu_and_keeps_its_storage(launch, make_desktop, alice):
    Quota.objects.create(user=alice, desktops=2, cpu=1, storage_gib=9)
    stopped = make_desktop(alice, name="old", status=Status.STOPPED)
    with pytest.raises(QuotaExceeded, match="quota") as refused:
        launch(name="new")
    assert str(refused.value.message).startswith("Storage")
    Quota.objects.filter(user=alice).update(storage_gib=10)
    launch(name="new")
    with pytest.raises(QuotaExceeded):  # the only CPU is in use now
        services.start_desktop(desktop=stopped, by=Actor(alice))


def test_kept_files_are_used_again(launch, alice):
    kept = Volume.objects.create(
        owner=alice, object_name="home-kept", desktop_name="old", storage_gib=5, kept_at="2026-01-01T00:00Z"
    )
    desktop = launch(volume=kept)
    assert desktop.volume == kept
    assert Volume.objects.get().kept_at is None


@pytest.mark.parametrize("storage", [1, 5, 40])
def test_kept_files_keep_the_storage_that_they_have(launch, alice, storage):
    """A larger number in the row does not make a claim in a cluster larger."""
    Quota.objects.create(user=alice, storage_gib=storage)  # they use all of it
    kept = Volume.objects.create(
        owner=alice, object_name="home-kept", desktop_name="old", storage_gib=storage, kept_at="2026-01-01T00:00Z"
    )
    desktop = launch(volume=kept)
    assert (desktop.storage_gib, desktop.volume.storage_gib) == (storage, storage)
    assert (jobs.spec_of(desktop).storage_gib, quota.use_of(alice).storage_gib) == (storage, storage)


def test_files_of_somebody_else_or_in_use_are_refused(launch, bob, alice, make_desktop):
    Quota.objects.create(user=alice, desktops=5, cpu=9, memory_mib=99999, storage_gib=99)
    foreign = Volume.objects.create(
        owner=bob, object_name="home-bob", desktop_name="old", storage_gib=5, kept_at="2026-01-01T00:00Z"
    )
    for volume in (foreign, make_desktop(alice, name="other").volume):
        with pytest.raises(VolumeInUse):
            launch(volume=volume)


def test_stop_cuts_the_stream_and_queues_the_work(
    make_desktop, by_alice, django_capture_on_commit_callbacks, queued, disconnects
):
    desktop = make_desktop(by_alice.user, status=Status.RUNNING)
    with django_capture_on_commit_callbacks(execute=True):
        services.stop_desktop(desktop=desktop, by=by_alice)
    assert (desktop.status, desktop.reason) == (Status.STOPPING, "by_owner")
    assert queued() == [("stop_desktop", str(desktop.pk))]
    assert [(cut.scope, cut.id, cut.reason) for cut in disconnects()] == [("desktop", str(desktop.pk), "stopped")]


@pytest.mark.parametrize("status", [Status.STOPPED, Status.FAILED, Status.DELETING])
def test_stop_of_one_that_does_not_run_changes_nothing(make_desktop, by_alice, status):
    desktop = make_desktop(by_alice.user, status=status)
    services.stop_desktop(desktop=desktop, by=by_alice)
    desktop.refresh_from_db()
    assert desktop.status == status


def test_restart_stops_and_remembers_to_start(make_desktop, by_alice):
    desktop = make_desktop(by_alice.user, status=Status.RUNNING)
    services.restart_desktop(desktop=desktop, by=by_alice)
    assert (desktop.status, desktop.restarting) == (Status.STOPPING, True)


def test_stop_during_a_restart_ends_the_restart(make_desktop, by_alice):
    desktop = make_desktop(by_alice.user, status=Status.RUNNING)
    services.restart_desktop(desktop=desktop, by=by_alice)
    services.stop_desktop(desktop=desktop, by=by_alice)
    desktop.refresh_from_db()
    assert (desktop.status, desktop.restarting, desktop.reason) == (Status.STOPPING, False, "by_owner")


def test_start_begins_a_new_run_with_a_new_password(make_desktop, by_alice):
    desktop = make_desktop(by_alice.user, status=Status.FAILED, reason="disk_full")
    before = desktop.vnc_password_sealed
    services.start_desktop(desktop=desktop, by=by_alice)
    assert (desktop.status, desktop.run, desktop.reason) == (Status.PENDING, 2, "")
    assert desktop.vnc_password_sealed != before


def test_delete_remembers_what_becomes_of_the_files(make_desktop, by_alice):
    desktop = make_desktop(by_alice.user, status=Status.STOPPED)
    services.delete_desktop(desktop=desktop, by=by_alice, keep_data=False)
    desktop.refresh_from_db()
    assert (desktop.status, desktop.keep_data) == (Status.DELETING, False)


def test_files_of_a_desktop_cannot_be_deleted_under_it(make_desktop, by_alice):
    with pytest.raises(VolumeInUse):
        services.delete_volume(volume=make_desktop(by_alice.user).volume, by=by_alice)


def test_loses_nothing_while_redis_is_unavailable(
    by_alice, image, small, django_capture_on_commit_callbacks, redis_unavailable
):
    with redis_unavailable(), django_capture_on_commit_callbacks(execute=True):
        desktop = services.launch_desktop(by=by_alice, wanted=LaunchRequest(image, small))
    assert Desktop.objects.get(pk=desktop.pk).status == Status.PENDING
