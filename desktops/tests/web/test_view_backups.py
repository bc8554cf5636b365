"""Tests of the pages of backups: the list, one backup and its folders, and the buttons."""

import html
import re
from types import SimpleNamespace

import pytest
from django.utils import timezone

from core.concurrency import ConcurrencySlot
from desktops.models import BackupTask, Desktop, Status
from desktops.web.backups import FILES_ON_PAGE
from tests.support.home_backups import FILES, KEY, rows, store


@pytest.fixture
def home(alice, make_desktop, make_backup) -> SimpleNamespace:
    """Return alice's stopped desktop with one backup."""
    desktop = make_desktop(alice, name="work")
    backup = make_backup(desktop.volume)
    return SimpleNamespace(desktop=desktop, volume=desktop.volume, backup=backup, repository=backup.repository)


def list_of(home) -> str:
    return f"/volumes/{home.volume.pk}/backups/"


def test_list_shows_what_a_backup_is(client_for, alice, home):
    home.backup.verified_at = timezone.now()
    home.backup.files_changed, home.backup.files_unread = 2, 3
    home.backup.save()
    page = client_for(alice).get(list_of(home)).content.decode()
    for text in ("Backups of “work”", "96 MiB", "6 new files", "2 changed", "Verified", "3 files could not be read"):
        assert text in page
    assert f'href="/backups/{home.backup.pk}/"' in page
    assert "Back up now" in page


@pytest.mark.parametrize(("status", "moving"), [("queued", True), ("running", True), ("succeeded", False)])
def test_page_polls_while_a_task_is_open(client_for, alice, home, status, moving):
    BackupTask.objects.create(repository=home.repository, kind="backup", trigger="request", status=status)
    assert ("data-moving" in client_for(alice).get(list_of(home)).content.decode()) is moving


def test_failure_says_why_and_what_to_do(client_for, alice, home):
    home.repository.failed_since, home.repository.reason = timezone.now(), "repository_full"
    home.repository.save()
    page = client_for(alice).get(list_of(home)).content.decode()
    assert "The storage of the backups is full." in page
    assert "Delete backups that you no longer need" in page


def test_before_the_first_backup(client_for, alice, make_desktop, settings):
    settings.BACKUP_REPOSITORY = "/nowhere"
    page = client_for(alice).get(f"/volumes/{make_desktop(alice).volume.pk}/backups/").content.decode()
    assert "There are no backups yet." in page


def test_back_up_now(client_for, alice, home):
    answer = client_for(alice).post(f"{list_of(home)}create/")
    assert (answer.status_code, answer["Location"]) == (303, list_of(home))
    task = BackupTask.objects.get()
    assert (task.kind, task.trigger, task.volume) == ("backup", "request", home.volume)


def test_backup_shows_its_folder(client_for, alice, home):
    page = client_for(alice).get(f"/backups/{home.backup.pk}/").content.decode()
    for name in ("notes.txt", "page.html", "报告 &quot;1&quot;.txt", "docs", "large", "to-notes"):
        assert name in page
    assert page.index("docs") < page.index("notes.txt")  # folders first
    assert f'href="/backups/{home.backup.pk}/file/?path=notes.txt"' in page
    assert "path=to-notes" not in page  # a link cannot be downloaded
    assert "er.txt" not in page


def test_folder_with_more_files_than_a_page(client_for, alice, make_desktop, settings, tmp_path):
    stored = store(tmp_path, {f"many/file-{number:03}".encode(): b"" for number in range(FILES_ON_PAGE + 2)})
    settings.BACKUP_REPOSITORY, settings.BACKUP_KEY = str(stored.location), KEY
    backup, browser = rows(stored, make_desktop(alice).volume), client_for(alice)
    first = browser.get(f"/backups/{backup.pk}/?path=many").content.decode()
    assert first.count('type="checkbox"') == FILES_ON_PAGE
    assert "1 to 500 of 502" in first
    [following] = re.findall(r'rel="next" href="([^"]*)"', first)
    second = browser.get(f"/backups/{backup.pk}/{html.unescape(following)}").content.decode()
    assert re.findall(r'name="path" value="([^"]*)"', second) == ["many/file-500", "many/file-501"]
    assert 'rel="prev" href="?path=many&amp;page=1"' in second
    assert 'rel="next"' not in second


def test_each_person_lists_few_folders_at_the_same_time(client_for, alice, home, settings):
    """restic holds the names of all files in memory."""
    settings.API_OPEN = settings.API_OPEN | {"listings": 1}
    browser, page = client_for(alice), f"/backups/{home.backup.pk}/"
    assert all(browser.get(page).status_code == 200 for _ in range(2))  # one after the other
    other = ConcurrencySlot("listings", str(alice.pk))
    other.acquire()
    refused = browser.get(page)
    assert refused.status_code == 429
    assert "too many folders" in refused.content.decode()
    other.release()
    assert browser.get(page).status_code == 200


def test_name_that_is_not_utf_8(client_for, alice, home):
    """restic lists such bytes as U+FFFD; the page names the exact bytes."""
    browser = client_for(alice)
    page = browser.get(f"/backups/{home.backup.pk}/?path=docs").content.decode()
    assert "odd\N{REPLACEMENT CHARACTER}.txt" in page
    [link] = re.findall(r'href="([^"]*file/\?path=docs/odd[^"]*)"', page)
    answer = browser.get(html.unescape(link))
    assert answer.status_code == 200
    assert page.count('name="path"') == 2  # the folder beside it, too


def test_folder_below(client_for, alice, home):
    page = client_for(alice).get(f"/backups/{home.backup.pk}/?path=docs/deep").content.decode()
    assert "er.txt" in page
    assert 'href="?path=docs"' in page


@pytest.mark.parametrize("path", ["../..", "/etc", "a//b", "%00", "no/such/folder/%2e%2e"])
def test_strange_folders_are_harmless(client_for, alice, home, path):
    answer = client_for(alice).get(f"/backups/{home.backup.pk}/", {"path": path})
    assert answer.status_code in (200, 404)
    assert "notes.txt" not in answer.content.decode()


def test_storage_that_does_not_answer(client_for, alice, home, settings, tmp_path):
    settings.BACKUP_REPOSITORY = str(tmp_path)
    answer = client_for(alice).get(f"/backups/{home.backup.pk}/")
    assert answer.status_code == 503
    page = answer.content.decode()
    assert "The storage of the backups does not answer at present." in page
    assert "Restore as new files…" in page


def test_restore(client_for, alice, home):
    answer = client_for(alice).post(f"/backups/{home.backup.pk}/restore/")
    assert (answer.status_code, answer["Location"]) == (303, list_of(home))
    first, second = BackupTask.objects.order_by("created_at")
    assert (first.kind, first.trigger, second.kind, second.after) == ("backup", "before_restore", "restore", first)
    page = client_for(alice).get(list_of(home)).content.decode()
    assert "the whole home folder" in page


def test_restore_into_a_running_desktop_is_refused(client_for, alice, home):
    Desktop.objects.update(status=Status.RUNNING)
    page = client_for(alice).get(f"/backups/{home.backup.pk}/").content.decode()
    assert "The desktop must be stopped first" in page
    assert 'id="restore-button"' not in page
    answer = client_for(alice).post(f"/backups/{home.backup.pk}/restore/")
    assert answer.status_code == 409
    assert "a restore replaces all of its files" in answer.content.decode()
    assert not BackupTask.objects.exists()


def test_restore_as_new(client_for, alice, home):
    answer = client_for(alice).post(f"/backups/{home.backup.pk}/restore-as-new/", {"name": "copy"})
    assert answer.status_code == 303
    task = BackupTask.objects.get()
    assert (task.kind, task.volume.desktop_name, task.folder) == ("restore", "copy", "")
    assert task.volume != home.volume


def test_restore_chosen_files(client_for, alice, home):
    Desktop.objects.update(status=Status.RUNNING)
    chosen = {"path": ["notes.txt", "docs/deep"]}
    assert client_for(alice).post(f"/backups/{home.backup.pk}/restore-files/", chosen).status_code == 303
    task = BackupTask.objects.get()
    assert task.paths == chosen["path"]
    assert task.folder


@pytest.mark.parametrize("chosen", [[], ["../other"], ["notes.txt", ""], ["%00"]])
def test_nothing_or_nonsense_chosen(client_for, alice, home, chosen):
    answer = client_for(alice).post(f"/backups/{home.backup.pk}/restore-files/", {"path": chosen})
    assert answer.status_code == 422
    assert "Choose at least one file" in answer.content.decode()
    assert not BackupTask.objects.exists()


def test_delete_one(client_for, alice, home):
    answer = client_for(alice).post(f"/backups/{home.backup.pk}/delete/")
    assert (answer.status_code, answer["Location"]) == (303, list_of(home))
    assert client_for(alice).get(f"/backups/{home.backup.pk}/").status_code == 404
    assert str(home.backup.pk) not in client_for(alice).get(list_of(home)).content.decode()


def test_of_a_deleted_home_folder(client_for, alice, home):
    Desktop.objects.all().delete()
    home.volume.delete()
    client = client_for(alice)
    assert f'href="/home-backups/{home.repository.pk}/"' in client.get("/?new").content.decode()
    page = client.get(f"/home-backups/{home.repository.pk}/").content.decode()
    assert "This home folder was deleted." in page
    assert "Back up now" not in page
    page = client.get(f"/backups/{home.backup.pk}/").content.decode()
    assert 'id="ask-new"' in page
    assert 'id="ask-restore"' not in page
    assert client.post(f"/home-backups/{home.repository.pk}/delete/").status_code == 303
    assert client.get(f"/home-backups/{home.repository.pk}/").status_code == 404


@pytest.mark.parametrize("ask", ["restore", "new", "delete"])
def test_asks_without_script(client_for, alice, home, ask):
    page = client_for(alice).get(f"/backups/{home.backup.pk}/?confirm={ask}").content.decode()
    assert page.count(" open>") == 1


def test_nothing_is_shown_without_backups(client_for, alice, home, settings):
    settings.BACKUP_REPOSITORY = ""
    client = client_for(alice)
    for address in (list_of(home), f"/backups/{home.backup.pk}/", f"/home-backups/{home.repository.pk}/"):
        assert client.get(address).status_code == 404
    assert client.post(f"{list_of(home)}create/").status_code == 404
    for address in (f"/desktops/{home.desktop.pk}/", "/?new"):
        assert "ackup" not in client.get(address).content.decode()


def test_desktop_leads_to_its_backups(client_for, alice, home):
    page = client_for(alice).get(f"/desktops/{home.desktop.pk}/").content.decode()
    assert f'href="{list_of(home)}"' in page


def test_kept_files_lead_to_their_backups(client_for, alice, home):
    Desktop.objects.all().delete()
    home.volume.kept_at = timezone.now()
    home.volume.save()
    assert f'href="{list_of(home)}"' in client_for(alice).get("/?new").content.decode()


def test_all_files_of_the_home_are_listed(client_for, alice, home):
    page = client_for(alice).get(f"/backups/{home.backup.pk}/").content.decode()
    assert page.count('name="path"') == len({name.partition(b"/")[0] for name in FILES}) + 2
