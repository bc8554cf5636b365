"""Tests of `/desktops/<id>/delete/`, with a choice about the files."""

import pytest

from desktops.models import BackupTask, Desktop, Status


@pytest.mark.parametrize(("choice", "kept"), [("keep", True), ("delete", False)])
def test_does_with_the_files_as_asked(client_for, alice, make_desktop, choice, kept):
    desktop = make_desktop(alice)
    response = client_for(alice).post(f"/desktops/{desktop.pk}/delete/", {"home_folder": choice})
    assert (response.status_code, response["Location"]) == (303, f"/desktops/{desktop.pk}/")
    desktop.refresh_from_db()
    assert (desktop.status, desktop.keep_data) == (Status.DELETING, kept)


@pytest.mark.parametrize("data", [{}, {"home_folder": ""}, {"home_folder": "burn"}, {"home_folder": "\0"}])
def test_asks_again_when_the_choice_makes_no_sense(client_for, alice, make_desktop, data):
    desktop = make_desktop(alice)
    response = client_for(alice).post(f"/desktops/{desktop.pk}/delete/", data)
    page = response.content.decode()
    assert response.status_code == 422
    assert "Choose whether to keep or delete your files" in page
    assert 'aria-labelledby="delete-title" open>' in page
    assert Desktop.objects.get().status == Status.STOPPED


def test_twice_is_once(client_for, alice, make_desktop):
    desktop, client = make_desktop(alice), client_for(alice)
    for choice in ("keep", "keep"):
        assert client.post(f"/desktops/{desktop.pk}/delete/", {"home_folder": choice}).status_code == 303
    assert Desktop.objects.get().keep_data


def test_choice_to_delete_the_files_is_accepted_during_deletion(client_for, alice, make_desktop):
    desktop, client = make_desktop(alice), client_for(alice)
    for choice in ("keep", "delete", "keep"):
        assert client.post(f"/desktops/{desktop.pk}/delete/", {"home_folder": choice}).status_code == 303
    assert not Desktop.objects.get().keep_data  # a choice to delete the files is final


@pytest.fixture
def backups_on(settings) -> None:
    settings.BACKUP_REPOSITORY = "/nowhere"


def test_backs_up_first(client_for, alice, make_desktop, backups_on):
    desktop = make_desktop(alice)
    client = client_for(alice)
    assert 'value="backup"' in client.get(f"/desktops/{desktop.pk}/").content.decode()
    answer = client.post(f"/desktops/{desktop.pk}/delete/", {"home_folder": "backup"}, follow=True)
    desktop.refresh_from_db()
    assert desktop.status == "stopped"
    task = BackupTask.objects.get()
    assert (task.kind, task.trigger, task.volume) == ("backup", "before_delete", desktop.volume)
    assert "are being backed up" in answer.content.decode()


def test_a_failed_backup_before_the_deletion_is_explained(client_for, alice, make_desktop, backups_on):
    desktop = make_desktop(alice)
    client_for(alice).post(f"/desktops/{desktop.pk}/delete/", {"home_folder": "backup"})
    BackupTask.objects.update(status="failed", reason="repository_unreachable")
    page = client_for(alice).get(f"/desktops/{desktop.pk}/").content.decode()
    assert "This desktop was not deleted" in page
    assert "The storage of the backups does not answer." in page


def test_backup_first_is_not_offered_without_backups(client_for, alice, make_desktop):
    desktop = make_desktop(alice)
    assert 'value="backup"' not in client_for(alice).get(f"/desktops/{desktop.pk}/").content.decode()
    answer = client_for(alice).post(f"/desktops/{desktop.pk}/delete/", {"home_folder": "backup"})
    assert answer.status_code == 409
    desktop.refresh_from_db()
    assert desktop.status == "stopped"
