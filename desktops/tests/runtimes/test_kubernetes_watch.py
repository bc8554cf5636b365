"""Watches of pods on a server whose watches end, break and expire. The contract's tests use a real cluster."""

import threading
import time

import pytest

from desktops.runtimes.kubernetes import informer
from desktops.runtimes.kubernetes.client import ApiClient
from desktops.runtimes.kubernetes.informer import Informer, WorkQueue
from desktops.tests.support.faulty_api_server import Handler, refuses, resets, says, serving, streams
from desktops.tests.support.runtime_specs import until


def pod(name: str, version: int = 5) -> dict:
    home = {"name": "home", "persistentVolumeClaim": {"claimName": name.replace("vnc-", "home-")}}
    meta = {"name": name, "uid": f"uid of {name}", "resourceVersion": str(version)}
    return {"metadata": meta, "spec": {"volumes": [home]}}


def event(name: str, reason: str = "Pulling", count: int = 1, uid: str = "e-1") -> dict:
    about = {"kind": "Pod", "name": name, "uid": f"uid of {name}"}
    meta = {"uid": uid, "resourceVersion": str(count)}
    return {"metadata": meta, "involvedObject": about, "reason": reason, "count": count}


def listed(*things: dict, version: int = 10):
    return says(200, {"metadata": {"resourceVersion": str(version)}, "items": list(things)})


def watch_event(kind: str, thing: dict) -> dict:
    return {"type": kind, "object": thing}


class Cluster:
    """Lists and watches of both kinds, each with its own script. After the end of its script it sends nothing."""

    def __init__(self) -> None:
        self.pods, self.events, self.asked = [listed()], [listed()], []
        self.silent = threading.Event()

    def __call__(self, handler: Handler) -> None:
        script = self.pods if "/pods" in handler.path else self.events
        self.asked.append(handler.path)
        silence = streams(then=lambda: self.silent.wait(20)) if "watch=1" in handler.path else listed()
        (script.pop(0) if script else silence)(handler)


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    monkeypatch.setattr(informer, "LONGEST_PAUSE", 0.2)
    cluster = Cluster()
    with serving(cluster) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path)))
        yield cluster
        cluster.silent.set()


@pytest.fixture
def watch(cluster):
    made = Informer(ApiClient(), "here", "test")
    yield made
    cluster.silent.set()
    made.close()


def hear(watch: Informer, *names: str) -> list[str]:
    """Read names until each of these has been reported."""
    heard: list[str] = []
    for name in watch.names(20):
        heard.append(name)
        if set(names) <= set(heard):
            return heard
    raise AssertionError(heard)


def test_at_first_all_that_is_there_then_each_change(cluster, watch):
    gone = watch_event("DELETED", pod("vnc-b", 12))
    cluster.pods = [listed(pod("vnc-a"), pod("vnc-b")), streams(watch_event("ADDED", pod("vnc-c", 11)), gone)]
    hear(watch, "vnc-a", "vnc-b", "vnc-c")
    [listing, *_] = [path for path in cluster.asked if "/pods" in path]
    assert "labelSelector=podesk%2Finstallation%3Dtest" in listing


def test_a_watch_that_ended_goes_on_where_it_was(cluster, watch):
    bookmark = watch_event("BOOKMARK", {"metadata": {"resourceVersion": "70"}})
    cluster.pods = [
        listed(),
        streams(watch_event("ADDED", pod("vnc-a", 60)), bookmark),
        streams(watch_event("ADDED", pod("vnc-b", 80))),
    ]
    assert hear(watch, "vnc-a", "vnc-b") == ["vnc-a", "vnc-b"]
    versions = [path.rpartition("resourceVersion=")[2] for path in cluster.asked if "/pods" in path]
    assert versions[:3] == ["0", "10", "70"]


EXPIRED = watch_event(
    "ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
)


@pytest.mark.parametrize(
    "broken",
    [streams(EXPIRED), refuses(410, "Gone"), refuses(403, "Forbidden"), resets, says(200, b"<html>\n"), refuses(500)],
    ids=["410 in the stream", "410", "403", "reset", "not JSON", "500"],
)
def test_what_broke_is_listed_again_and_what_is_gone_is_told(cluster, watch, broken):
    cluster.pods = [listed(pod("vnc-a"), pod("vnc-b")), broken, listed(pod("vnc-b"), version=20)]
    hear(watch, "vnc-a", "vnc-b")
    assert {*hear(watch, "vnc-a", "vnc-b")} == {"vnc-a", "vnc-b"}  # the missing one is reported too


def test_nobody_there_at_first(cluster, watch):
    cluster.pods = [resets, resets, listed(pod("vnc-a"))]
    assert hear(watch, "vnc-a") == ["vnc-a"]


def test_events_ring_for_our_pods_alone_and_are_kept(cluster, watch):
    cluster.pods = [listed(pod("vnc-a"))]
    hear(watch, "vnc-a")
    until(lambda: watch.events_of(pod("any")) is not None, what="both feeds")
    others = [event(name, uid="e-2") for name in ("vnc-of-others", "something-else")]
    for told_of in (event("vnc-a"), *others, event("vnc-a", "Scheduled", uid="e-3"), event("vnc-a", count=2)):
        watch._event("ADDED", told_of)
    assert list(watch.names(0.2)) == ["vnc-a"]
    assert [each["count"] for each in watch.events_of(pod("vnc-a"))] == [1, 2]
    assert watch.events_of(pod("something-else")) == []


def of_claim(name: str, reason: str) -> dict:
    about = {"kind": "PersistentVolumeClaim", "name": name, "uid": "of the claim"}
    return event("", reason, uid=f"{name} {reason}") | {"involvedObject": about}


def test_what_is_said_of_a_claim_is_told_of_the_pod_that_waits_for_it(cluster, watch):
    cluster.pods = [listed(pod("vnc-a"), pod("vnc-b"))]
    failed = of_claim("home-a", "ProvisioningFailed")
    other = of_claim("home-of-others", "ProvisioningFailed")
    cluster.events = [listed(), streams(watch_event("ADDED", other), watch_event("ADDED", failed))]
    hear(watch, "vnc-a", "vnc-b")
    until(lambda: watch.events_of(pod("vnc-a")) == [failed], what="the event")
    assert watch.events_of(pod("vnc-b")) == []
    assert "vnc-a" in watch.names(0.2)
    assert not any("fieldSelector" in path for path in cluster.asked)


def test_events_are_told_as_they_happen(cluster, watch):
    cluster.pods = [listed(pod("vnc-a"))]
    cluster.events = [listed(event("vnc-a")), streams(watch_event("MODIFIED", event("vnc-a", count=2)))]
    hear(watch, "vnc-a")
    assert until(lambda: [each["count"] for each in watch.events_of(pod("vnc-a")) or ()] == [2], what="the event")


@pytest.mark.parametrize("missing", ["reason", "message", "involvedObject"])
def test_an_event_that_leaves_something_out_is_taken(cluster, watch, missing):
    cluster.pods = [listed(pod("vnc-a"))]
    odd = event("vnc-a")
    odd.pop(missing, None)
    cluster.events = [listed(odd), streams(watch_event("ADDED", odd), watch_event("ADDED", event("vnc-a", uid="e-2")))]
    hear(watch, "vnc-a")
    until(lambda: "e-2" in str(watch.events_of(pod("vnc-a"))), what="the event after it")


@pytest.mark.parametrize("odd", [[], {"kind": "Pod"}, {"metadata": {}}])
def test_what_nobody_expected_ends_no_feed(cluster, watch, odd):
    cluster.pods = [listed(), streams(watch_event("ADDED", odd)), listed(pod("vnc-a"), version=20)]
    hear(watch, "vnc-a")
    assert len(threads()) == 2


def test_a_feed_that_broke_is_no_longer_live(cluster, watch, monkeypatch):
    """Otherwise events that the watch misses would not be requested."""
    monkeypatch.setattr(informer, "FIRST_PAUSE", 60)
    cluster.pods = [listed(), streams(watch_event("ADDED", {}), then=lambda: cluster.silent.wait(1))]
    list(watch.names(0.1))
    until(lambda: watch.events_of(pod("any")) is None, what="the feed to break")
    time.sleep(0.3)
    assert watch.events_of(pod("any")) is None
    assert len(threads()) == 2


def lists(cluster) -> int:
    return len([path for path in cluster.asked if "/pods" in path and "watch=1" not in path])


def test_list_interval_grows_without_permission_to_watch(cluster, watch, monkeypatch):
    monkeypatch.setattr(informer, "LONGEST_PAUSE", 10.0)
    cluster.pods = [listed(), refuses(403, "Forbidden")] * 30
    list(watch.names(3))
    assert 2 <= lists(cluster) <= 7


def test_a_watch_that_was_steady_is_begun_again_at_once(cluster, watch, monkeypatch):
    monkeypatch.setattr(informer, "LONGEST_PAUSE", 10.0)
    monkeypatch.setattr(informer, "STEADY", -1.0)  # as if each watch had been stable
    cluster.pods = [listed(), refuses(410, "Gone")] * 10
    list(watch.names(3))
    assert lists(cluster) > 10


def test_who_watches_too_often_waits_as_long_as_told(cluster, watch):
    cluster.pods = [listed(), says(429, {}, Retry_After="2"), listed(pod("vnc-a"))]
    began = time.monotonic()
    hear(watch, "vnc-a")
    assert time.monotonic() - began >= 2


def test_what_is_not_heard_is_not_known(watch):
    assert watch.events_of(pod("vnc-a")) is None


def test_a_closed_watch_has_no_threads(cluster, watch):
    list(watch.names(0.2))
    until(lambda: len(threads()) == 2, what="two feeds")
    watch.close()
    assert threads() == []


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("watch ")]


def test_a_bell_tells_each_name_once_however_often_it_rang():
    queue = WorkQueue()
    for name in ("a", "b", "a", "a"):
        queue.add(name)
    assert list(queue.get(0.1)) == ["a", "b"]
    assert list(queue.get(0.1)) == []


def test_unread_names_stay_in_the_queue():
    queue = WorkQueue()
    queue.add("a")
    queue.add("b")
    assert next(iter(queue.get(1))) == "a"
    assert next(iter(queue.get(1))) == "b"
