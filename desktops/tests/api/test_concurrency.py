"""Open requests per user are limited and released, and are not counted when Redis is unavailable."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from core import concurrency
from core.concurrency import ConcurrencySlot, TooManyOpen
from core.redis import client
from desktops.models import Desktop, Status

JSON = "application/json"
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
def two_each(settings):
    settings.API_OPEN = {"streams": 2, "waits": 2}


def in_use() -> int:
    return sum(client().zcard(name) for name in client().keys("*open*"))


def test_one_stream_too_many(api_for, alice, bob, two_each):
    api = api_for(alice)
    streams = [api.get("/api/v1/events", headers=STREAM) for _ in range(2)]
    assert [stream.status_code for stream in streams] == [200, 200]
    answer = api.get("/api/v1/events", headers=STREAM)
    assert (answer.status_code, answer.json()["slug"], answer["Retry-After"]) == (429, "too_many_open", "5")
    assert api.get("/api/v1/events").status_code == 200  # pages are not streams
    assert api.head("/api/v1/events", headers=STREAM).status_code == 200
    assert api_for(bob).get("/api/v1/events", headers=STREAM).status_code == 200


@pytest.mark.parametrize("verb", ["start", "restart", "delete", "create"])
def test_one_wait_too_many_is_refused_before_anything_is_done(api_for, make_desktop, alice, two_each, verb):
    api, desktop = api_for(alice), make_desktop(alice, status=Status.STOPPED)
    taken = [ConcurrencySlot("waits", str(alice.pk)) for _ in range(2)]
    for slot in taken:
        slot.acquire()
    path = f"/api/v1/pods/{desktop.object_name}"
    answer = {
        "delete": lambda: api.delete(f"{path}?wait=1"),
        "create": lambda: api.post("/api/v1/pods/create?wait=1", {}, JSON),
    }.get(verb, lambda: api.post(f"{path}/{verb}?wait=1", {}, JSON))()
    assert (answer.status_code, answer.json()["slug"]) == (429, "too_many_open")
    assert Desktop.objects.get().status == Status.STOPPED
    taken[0].release()
    with concurrency.waiting_slot(str(alice.pk), 1):
        assert in_use() == 2
    assert in_use() == 1
    assert api.post(f"{path}/start", {}, JSON).status_code == 202  # without a wait nothing stays open


def test_what_is_refused_gives_its_place_back(api_for, make_desktop, alice):
    desktop = make_desktop(alice, status=Status.DELETING)
    assert api_for(alice).post(f"/api/v1/pods/{desktop.object_name}/start?wait=5", {}, JSON).status_code == 409
    assert in_use() == 0


def test_the_place_of_a_killed_server_is_free_after_a_while(alice, two_each):
    for _ in range(2):
        ConcurrencySlot("streams", str(alice.pk), seconds=-1).acquire()
    ConcurrencySlot("streams", str(alice.pk)).acquire()
    assert in_use() == 1


def test_who_stays_says_so(alice, two_each):
    one, other = ConcurrencySlot("streams", str(alice.pk)), ConcurrencySlot("streams", str(alice.pk))
    one.acquire(), other.acquire()
    client().flushdb()
    one.renew(), other.renew(), one.renew()
    with pytest.raises(TooManyOpen):
        ConcurrencySlot("streams", str(alice.pk)).acquire()


def test_many_at_once_get_no_more_than_there_are(alice, two_each):
    def take(_: int) -> bool:
        try:
            ConcurrencySlot("waits", str(alice.pk)).acquire()
        except TooManyOpen:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(take, range(32))) == 2


def test_no_limit(alice, settings):
    settings.API_OPEN = {"streams": 0, "waits": 0}
    for _ in range(3):
        ConcurrencySlot("streams", str(alice.pk)).acquire()
    assert in_use() == 0  # nothing is counted


def test_redis_unavailable(alice, two_each, redis_unavailable):
    with redis_unavailable():
        places_ = [ConcurrencySlot("streams", str(alice.pk)) for _ in range(3)]
        for slot in places_:
            slot.acquire()
            slot.release()
    assert in_use() == 0
