"""From the request to the files, with the real engine and restic: only the desktop itself is scripted."""

import time
from collections.abc import Iterator

import pytest

from accounts.models import Quota
from desktops.lifecycle.backups import requests, schedule
from desktops.models import Backup, BackupRepository, BackupTask, Desktop, Status, Volume
from desktops.runtimes import get_backup_engine
from desktops.tests.support.backup_tasks import VOLUME, BackupHarness, tree
from desktops.tests.support.runtime_specs import ACCOUNT

pytestmark = pytest.mark.usefixtures("scripted_runtime")


@pytest.fixture
def harness(settings, desktop_account) -> Iterator[BackupHarness]:
    made = BackupHarness()
    settings.LOCAL_RUNTIME_DIR, settings.LOCAL_DESKTOP_USER = made.root, ACCOUNT
    settings.BACKUP_REPOSITORY, settings.BACKUP_KEY = str(made.store), "k" * 40
    get_backup_engine.cache_clear()
    yield made
    get_backup_engine.cache_clear()
    made.close()


@pytest.fixture
def desktop(make_desktop, alice, harness) -> Desktop:
    made = make_desktop(alice)
    Volume.objects.filter(pk=made.volume.pk).update(object_name=VOLUME)
    made.volume.refresh_from_db()
    (harness.home / "report.txt").write_text("first")
    harness.account.own(harness.home / "report.txt")
    return made


@pytest.fixture
def until_over(go_round):
    """Return a function that does rounds until a task has ended, and returns its status and reason."""

    def wait(task: BackupTask) -> tuple[str, str]:
        end = time.monotonic() + 60
        while task.status in BackupTask.OPEN:
            assert time.monotonic() < end, f"{task.kind} is still {task.status}"
            go_round()
            time.sleep(0.1)
            task.refresh_from_db()
        return task.status, task.reason

    return wait


@pytest.fixture
def backup(desktop, by_alice, until_over) -> Backup:
    assert until_over(requests.back_up_now(volume=desktop.volume, by=by_alice)) == ("succeeded", "")
    return Backup.objects.get()


def test_a_home_folder_comes_back_as_it_was_and_what_was_replaced_is_saved_too(harness, backup, by_alice, until_over):
    before = tree(harness.home)
    (harness.home / "report.txt").write_text("spoilt")
    assert until_over(requests.restore(backup=backup, by=by_alice)) == ("succeeded", "")
    assert tree(harness.home) == before
    safety = Backup.objects.latest("created_at")
    assert (safety.trigger, safety.files_changed) == ("before_restore", 1)
    assert until_over(requests.restore(backup=safety, by=by_alice)) == ("succeeded", "")
    assert (harness.home / "report.txt").read_text() == "spoilt"


def test_chosen_files_and_new_home_folders(harness, backup, by_alice, until_over):
    Quota.objects.create(user=by_alice.user, storage_gib=50)
    task = requests.restore_paths(backup=backup, paths=["report.txt"], by=by_alice)
    assert until_over(task) == ("succeeded", "")
    assert (harness.home / task.folder / "report.txt").read_text() == "first"
    new = requests.restore_as_new(backup=backup, name="saved", by=by_alice)
    assert until_over(new) == ("succeeded", "")
    assert (harness.root / "volumes" / new.volume.object_name / "report.txt").read_text() == "first"


def test_a_desktop_is_deleted_only_with_a_backup_that_can_be_restored(harness, desktop, by_alice, until_over, settings):
    settings.BACKUP_REPOSITORY = "rest:http://127.0.0.1:9/"
    task = requests.delete_after_backup(desktop=desktop, by=by_alice)
    assert until_over(task) == ("failed", "repository_unreachable")
    assert Desktop.objects.get().status == Status.STOPPED
    settings.BACKUP_REPOSITORY = str(harness.store)
    get_backup_engine.cache_clear()
    task = requests.delete_after_backup(desktop=desktop, by=by_alice)
    assert until_over(task) == ("succeeded", "")
    assert Desktop.objects.get().status == Status.DELETING
    assert Backup.objects.get().size_bytes == len("first")


def test_another_key_is_reported_and_opens_nothing(backup, desktop, by_alice, until_over, settings):
    settings.BACKUP_KEY = "K" * 40
    task = requests.back_up_now(volume=desktop.volume, by=by_alice)
    assert until_over(task) == ("failed", "wrong_password")
    assert BackupRepository.objects.get().reason == "wrong_password"


def test_verification_finds_a_flipped_byte_and_tidying_removes_deleted_backups(
    harness, backup, desktop, by_alice, until_over
):
    BackupRepository.objects.update(next_part=1)
    for kind in ("forget", "verify"):
        assert until_over(_queued(kind)) == ("succeeded", "")
    backup.refresh_from_db()
    assert backup.verified_at
    assert BackupRepository.objects.get().size_bytes > 0
    packs = [path for path in harness.store.glob("homes/*/data/*/*") if path.is_file()]
    for pack in packs:
        pack.chmod(0o600)
        data = bytearray(pack.read_bytes())
        data[len(data) // 2] ^= 1
        pack.write_bytes(data)
    for _ in range(4):  # each reads a quarter
        BackupTask.objects.filter(kind="verify").delete()
        BackupRepository.objects.update(checked_at=None)
        if until_over(_queued("verify"))[0] == "failed":
            break
    assert BackupRepository.objects.get().damaged_since


def _queued(kind: str) -> BackupTask:
    schedule.queue_removals()
    schedule.queue_verifications()
    return BackupTask.objects.filter(kind=kind).latest("created_at")
