"""Backups in a real browser and with real restic: back up now, lose a file, find it, download it, restore it."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.test_pages import serious, state
from tests.support.running_podesk import Portal, wait_for

pytestmark = pytest.mark.browser
LONG = 60_000  # milliseconds; restic derives a key for each call
TEXT = "what I wrote"


@pytest.fixture
def home(portal, desktop, person) -> Iterator[Path]:
    """Return the home folder of the running desktop, with a file in it. Kept files and backups are deleted later."""
    ((name,),) = portal.query("SELECT object_name FROM desktops_volume WHERE kept_at IS NULL")
    folder = portal.data / "local/volumes" / name
    (folder / "notes <b>.txt").write_text(TEXT)
    yield folder
    for (volume,) in portal.query("SELECT id FROM desktops_volume WHERE kept_at IS NOT NULL"):
        person.post(f"/volumes/{UUID(str(volume))}/delete/")
    for (repository,) in portal.query("SELECT id FROM desktops_backuprepository WHERE deleted_at IS NULL"):
        person.post(f"/home-backups/{UUID(str(repository))}/delete/")
    wait_for(lambda: not portal.query("SELECT id FROM desktops_backuprepository"), 60)


def shot(page: Page, name: str) -> None:
    """Save pictures of the page if SHOTS names a folder."""
    if not (folder := os.environ.get("SHOTS")):
        return
    for width, scheme in ((1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=f"{folder}/{name}-{width}-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.emulate_media(color_scheme="light")


def press(page: Page, button: str) -> None:
    """Use a button or link by keyboard."""
    page.locator(button).focus()
    page.keyboard.press("Enter")


def tasks_done(page: Page, count: int) -> None:
    """Wait until the page shows so many ended tasks, without a reload."""
    expect(page.locator("#backups .badge.running", has_text="Succeeded")).to_have_count(count, timeout=LONG)


def fits(page: Page) -> bool:
    page.set_viewport_size({"width": 360, "height": 700})
    fitting = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size({"width": 1280, "height": 800})
    return fitting


def test_back_up_lose_a_file_and_get_it_back(device, desktop, home: Path):
    page = device().new_page()
    page.goto(f"/desktops/{desktop}/")
    press(page, "#backups-link")
    expect(page.get_by_text("There are no backups yet.")).to_be_visible()
    press(page, "#back-up-now")
    tasks_done(page, 1)
    assert serious(page) == []
    assert fits(page)
    shot(page, "backups")

    (home / "notes <b>.txt").unlink()
    page.locator("[id^=backup-]").first.click()
    expect(page.get_by_text("notes <b>.txt", exact=False).first).to_be_visible(timeout=LONG)
    assert serious(page) == []
    assert fits(page)
    shot(page, "backup")
    with page.expect_download(timeout=LONG) as begun:
        page.get_by_label("Download notes <b>.txt").click()
    assert Path(begun.value.path()).read_text() == TEXT

    page.get_by_label("Restore notes <b>.txt").focus()
    page.keyboard.press("Space")
    press(page, "#restore-files")
    page.wait_for_url("**/backups/")
    tasks_done(page, 2)
    (restored,) = home.glob("Restored *")
    assert (restored / "notes <b>.txt").read_text() == TEXT

    page.go_back()
    page.locator("#ask-restore").click()
    expect(page.get_by_text("The desktop must be stopped first")).to_be_visible()
    page.goto(f"/desktops/{desktop}/")
    page.locator("#stop-button").click()
    state(page, "stopped")
    page.locator("#delete-link").click()
    expect(page.get_by_text("Back up first, then delete my files")).to_be_visible()
    assert serious(page) == []
    shot(page, "delete")
    page.goto(page.url)
    page.locator("#backups-link").click()
    page.locator("[id^=backup-]").first.click()
    page.locator("#ask-restore").click()
    shot(page, "restore")
    assert serious(page) == []
    press(page, "#restore-button")
    page.wait_for_url("**/backups/")
    tasks_done(page, 4)  # the backup of the present files, and the restore
    assert (home / "notes <b>.txt").read_text() == TEXT
    assert not list(home.glob("Restored *"))
    expect(page.locator("[id^=backup-]")).to_have_count(2)


def test_delete_after_a_backup_and_restore_as_new(device, desktop, home: Path, portal: Portal):
    page = device().new_page()
    page.goto(f"/desktops/{desktop}/")
    if page.locator("#stop-button").count():
        page.locator("#stop-button").click()
    state(page, "stopped")
    page.locator("#delete-link").click()
    page.get_by_label("Back up first, then delete my files").check()
    page.locator("#delete-dialog button.danger").click()
    expect(page.get_by_text("are being backed up")).to_be_visible()
    shot(page, "deleting")
    wait_for(lambda: not home.exists(), 60)

    def are_listed() -> bool:
        page.goto("/?new")
        return page.get_by_text("Backups of deleted files").is_visible()

    wait_for(are_listed)  # once the row is deleted too
    assert serious(page) == []
    assert fits(page)
    shot(page, "launch")
    page.get_by_label("Backups of “").last.click()
    page.locator("[id^=backup-]").first.click()
    page.locator("#ask-new").click()
    page.fill("#new-name", "again")
    page.keyboard.press("Enter")
    page.wait_for_url("**/home-backups/**")
    tasks_done(page, page.locator("#backups .badge").count() - page.locator(".badge", has_text="Verified").count())
    ((name,),) = portal.query("SELECT object_name FROM desktops_volume WHERE desktop_name = 'again'")
    assert (portal.data / "local/volumes" / name / "notes <b>.txt").read_text() == TEXT
