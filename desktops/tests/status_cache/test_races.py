"""Slow readers, rolled back changes and open transactions leave no stale snapshot."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import pytest
from django.db import connection, connections, transaction

from accounts.disconnects import Disconnect, disconnect_after_commit
from core.redis import client
from desktops import status_cache
from desktops.desktop_snapshot import DesktopSnapshot
from desktops.lifecycle.queue import enqueue_after_commit
from desktops.models import Desktop, Status
from desktops.tests.support.status_cache_probe import assert_failed, fails, known, stop

pytestmark = pytest.mark.django_db(transaction=True)  # the cache changes on commit


def test_what_was_rolled_back_shows_nowhere(running, same_as_row):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        stop(Desktop.objects.get(pk=running.pk))
        raise ZeroDivisionError
    assert same_as_row(running).status == "running"


def seen_by_others(desktop: Desktop) -> str:
    """Return its status as another thread with its own connection sees it."""
    with ThreadPoolExecutor(1) as other:
        try:
            return other.submit(known, desktop).result(10).status
        finally:
            other.submit(connections.close_all).result(10)


def test_uncommitted_change_shows_to_nobody_else_until_commit(running, same_as_row):
    with transaction.atomic():
        Desktop.objects.get(pk=running.pk).move(to=Status.FAILED, reason="vanished")
        assert known(running).status == "failed"
        assert seen_by_others(running) == "running"
    assert same_as_row(running).status == "failed"


def test_what_is_remembered_is_renewed_before_anybody_is_told(running):
    """A script that reads right after the broadcast gets the new state."""
    with client().monitor() as heard:
        assert Desktop.objects.get(pk=running.pk).move(to=Status.FAILED, reason="vanished")
        order: list[str] = []
        while "reported" not in order:
            command = heard.next_command()["command"]
            order += ["renewed"] * command.startswith(f"SET {status_cache._version_key(running.object_name)} ")
            order += ["reported"] * (command.startswith("PUBLISH ") and "failed" in command)  # not an earlier message
    assert order == ["renewed", "reported"]


def broken_cut() -> None:
    disconnect_after_commit(Disconnect("desktop", object(), "stopped"))  # cannot be written as JSON


def broken_order() -> None:
    enqueue_after_commit(None, "no work")


@pytest.mark.parametrize("broken", [broken_cut, broken_order])
def test_what_fails_after_the_commit_does_not_keep_the_rest_from_being_done(running, same_as_row, broken):
    with transaction.atomic():
        broken()
        Desktop.objects.get(pk=running.pk).move(to=Status.FAILED, reason="vanished")
    assert same_as_row(running).status == "failed"


def test_what_was_read_within_a_transaction_is_not_remembered(running, same_as_row):
    client().delete(status_cache._snapshot_key(running.object_name))
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        fails(Desktop.objects.get(pk=running.pk))()
        assert known(running).status == "failed"
        raise ZeroDivisionError
    assert known(running).status == "running"


class Slow:
    """Reads the row, then waits for `go_on`."""

    def __init__(self, desktop: Desktop) -> None:
        self._name = desktop.object_name
        self.has_read, self.go_on = Event(), Event()

    def __call__(self) -> DesktopSnapshot | None:
        try:
            found = Desktop.snapshot_of(self._name)
        finally:
            connection.close()
        self.has_read.set()
        assert self.go_on.wait(10)
        return found


def overtaken(slow: Slow, work: Callable[[], object], meanwhile: Callable[[], object]) -> None:
    """Run `work` in a thread, run `meanwhile` after it has read the row, then let it end."""
    thread = Thread(target=work)
    thread.start()
    assert slow.has_read.wait(10)
    meanwhile()
    slow.go_on.set()
    thread.join(10)
    assert not thread.is_alive()


def test_slow_reader_leaves_nothing_stale(running, same_as_row):
    name = running.object_name
    client().delete(status_cache._snapshot_key(name))  # as if it had expired
    slow, answers = Slow(running), []
    overtaken(slow, lambda: answers.append(status_cache.read_through(name, slow)), fails(running))
    assert [found.status for found in answers] == ["running"]  # as it was when it was read
    assert_failed(running)
    same_as_row(running)


def test_slow_reader_of_an_empty_redis_leaves_nothing_stale(running, same_as_row):
    client().flushdb()
    slow = Slow(running)
    overtaken(slow, lambda: status_cache.read_through(running.object_name, slow), fails(running))
    assert_failed(running)
    same_as_row(running)


def test_slow_reader_outlived_by_an_emptied_redis_leaves_nothing_stale(running, same_as_row):
    client().delete(status_cache._snapshot_key(running.object_name))
    slow = Slow(running)

    def change_and_empty() -> None:
        fails(running)()
        client().flushdb()

    overtaken(slow, lambda: status_cache.read_through(running.object_name, slow), change_and_empty)
    assert_failed(running)
    same_as_row(running)


def test_slow_controller_leaves_nothing_stale(running, same_as_row):
    """Of two commits, the one that read first writes last."""
    slow = Slow(running)
    overtaken(slow, lambda: status_cache.renew_after_commit(running.object_name, slow), fails(running))
    assert_failed(running)
    same_as_row(running)


def test_snapshot_of_another_version_is_not_read(running, same_as_row):
    snapshot = status_cache._snapshot_key(running.object_name)
    client().set(snapshot, client().get(snapshot).replace('"gpu"', '"gpus"'))
    assert known(running).status == "running"
    assert same_as_row(running)
