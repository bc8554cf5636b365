"""Redis may be empty, be unavailable, or lose a message."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from core.redis import client
from desktops import status_cache
from desktops.models import Desktop, Status
from desktops.tests.support.status_cache_probe import assert_failed, fails, known
from tests.support.environment import redis_refuses_writes

pytestmark = pytest.mark.django_db(transaction=True)  # the cache changes on commit


def test_emptied_redis_is_filled_again(running, same_as_row):
    client().flushdb()
    for _ in range(2):  # the first read writes the version, the second the snapshot
        assert known(running).status == "running"
    same_as_row(running)


def test_without_redis_the_database_answers(running, redis_unavailable):
    with redis_unavailable():
        assert known(running).status == "running"
        Desktop.objects.filter(pk=running.pk).update(status=Status.STOPPED)
        assert known(running).status == "stopped"
    assert known(running).status == "stopped"


def test_commit_without_redis_succeeds_and_shows(running, redis_unavailable, same_as_row):
    with redis_unavailable():
        assert fails(running)()
        assert known(running).status == "failed"
    assert [known(running).status for _ in range(2)] == ["failed"] * 2
    same_as_row(running)


def test_commit_while_the_memory_of_redis_is_full_shows(running):
    assert known(running).status == "running"
    with redis_refuses_writes("memory_full"):
        assert fails(running)()
        assert_failed(running)
    assert_failed(running)


@pytest.fixture
def redis_unreachable(settings) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Return a context in which the portal cannot reach Redis, which keeps its data."""
    right = settings.REDIS_URL

    @contextmanager
    def lost() -> Iterator[None]:
        settings.REDIS_URL = "unix:///nowhere.sock"
        client.cache_clear()
        yield
        settings.REDIS_URL = right
        client.cache_clear()

    yield lost
    client.cache_clear()


def test_message_that_redis_lost_costs_a_minute_at_most(running, redis_unreachable):
    with redis_unreachable():
        assert fails(running)()
    assert known(running).status == "running"
    snapshot = status_cache._snapshot_key(running.object_name)
    assert client().ttl(snapshot) <= 60
    client().pexpire(snapshot, 1)  # as after a minute
    while client().exists(snapshot):
        pass
    assert_failed(running)
