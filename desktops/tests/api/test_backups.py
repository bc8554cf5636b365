"""Tests of the API of backups: lists, tasks, restores, contents, and the deletion that backs up first."""

import pytest

from accounts.models import AuditEvent
from desktops.models import Backup, BackupTask, Desktop, Status, Volume

API = "/api/v1"
JSON = "application/json"


@pytest.fixture
def desktop(alice, make_desktop) -> Desktop:
    return make_desktop(alice)


@pytest.fixture
def backup(desktop, make_backup) -> Backup:
    return make_backup(desktop.volume)


def test_backups_of_a_desktop(api_for, alice, desktop, backup):
    answer = api_for(alice).get(f"{API}/pods/{desktop.object_name}/backups").json()
    assert (answer["pod_name"], answer["count"]) == (desktop.object_name, 1)
    (shown,) = answer["results"]
    assert (shown["id"], shown["volume"], shown["trigger"]) == (str(backup.pk), str(desktop.volume_id), "request")


def test_back_up_now_twice_is_one_task(api_for, alice, desktop, backup):
    api = api_for(alice)
    first, second = (api.post(f"{API}/pods/{desktop.object_name}/backups", content_type=JSON) for _ in range(2))
    assert (first.status_code, first.json()["status"]) == (202, "queued")
    assert first.json()["id"] == second.json()["id"]
    task = api.get(f"{API}/backup-tasks/{first.json()['id']}").json()
    assert task == first.json()


def test_failed_task_says_why(api_for, alice, backup):
    task = BackupTask.objects.create(
        repository=backup.repository, kind="backup", trigger="request", status="failed", reason="repository_full"
    )
    answer = api_for(alice).get(f"{API}/backup-tasks/{task.pk}").json()
    assert (answer["reason"], answer["sentence"]) == ("repository_full", "The storage of the backups is full.")
    assert answer["next_step"]


def test_contents_then_a_file(api_for, alice, backup):
    answer = api_for(alice).get(f"{API}/backups/{backup.pk}/contents").json()
    kinds = {entry["name"]: (entry["kind"], entry["path"]) for entry in answer["entries"]}
    assert kinds["docs"] == ("folder", "docs")
    assert kinds["to-notes"][0] == "link"
    assert kinds['报告 "1".txt'] == ("file", "%E6%8A%A5%E5%91%8A%20%221%22.txt")
    for path in (kinds['报告 "1".txt'][1], '报告 "1".txt'):  # as it was given, and as a person would type it
        file = api_for(alice).get(f"{API}/backups/{backup.pk}/file", {"path": path})
        assert file.status_code == 200, file.content
        assert file["Content-Length"] == "6"


def test_restore_files_needs_paths_inside(api_for, alice, backup):
    api, address = api_for(alice), f"{API}/backups/{backup.pk}/restore-files"
    for paths in ([], ["../x"], ["/etc"], [""], ["a", "%00"], ["a"] * 501):
        assert api.post(address, {"paths": paths}, content_type=JSON).status_code == 422, paths
    answer = api.post(address, {"paths": ["docs/deep"]}, content_type=JSON)
    assert (answer.status_code, bool(answer.json()["folder"])) == (202, True)


def test_restore_while_running_is_refused(api_for, alice, backup):
    Desktop.objects.update(status=Status.RUNNING)
    answer = api_for(alice).post(f"{API}/backups/{backup.pk}/restore", content_type=JSON)
    assert (answer.status_code, answer.json()["slug"]) == (409, "restore_while_running")


def test_delete_with_backup_waits_for_it(api_for, alice, desktop, backup):
    answer = api_for(alice).delete(f"{API}/pods/{desktop.object_name}?backup=true")
    assert (answer.status_code, answer.json()["status"]) == (202, "backing_up")
    task = BackupTask.objects.get(pk=answer.json()["backup_task"])
    assert (task.trigger, task.volume) == ("before_delete", desktop.volume)
    desktop.refresh_from_db()
    assert desktop.status == Status.STOPPED


def test_delete_cannot_keep_and_delete_the_files(api_for, alice, desktop, backup):
    answer = api_for(alice).delete(f"{API}/pods/{desktop.object_name}?backup=true&keep_data=true")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "keep_data")
    assert not BackupTask.objects.exists()


def test_administrators_see_ages_only(api_for, admin, backup):
    api = api_for(admin)
    (shown,) = api.get(f"{API}/admin/backups?owner=alice").json()["results"]
    assert (shown["owner"]["username"], shown["size_bytes"]) == ("alice", 4096)
    assert api.get(f"{API}/admin/backups?failing=true").json()["count"] == 0
    assert api.get(f"{API}/backups").json()["count"] == 0
    assert api.get(f"{API}/backups/{backup.pk}/contents").status_code == 404


def test_delete_all_backups_of_a_home_folder(api_for, alice, backup):
    address = f"{API}/backup-repositories/{backup.repository_id}"
    answer = api_for(alice).delete(address)
    assert (answer.status_code, answer.json()) == (202, {"status": "deleted", "id": str(backup.repository_id)})
    assert api_for(alice).get(f"{API}/backups").json()["count"] == 0
    assert api_for(alice).delete(address).status_code == 404
    assert Volume.objects.exists()
    event = AuditEvent.objects.get(action="backup.delete_all")
    assert (event.actor, event.target) == (alice, str(backup.repository_id))


def test_a_stranger_deletes_no_backups(api_for, bob, backup):
    assert api_for(bob).delete(f"{API}/backup-repositories/{backup.repository_id}").status_code == 404
    assert Backup.objects.filter(repository__deleted_at=None).exists()


def test_backups_that_are_being_restored_are_not_deleted(api_for, alice, backup):
    api_for(alice).post(f"{API}/backups/{backup.pk}/restore", content_type=JSON)
    answer = api_for(alice).delete(f"{API}/backup-repositories/{backup.repository_id}")
    assert (answer.status_code, answer.json()["slug"]) == (409, "being_restored")


@pytest.mark.parametrize(
    "address", ["backups", "pods/{pod}/backups", "backups/{id}", "backups/{id}/file?path=notes.txt"]
)
def test_refused_without_backups(api_for, alice, desktop, backup, settings, address):
    settings.BACKUP_REPOSITORY = ""
    answer = api_for(alice).get(f"{API}/{address.format(pod=desktop.object_name, id=backup.pk)}")
    assert (answer.status_code, answer.json()["slug"]) == (409, "backups_off")


def test_delete_with_backup_is_refused_without_backups(api_for, alice, desktop):
    answer = api_for(alice).delete(f"{API}/pods/{desktop.object_name}?backup=true")
    assert (answer.status_code, answer.json()["slug"]) == (409, "backups_off")
