"""Each home folder has a repository and a password of its own."""

import pytest
from django.utils import timezone

from accounts.audit import Actor
from desktops.exceptions import BackupNotFound, BackupsUnreachable
from desktops.lifecycle.backups import repositories
from desktops.lifecycle.backups.access import access_to
from desktops.lifecycle.backups.downloads import open_file
from desktops.models import Backup, BackupTask
from desktops.selectors.backups import contents_of


def test_each_home_folder_has_a_place_and_a_password_of_its_own(make_desktop, alice, bob, backups_on, settings):
    settings.BACKUP_REPOSITORY = "rest:https://backup.example.org/podesk"
    one, other = (repositories.repository_of(make_desktop(owner).volume) for owner in (alice, bob))
    assert access_to(one).location == f"rest:https://backup.example.org/podesk/homes/{one.pk}"
    assert access_to(one).password == access_to(one).password != access_to(other).password
    assert len(bytes.fromhex(access_to(one).password)) == 32


def test_another_key_gives_other_passwords(make_desktop, alice, backups_on, settings):
    repository = repositories.repository_of(make_desktop(alice).volume)
    before = access_to(repository).password
    settings.BACKUP_KEY = "K" * 40
    assert access_to(repository).password != before


def test_secrets_do_not_appear_in_logs(make_desktop, alice, backups_on, settings):
    settings.BACKUP_ENVIRONMENT = {"AWS_SECRET_ACCESS_KEY": "not for logs"}
    access = access_to(repositories.repository_of(make_desktop(alice).volume))
    assert access.environment == {"AWS_SECRET_ACCESS_KEY": "not for logs"}
    assert access.password not in repr(access)
    assert "not for logs" not in repr(access)


def test_a_home_folder_keeps_its_repository_and_shows_its_present_name(make_desktop, alice):
    desktop = make_desktop(alice)
    repository = repositories.repository_of(desktop.volume)
    type(desktop).objects.update(name="renamed")
    again = repositories.repository_of(desktop.volume)
    assert (again.pk, again.desktop_name) == (repository.pk, "renamed")


@pytest.mark.parametrize(
    ("removed", "refusal"),
    [("no", BackupsUnreachable), ("a removal runs", BackupNotFound), ("its row is deleted", BackupNotFound)],
)
def test_a_backup_that_was_removed_from_the_storage(make_desktop, alice, make_backup, removed, refusal):
    """A removal deletes snapshots before their rows, and a page may still show the backup."""
    backup = make_backup(make_desktop(alice).volume)
    Backup.objects.update(snapshot="0123456789abcdef")
    backup.refresh_from_db()
    if removed == "a removal runs":
        backup.repository.tasks.create(kind=BackupTask.Kind.FORGET, status=BackupTask.Status.RUNNING)
    if removed == "its row is deleted":
        Backup.objects.update(deleted_at=timezone.now())
    with pytest.raises(refusal):
        contents_of(backup, "")
    with pytest.raises(refusal):
        open_file(backup=backup, path="notes.txt", by=Actor(alice))
