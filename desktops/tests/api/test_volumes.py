"""Tests of GET volumes and DELETE volumes/<id>: files that were kept when their desktop was deleted."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.audit import Actor
from accounts.models import AuditEvent
from desktops.api import wait
from desktops.lifecycle import jobs
from desktops.lifecycle.backups import requests
from desktops.models import BackupTask, Volume

VOLUMES = "/api/v1/volumes"
JSON = "application/json"


@pytest.fixture
def keep():
    def make(owner, name="old", **fields) -> Volume:
        given = {"desktop_name": name, "object_name": f"home-{uuid4()}", "storage_gib": 10, "kept_at": timezone.now()}
        return Volume.objects.create(owner=owner, **given | fields)

    return make


def test_kept_files_alone(api_for, keep, make_desktop, alice, bob):
    kept = keep(alice)
    keep(bob)
    make_desktop(alice)
    body = api_for(alice).get(VOLUMES).json()
    assert body["count"] == 1
    line = body["results"][0]
    assert (line["id"], line["desktop_name"], line["storage"]) == (str(kept.pk), "old", "10Gi")
    assert line["kept_at"]


def test_pages_in_a_stable_order(api_for, keep, alice):
    moment = timezone.now()
    rows = [keep(alice, str(number), kept_at=moment - timedelta(minutes=number // 3)) for number in range(9)]
    api, found, page = api_for(alice), [], VOLUMES + "?limit=2"
    while page:
        body = api.get(page).json()
        found += [line["id"] for line in body["results"]]
        page = body["next"]
    assert found == [str(row.pk) for row in sorted(rows, key=lambda row: (row.kept_at, row.pk.hex))]


@pytest.mark.parametrize(
    ("ordering", "found"), [("kept_at", ["b", "a"]), ("-kept_at", ["a", "b"]), ("desktop_name", ["a", "b"])]
)
def test_order(api_for, keep, alice, ordering, found):
    keep(alice, "b", kept_at=timezone.now() - timedelta(minutes=1)), keep(alice, "a")
    body = api_for(alice).get(VOLUMES, {"ordering": ordering}).json()["results"]
    assert [line["desktop_name"] for line in body] == found
    assert api_for(alice).get(VOLUMES, {"ordering": "-storage"}).status_code == 200
    assert api_for(alice).get(VOLUMES, {"ordering": "owner"}).status_code == 422


def test_number_of_queries_is_constant(api_for, keep, alice, django_assert_max_num_queries):
    api = api_for(alice)
    for number in range(20):
        keep(alice, str(number))
    with django_assert_max_num_queries(4):
        assert api.get(VOLUMES).json()["count"] == 20


def test_delete(api_for, keep, alice, queued, django_capture_on_commit_callbacks):
    kept = keep(alice)
    with django_capture_on_commit_callbacks(execute=True):
        answer = api_for(alice).delete(f"{VOLUMES}/{kept.pk}")
    assert (answer.status_code, answer.json()) == (
        202,
        {"status": "deleted", "id": str(kept.pk), "backup_task": None},
    )
    assert queued() == [("delete_volume", str(kept.pk))]
    event = AuditEvent.objects.get(action="volume.delete")
    assert (event.actor, event.target, event.address) == (alice, str(kept.pk), "127.0.0.1")


def test_files_are_listed_until_nothing_is_left_of_them(api_for, keep, alice, bob, admin, scripted_runtime):
    """A finalizer, for example, may hold them; they use storage quota all that time."""
    held, kept = keep(alice, kept_at=timezone.now() - timedelta(days=1)), keep(alice)
    scripted_runtime.homes = [held.object_name]
    for _ in range(2):  # again, while it is being deleted
        assert api_for(alice).delete(f"{VOLUMES}/{held.pk}").status_code == 202
    assert lines(api_for(alice)) == [(str(kept.pk), "kept", False), (str(held.pk), "deleting", False)]
    jobs.delete_volume(str(held.pk))
    assert lines(api_for(alice))[1] == (str(held.pk), "deleting", True)
    since = Volume.objects.get(pk=held.pk).deleting_since
    scripted_runtime.homes = [held.object_name]
    jobs.delete_volume(str(held.pk))
    assert Volume.objects.get(pk=held.pk).deleting_since == since
    for person in (bob, admin):
        assert lines(api_for(person)) == []
        assert api_for(person).delete(f"{VOLUMES}/{held.pk}").status_code == 404
    jobs.delete_volume(str(held.pk))
    assert lines(api_for(alice)) == [(str(kept.pk), "kept", False)]
    assert api_for(alice).delete(f"{VOLUMES}/{held.pk}").status_code == 404


@pytest.mark.parametrize("ordering", ["kept_at", "-kept_at"])
def test_kept_files_come_before_those_being_deleted(api_for, keep, alice, ordering):
    deleting, kept = keep(alice, kept_at=None), keep(alice)
    found = api_for(alice).get(VOLUMES, {"ordering": ordering}).json()["results"]
    assert [line["id"] for line in found] == [str(kept.pk), str(deleting.pk)]
    assert found[1]["kept_at"] is None


def lines(api) -> list[tuple[str, str, bool]]:
    found = api.get(VOLUMES).json()["results"]
    return [(line["id"], line["status"], line["deleting_since"] is not None) for line in found]


def test_files_of_a_desktop_stay(api_for, make_desktop, alice):
    desktop = make_desktop(alice)
    answer = api_for(alice).delete(f"{VOLUMES}/{desktop.volume_id}")
    assert (answer.status_code, answer.json()["slug"]) == (409, "volume_in_use")
    assert answer.json()["next_step"] == "Delete the desktop first."


def test_stranger(api_for, keep, alice, bob, admin):
    kept = keep(alice)
    for person in (bob, admin):
        assert api_for(person).delete(f"{VOLUMES}/{kept.pk}").status_code == 404
    assert Volume.objects.filter(kept_at__isnull=False).exists()


def test_unknown_and_nonsense(api_for, alice):
    for name in (uuid4(), "1", "x" * 300, "9" * 5000, "%00"):
        assert api_for(alice).delete(f"{VOLUMES}/{name}").status_code == 404


def test_anonymous(client, keep, alice):
    assert client.get(VOLUMES).status_code == 401
    assert client.delete(f"{VOLUMES}/{keep(alice).pk}").status_code == 401


def test_other_methods(api_for, keep, alice):
    for method in ("post", "put", "patch"):
        assert getattr(api_for(alice), method)(VOLUMES).status_code == 405
        assert getattr(api_for(alice), method)(f"{VOLUMES}/{keep(alice).pk}").status_code == 405


@pytest.mark.parametrize(("field", "value"), [("limit", "0"), ("limit", "201"), ("offset", "9" * 20), ("q", "x")])
def test_query(api_for, alice, field, value):
    answer = api_for(alice).get(VOLUMES, {field: value})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_delete_takes_no_query(api_for, keep, alice):
    answer = api_for(alice).delete(f"{VOLUMES}/{keep(alice).pk}?force=1")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "force")


def test_a_token_for_one_desktop(api_for, keep, make_desktop, alice):
    api = api_for(alice, pod_name=make_desktop(alice).object_name)
    assert api.get(VOLUMES).status_code == 403
    assert api.delete(f"{VOLUMES}/{keep(alice).pk}").status_code == 403


def test_delete_takes_no_body(api_for, keep, alice):
    answer = api_for(alice).delete(f"{VOLUMES}/{keep(alice).pk}", {"force": True}, content_type="application/json")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "force")


def test_delete_backs_up_first(api_for, keep, alice, settings):
    settings.BACKUP_REPOSITORY = "/nowhere"
    kept = keep(alice)
    answer = api_for(alice).delete(f"{VOLUMES}/{kept.pk}?backup=true")
    task = BackupTask.objects.get()
    assert (answer.status_code, answer.json()) == (
        202,
        {"status": "backing_up", "id": str(kept.pk), "backup_task": str(task.pk)},
    )
    assert (task.trigger, task.volume) == ("before_delete", kept)
    assert api_for(alice).get(VOLUMES).json()["results"][0]["status"] == "kept"


@pytest.mark.django_db(transaction=True)
def test_the_wait_ends_when_the_backup_has_failed(api_for, keep, alice, settings):
    settings.BACKUP_REPOSITORY = "/nowhere"
    kept = keep(alice)
    requests.delete_files_after_backup(volume=kept, by=Actor(alice))
    BackupTask.objects.update(status="failed", reason="repository_full")
    assert not wait.until_volume_gone(kept, 30, BackupTask.objects.get())


def test_delete_with_backup_is_refused_without_backups(api_for, keep, alice):
    answer = api_for(alice).delete(f"{VOLUMES}/{keep(alice).pk}?backup=true")
    assert (answer.status_code, answer.json()["slug"]) == (409, "backups_off")
    assert Volume.objects.get().kept_at


def text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def test_end_and_postponement(api_for, keep, alice, bob, settings):
    settings.KEPT_FILES_DAYS = 30
    now = timezone.now()
    kept = keep(alice, kept_at=now, expires_at=now + timedelta(days=30))
    (line,) = api_for(alice).get(VOLUMES).json()["results"]
    assert (line["expires_at"], line["postponed_at"]) == (text(now + timedelta(days=30)), None)
    address = f"{VOLUMES}/{kept.pk}/postpone"
    assert api_for(bob).post(address, content_type=JSON).status_code == 404
    answer = api_for(alice).post(address, content_type=JSON)
    assert answer.status_code == 200
    assert answer.json()["expires_at"] == text(now + timedelta(days=60))
    assert answer.json()["postponed_at"]
    again = api_for(alice).post(address, content_type=JSON)
    assert (again.status_code, again.json()["slug"]) == (409, "already_postponed")


def test_postponing_files_without_end_is_refused(api_for, keep, alice):
    answer = api_for(alice).post(f"{VOLUMES}/{keep(alice).pk}/postpone", content_type=JSON)
    assert (answer.status_code, answer.json()["slug"]) == (409, "no_expiry")
