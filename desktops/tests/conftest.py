"""What the tests of desktops share: the real queue, the real broadcast, and a Redis that dies."""

import django_rq
import pytest

from accounts.cuts import Cut, channel
from accounts.redis import client
from tests import environment


@pytest.fixture
def queued():
    """What waits in the queue: (function, id) in order."""

    def look() -> list[tuple[str, str]]:
        return [(job.func_name.rsplit(".", 1)[1], job.args[0]) for job in django_rq.get_queue("desktops").jobs]

    return look


@pytest.fixture
def cuts():
    """The cuts announced since the fixture was made."""
    listener = client().pubsub(ignore_subscribe_messages=True)
    listener.subscribe(channel())
    listener.get_message(timeout=1)

    def heard() -> list[Cut]:
        found = []
        while message := listener.get_message(timeout=0.2):
            found.append(Cut.from_message(message["data"]))
        return found

    yield heard
    listener.close()


@pytest.fixture
def redis_away():
    """A context in which the real Redis is dead; it comes back empty."""
    return environment.redis_away
