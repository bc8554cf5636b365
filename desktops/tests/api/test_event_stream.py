"""Server-sent events on a real server: in order, without gaps or repeats, ended in time, and fifty at once."""

import time
from datetime import timedelta

import psutil
import pytest

from accounts import services as accounts
from accounts import token_services
from accounts.audit import Actor
from accounts.models import SessionToken
from core.redis import client as redis_client
from desktops.models import DesktopEvent, Status
from desktops.tests.support.portal_server import running
from tests.support.running_podesk import wait_for

pytestmark = pytest.mark.usefixtures("committed")


def address(desktop) -> str:
    return f"pods/{desktop.object_name}/events"


def write(desktop, *kinds) -> list[int]:
    before = set(desktop.events.values_list("pk", flat=True))
    for kind in kinds:
        DesktopEvent.write(desktop, kind)
    return [pk for pk in desktop.events.order_by("pk").values_list("pk", flat=True) if pk not in before]


def has_ended(stream) -> bool:
    try:
        stream.event()
    except StopIteration:
        return True
    return False


def test_how_it_is_then_each_line_as_it_is_written(live, listen, script_token, make_desktop, alice):
    desktop = make_desktop(alice, status=Status.RUNNING)
    stream = listen(live, address(desktop), script_token(alice))
    assert stream.answer.status_code == 200
    assert stream.answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert stream.answer.headers["Cache-Control"] == "no-store"
    assert stream.answer.headers["X-Accel-Buffering"] == "no"
    assert "RateLimit" in stream.answer.headers
    first = stream.event()
    assert (first["_event"], first["pod_name"], first["status"]) == ("status", desktop.object_name, "running")
    assert (first["sentence"], first["next_step"]) == ("", "")  # a running desktop needs no sentence
    desktop.move(to=Status.STOPPING, reason="idle", event_params={"reason": "idle"})
    stopping = stream.event()
    desktop.move(to=Status.STOPPED)
    stopped = stream.event()
    assert [stopping["_event"], stopped["_event"]] == ["stopping", "stopped"]
    assert stopping["why"] == "It was stopped because it was idle for too long."
    assert int(stopping["_id"]) == stopping["id"] < stopped["id"]


def test_lines_of_before_are_not_told_anew(live, listen, script_token, make_desktop, alice):
    desktop = make_desktop(alice)
    last = write(desktop, "stopping", "stopped")[-1]
    stream = listen(live, address(desktop), script_token(alice))
    assert stream.event()["_id"] == str(last)  # a client that loses the stream resumes here
    new = write(desktop, "deleting")
    assert stream.event()["id"] == new[0]


def test_goes_on_without_gap_and_nothing_twice(live, listen, script_token, make_desktop, alice, bob):
    desktop, other, strange = make_desktop(alice), make_desktop(alice, name="other"), make_desktop(bob)
    numbers = []
    for _ in range(5):
        numbers += write(desktop, "stopping", "stopped")
        write(other, "stopped")
        write(strange, "stopped")
    token = script_token(alice)
    lost = listen(live, address(desktop), token, **{"Last-Event-ID": str(numbers[1])})
    assert "_id" not in lost.event()  # the status has no id, so that a client that resumes here gets all lines
    heard = [lost.event()["id"] for _ in range(3)]
    lost.close()
    numbers += write(desktop, "stopping")
    again = listen(live, address(desktop), token, **{"Last-Event-ID": str(heard[-1])})
    assert again.event()["_event"] == "status"
    heard += [again.event()["id"] for _ in range(6)]
    numbers += write(desktop, "stopped")
    heard.append(again.event()["id"])
    assert heard == numbers[2:]


def test_a_long_past_comes_whole(live, listen, script_token, make_desktop, alice):
    desktop = make_desktop(alice)
    rows = [DesktopEvent(desktop=desktop, run=1, kind="stopped") for _ in range(450)]
    DesktopEvent.objects.bulk_create(rows)
    numbers = list(desktop.events.order_by("pk").values_list("pk", flat=True))
    stream = listen(live, address(desktop), script_token(alice), **{"Last-Event-ID": "0"})
    assert stream.event()["_event"] == "status"
    assert [stream.event()["id"] for _ in numbers] == numbers


def test_a_line_that_is_committed_late_is_told(live, listen, script_token, make_desktop, alice):
    desktop = make_desktop(alice)
    stream = listen(live, address(desktop), script_token(alice))
    stream.event()
    DesktopEvent.objects.create(pk=2_000_000, desktop=desktop, run=1, kind="stopped")
    assert stream.event()["id"] == 2_000_000
    DesktopEvent.objects.create(pk=1_999_999, desktop=desktop, run=1, kind="stopping")
    late = stream.event()
    assert (late["id"], late["_id"]) == (1_999_999, "2000000")  # a client that resumes here has read both


def test_ends_when_the_desktop_is_deleted(live, listen, script_token, make_desktop, alice):
    desktop = make_desktop(alice)
    stream = listen(live, address(desktop), script_token(alice))
    stream.event()
    desktop.delete()
    assert stream.event() == {"_event": "deleted", "pod_name": desktop.object_name}
    assert has_ended(stream)


def test_all_my_desktops_come_and_go(live, listen, script_token, make_desktop, alice, bob):
    first, _ = make_desktop(alice), make_desktop(bob)
    stream = listen(live, "events", script_token(alice))
    assert stream.event()["pod_name"] == first.object_name
    second = make_desktop(alice, name="second")
    write(second, "queued")
    events = [stream.event(), stream.event()]
    assert [(line["_event"], line["pod_name"]) for line in events] == [
        ("status", second.object_name),
        ("queued", second.object_name),
    ]
    first.delete()
    assert stream.event() == {"_event": "deleted", "pod_name": first.object_name}
    write(second, "stopped")
    assert stream.event()["pod_name"] == second.object_name


def test_a_silent_stream_gives_a_sign_of_life(live, listen, script_token, make_desktop, alice):
    """The interval is shorter than the docs say, so that a client can use three times the interval as its timeout."""
    stream = listen(live, address(make_desktop(alice)), script_token(alice))
    stream.event()
    assert stream.line().startswith(":")


def test_speaks_the_language_that_was_asked_for(live, listen, script_token, make_desktop, alice):
    desktop = make_desktop(alice, status=Status.RUNNING)
    stream = listen(live, address(desktop), script_token(alice), **{"Accept-Language": "zh-hans"})
    stream.event()
    write(desktop, "stopped")
    assert not stream.event()["sentence"].isascii()


class TestCut:
    """Streams are cut within a second. The limit here is longer, for a busy machine."""

    @pytest.mark.parametrize("path", ["events", "pod"])
    def test_revoked(self, live, listen, script_token, make_desktop, alice, path):
        desktop = make_desktop(alice)
        stream = listen(live, address(desktop) if path == "pod" else path, script_token(alice))
        stream.event()
        token_services.revoke(token=SessionToken.objects.get(), by=Actor(alice))
        self.assert_closed(stream, "revoked")

    def test_disabled(self, live, listen, script_token, make_desktop, alice, admin):
        stream = listen(live, address(make_desktop(alice)), script_token(alice))
        stream.event()
        accounts.set_active(user=alice, active=False, by=Actor(admin))
        self.assert_closed(stream, "disabled")

    def test_expired(self, live, listen, script_token, make_desktop, alice):
        stream = listen(live, address(make_desktop(alice)), script_token(alice, lifetime=timedelta(seconds=4)))
        assert stream.event()["_event"] == "status"
        closed = stream.event()
        assert (closed["_event"], closed["reason"]) == ("closed", "expired")
        assert has_ended(stream)

    def assert_closed(self, stream, reason):
        began = time.monotonic()
        closed = stream.event()
        assert time.monotonic() - began < 4
        assert (closed["_event"], closed["reason"]) == ("closed", reason)
        assert closed["sentence"]
        assert has_ended(stream)


def test_without_redis_it_looks_by_itself(live_folder, listen, script_token, make_desktop, alice):
    desktop = make_desktop(alice, status=Status.RUNNING)
    with running(live_folder, REDIS_URL=f"unix://{live_folder}/no-redis.sock") as server:
        stream = listen(server, address(desktop), script_token(alice))
        assert stream.event()["_event"] == "status"
        new = write(desktop, "stopping")
        assert stream.event()["id"] == new[0]
        token_services.revoke(token=SessionToken.objects.get(), by=Actor(alice))
        assert stream.event()["_event"] == "closed"
        stream.close()


def test_a_server_that_stops_says_so_and_the_next_one_goes_on(
    live, live_folder, listen, script_token, make_desktop, alice
):
    desktop, token = make_desktop(alice), script_token(alice)
    with running(live_folder) as server:
        streams = [listen(server, path, token) for path in (address(desktop), "events")]
        assert [stream.event()["_event"] for stream in streams] == ["status"] * 2
        last = write(desktop, "stopping")[0]
        assert [stream.event()["id"] for stream in streams] == [last] * 2
        server.process.terminate()
        for stream in streams:
            closed = stream.event()
            assert (closed["_event"], closed["reason"]) == ("closed", "restarting")
            assert closed["sentence"]
            assert "_id" not in closed  # the client keeps the id of the last line
            assert has_ended(stream)
        server.process.wait(10)
        assert "Cancel" not in server.log
    missed = write(desktop, "stopped")[0]
    again = listen(live, address(desktop), token, **{"Last-Event-ID": str(last)})
    assert [again.event()["_event"], again.event()["id"]] == ["status", missed]


def test_fifty_at_once_hold_neither_threads_nor_connections(live, listen, script_token, make_desktop, alice, bob):
    desktop, token = make_desktop(alice), script_token(alice)
    quiet = subscribed()
    streams = [listen(live, address(desktop), token) for _ in range(50)]
    for stream in streams:
        assert stream.event()["_event"] == "status"
    assert psutil.Process(live.process.pid).num_threads() < 40
    others = listen(live, "events", script_token(bob), Accept="application/json")
    assert others.answer.status_code == 200
    number = write(desktop, "stopping")[0]
    desktop.notify_owner()
    assert {stream.event()["id"] for stream in streams} == {number}
    assert subscribed() > quiet
    for stream in streams:
        stream.close()
    wait_for(lambda: subscribed() == quiet)  # an ended stream leaves no subscription
    assert "Traceback" not in live.log


def subscribed() -> int:
    return len(redis_client().pubsub_channels("podesk*"))
