"""Lost home folders, which the runtime no longer has: shown as lost, not counted, never reused, and found again."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.audit import Actor
from accounts.models import AuditEvent, Quota
from core.redis import client
from desktops import quota, selectors, services
from desktops.exceptions import FilesAreThere, QuotaExceeded, VolumeLost
from desktops.lifecycle import controller, jobs, orphaned_volumes
from desktops.models import Desktop, Status, Volume
from desktops.runtimes.base import Phase
from desktops.services import LaunchRequest


@pytest.fixture
def by_alice(alice) -> Actor:
    return Actor(alice, "192.0.2.1")


@pytest.fixture
def lost(scripted_runtime, make_desktop, alice) -> Desktop:
    """Return a stopped desktop whose home folder was deleted in the cluster."""
    desktop = make_desktop(alice)
    use(desktop)
    look()
    desktop.refresh_from_db()
    assert desktop.volume.lost_at
    return desktop


def use(desktop: Desktop) -> None:
    Volume.objects.filter(pk=desktop.volume_id).update(used_at=timezone.now() - timedelta(days=1))


def look() -> None:
    """Compare all desktops, as the controller does every few minutes."""
    client().flushdb()
    controller.compare_all()


def warnings(caplog) -> list[dict]:
    return [record.msg for record in caplog.records if getattr(record.msg, "get", {}.get)("event") == "volume_lost"]


def test_the_controller_reports_it_once(scripted_runtime, make_desktop, alice, caplog):
    desktop, there = make_desktop(alice), make_desktop(alice, name="second")
    use(desktop), use(there)
    scripted_runtime.homes = [there.volume.object_name]
    look(), look()
    [said] = warnings(caplog)
    assert (said["volume"], said["desktop_name"], said["owner"]) == (
        desktop.volume.object_name,
        "desktop",
        str(alice.pk),
    )
    assert Volume.objects.get(lost_at__isnull=False) == desktop.volume


def test_one_that_no_desktop_has_worked_in_is_not_lost(scripted_runtime, make_desktop, alice):
    make_desktop(alice, status=Status.STARTING)
    look()
    assert not Volume.objects.filter(lost_at__isnull=False).exists()


def test_a_runtime_that_does_not_answer_loses_nothing(scripted_runtime, make_desktop, alice):
    use(make_desktop(alice))
    scripted_runtime.unavailable = True
    orphaned_volumes.compare_volumes()
    assert not Volume.objects.filter(lost_at__isnull=False).exists()


def test_a_start_that_finds_it_missing_says_so(runtime, make_desktop, alice):
    desktop = make_desktop(alice, status=Status.PENDING)
    use(desktop)
    jobs.start_desktop(str(desktop.pk))
    desktop.refresh_from_db()
    assert (desktop.status, desktop.reason) == (Status.FAILED, "volume_lost")
    assert desktop.volume.lost_at


def test_takes_no_storage(lost, alice):
    assert quota.use_of(alice).storage_gib == 0


def test_is_what_a_stopped_desktop_says_first(lost):
    state = selectors.state_of(lost)
    assert state.sentence == "Its home folder is no longer in storage."
    assert state.next_step == "Start with new files, or ask an administrator to restore it."


def test_a_desktop_that_runs_on_it_says_that_it_will_go(scripted_runtime, make_desktop, alice):
    desktop = make_desktop(alice, status=Status.RUNNING)
    use(desktop)
    scripted_runtime.sees(desktop, Phase.READY)
    look()
    desktop.refresh_from_db()
    state = selectors.state_of(desktop)
    assert "It will be removed when the desktop stops." in state.sentence
    assert state.next_step.startswith("Copy the files that you need")


def test_is_found_again_when_it_is_restored(lost, scripted_runtime, alice):
    scripted_runtime.homes = [lost.volume.object_name]
    look()
    lost.refresh_from_db()
    assert lost.volume.lost_at is None
    assert quota.use_of(alice).storage_gib == 5
    assert selectors.state_of(lost).sentence == "You stopped it."


def test_is_found_again_by_a_start(lost, scripted_runtime):
    Desktop.objects.filter(pk=lost.pk).update(status=Status.STARTING)
    scripted_runtime.sees(lost, Phase.READY)
    controller.compare_one(lost.object_name)
    lost.refresh_from_db()
    assert (lost.status, lost.volume.lost_at) == (Status.RUNNING, None)


def test_new_files_start_it_and_the_lost_ones_stay_listed(
    lost, by_alice, alice, queued, django_capture_on_commit_callbacks
):
    old = lost.volume
    with django_capture_on_commit_callbacks(execute=True):
        services.start_desktop(desktop=lost, by=by_alice, new_files=True)
        services.start_desktop(desktop=lost, by=by_alice, new_files=True)  # a second click
    lost.refresh_from_db()
    assert (lost.status, lost.run, lost.volume.lost_at, lost.volume.used_at) == (Status.PENDING, 2, None, None)
    assert (lost.volume.storage_gib, quota.use_of(alice).storage_gib) == (5, 5)
    assert list(selectors.kept_volumes(alice)) == [old]
    assert queued() == [("start_desktop", str(lost.pk))]
    assert AuditEvent.objects.get(action="desktop.start").details["new_files"] is True


def test_new_files_need_room(lost, by_alice):
    Quota.objects.update(storage_gib=4)
    with pytest.raises(QuotaExceeded) as refused:
        services.start_desktop(desktop=lost, by=by_alice, new_files=True)
    assert str(refused.value.next_step).startswith("Delete kept files")
    lost.refresh_from_db()
    assert lost.volume.lost_at


def test_new_files_never_take_the_place_of_files_that_are_there(make_desktop, alice, by_alice):
    desktop = make_desktop(alice)
    with pytest.raises(FilesAreThere):
        services.start_desktop(desktop=desktop, by=by_alice, new_files=True)


def test_kept_ones_are_chosen_for_no_desktop(lost, by_alice, alice, image, small):
    volume = lost.volume
    lost.delete()
    Volume.objects.update(kept_at=timezone.now())
    offer = quota.launch_offer(alice)
    assert (offer.volumes, offer.lost_volumes) == ([], [volume])
    with pytest.raises(VolumeLost):
        services.launch_desktop(by=by_alice, wanted=LaunchRequest(image, small, volume=volume))


# --- pages ---------------------------------------------------------------------------------------------------------
def test_one_click_begins_with_new_files(lost, client_for, alice):
    page = client_for(alice).get(f"/desktops/{lost.pk}/").content.decode()
    assert "Start with new files" in page
    assert "use no storage" in page  # the confirmation page for a deletion
    response = client_for(alice).post(f"/desktops/{lost.pk}/start-with-new-files/")
    assert response.status_code == 303
    lost.refresh_from_db()
    assert (lost.status, lost.volume.lost_at) == (Status.PENDING, None)


def test_the_click_is_a_post_of_its_owner(lost, client_for, alice, bob, client):
    address = f"/desktops/{lost.pk}/start-with-new-files/"
    assert client_for(alice).get(address).status_code == 405
    assert client_for(bob).post(address).status_code == 404
    assert client.post(address)["Location"].startswith("/accounts/login/")


def test_lost_files_are_listed_and_can_be_removed_from_the_list(lost, client_for, alice):
    volume = lost.volume
    lost.delete()
    Volume.objects.update(kept_at=timezone.now())
    page = client_for(alice).get("/").content.decode()
    assert "Lost files" in page and "Kept files" not in page
    assert client_for(alice).post(f"/volumes/{volume.pk}/delete/").status_code == 303
    jobs.delete_volume(str(volume.pk))
    assert not Volume.objects.exists()


def test_administrators_see_it(lost, client_for, admin):
    page = client_for(admin).get("/admin/desktops/volume/?lost_at__isempty=0").content.decode()
    assert lost.volume.object_name in page


# --- scripts -------------------------------------------------------------------------------------------------------
def test_the_advice_of_the_api_leads_out(lost, api_for, alice):
    api, volume = api_for(alice), lost.volume
    scripted_runtime = api.get(f"/api/v1/pods/{lost.object_name}").json()
    assert (scripted_runtime["status"], scripted_runtime["reason"], scripted_runtime["files_lost"]) == (
        "stopped",
        "volume_lost",
        True,
    )
    asked = {"new_files": True}
    answer = api.post(f"/api/v1/pods/{lost.object_name}/start", asked, content_type="application/json")
    assert (answer.status_code, answer.json()["desktop"]["files_lost"]) == (202, False)
    [line] = api.get("/api/v1/volumes").json()["results"]
    assert (line["id"], bool(line["lost_at"])) == (str(volume.pk), True)


def test_create_takes_the_field_too(lost, api_for, alice):
    answer = api_for(alice).post("/api/v1/pods/create", {"new_files": True}, content_type="application/json")
    assert (answer.status_code, answer.json()["status"], answer.json()["desktop"]["files_lost"]) == (
        202,
        "exists",
        False,
    )


def test_a_desktop_of_the_same_name_does_not_get_the_lost_files(lost, api_for, alice):
    """Deleting a desktop keeps its files by default."""
    old = lost.volume
    lost.delete()
    Volume.objects.update(kept_at=timezone.now())
    asked = {"volume": str(old.pk)}
    answer = api_for(alice).post("/api/v1/pods/create", asked, content_type="application/json")
    assert (answer.status_code, answer.json()["slug"]) == (409, "volume_lost")
    answer = api_for(alice).post("/api/v1/pods/create", {}, content_type="application/json")
    assert (answer.status_code, answer.json()["status"]) == (202, "created")
    assert Desktop.objects.get().volume != old


def test_the_monitor_counts_them(lost, api_for, alice, bob, admin):
    counts = [api_for(who).get("/api/v1/monitor/").json()["lost_volumes"] for who in (alice, bob, admin)]
    assert counts == [1, 0, 1]
