"""Tests of `/volumes/<id>/delete/`, which deletes kept files permanently."""

import pytest

from desktops.models import BackupTask, Desktop, Volume


@pytest.fixture
def volume(alice, make_desktop) -> Volume:
    kept = make_desktop(alice).volume
    Desktop.objects.all().delete()
    Volume.objects.update(kept_at="2026-01-01T00:00:00Z")
    return kept


def test_orders_the_deletion_and_leads_back(client_for, alice, volume, queued, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        response = client_for(alice).post(f"/volumes/{volume.pk}/delete/")
    assert (response.status_code, response["Location"]) == (303, "/?new")
    assert queued() == [("delete_volume", str(volume.pk))]


def test_is_told_on_the_next_page(client_for, alice, volume):
    page = client_for(alice).post(f"/volumes/{volume.pk}/delete/", follow=True).content.decode()
    assert "The files are being deleted." in page
    assert f'value="{volume.pk}"' not in page


def test_asks_before_without_script(client_for, alice, volume):
    page = client_for(alice).get(f"/?new&delete={volume.pk}").content.decode()
    assert f'<dialog id="delete-{volume.pk}" aria-labelledby="delete-title-{volume.pk}" open>' in page


def test_backs_up_first(client_for, alice, volume, settings, queued):
    settings.BACKUP_REPOSITORY = "/nowhere"
    browser = client_for(alice)
    page = browser.post(f"/volumes/{volume.pk}/delete/", {"backup": "1"}, follow=True).content.decode()
    assert "When that has succeeded, they are deleted." in page
    assert "These files are being backed up, then they are deleted." in page
    task = BackupTask.objects.get()
    assert (task.trigger, task.volume, task.run) == ("before_delete", volume, None)
    assert not queued()
    BackupTask.objects.update(status="failed", reason="repository_full")
    page = browser.get("/?new").content.decode()
    assert "These files were not deleted. The storage of the backups is full." in page


def test_offers_a_backup_only_where_there_are_backups(client_for, alice, volume, settings):
    browser = client_for(alice)
    assert 'name="backup"' not in browser.get("/?new").content.decode()
    assert browser.post(f"/volumes/{volume.pk}/delete/", {"backup": "1"}).status_code == 409
    settings.BACKUP_REPOSITORY = "/nowhere"
    assert 'name="backup"' in browser.get("/?new").content.decode()


def test_files_of_a_desktop_are_refused(client_for, alice, make_desktop):
    volume = make_desktop(alice).volume
    response = client_for(alice).post(f"/volumes/{volume.pk}/delete/")
    assert response.status_code == 409
    assert "An existing desktop uses these files." in response.content.decode()


def test_stranger_sees_nothing(client_for, bob, volume, queued, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        assert client_for(bob).post(f"/volumes/{volume.pk}/delete/").status_code == 404
    assert not queued()


def test_anonymous_to_login(client, volume):
    assert client.post(f"/volumes/{volume.pk}/delete/")["Location"].startswith("/accounts/login/")


def test_post_only(client_for, alice, volume):
    assert client_for(alice).get(f"/volumes/{volume.pk}/delete/").status_code == 405


def test_nonsense(client_for, alice):
    assert client_for(alice).post("/volumes/nonsense/delete/").status_code == 404
