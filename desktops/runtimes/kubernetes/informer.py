"""Watch pods and their events. Two threads serve any number of desktops."""

import json
import random
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any

import structlog
import urllib3

from desktops.runtimes.base import Deadline, RuntimeUnknown
from desktops.runtimes.kubernetes import metrics
from desktops.runtimes.kubernetes.client import NO_ANSWER, ApiClient, ApiRefused, ApiRequest
from desktops.runtimes.kubernetes.manifests import INSTALLATION
from desktops.runtimes.kubernetes.operations import Body, path
from desktops.runtimes.kubernetes.pod_reasons import STATE_EVENTS
from desktops.runtimes.kubernetes.pod_state import about, claim_of

log = structlog.get_logger("podesk.kubernetes")
SERVER_SECONDS = 290  # after this time the API ends a watch
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0  # seconds between attempts while the API is unavailable
LONGEST_ASKED = 120.0  # longest Retry-After that is followed, in seconds
STEADY = 5.0  # seconds that a watch must last before the pause is reset
LIST_SECONDS = 30.0
KEPT_EVENTS, KEPT_PODS = 20, 5000


class WorkQueue:
    """The names of changed pods. Each name is queued once, however often it changes."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        self._rung = threading.Condition()

    def add(self, name: str) -> None:
        with self._rung:
            self._names[name] = None
            self._rung.notify()

    def get(self, timeout: float) -> Iterator[str]:
        """Yield names for `timeout` seconds. Names left over are yielded by the next call."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            with self._rung:
                if not self._rung.wait_for(lambda: self._names, left):
                    return
                name = next(iter(self._names))
                del self._names[name]
            yield name


class Reflector(threading.Thread):
    """Lists one kind of object, then watches its changes. Restarts itself until it is closed."""

    def __init__(
        self, api: ApiClient, request: ApiRequest, everything: Callable[[list[Body]], None], change: Callable[..., None]
    ):
        super().__init__(name=f"watch {request.path}", daemon=True)
        self.api, self.request, self.everything, self.change = api, request, everything, change
        self.live = False  # whether all objects in the API are known here
        self._watching_since = float("inf")  # time.monotonic()
        self._closed = threading.Event()
        self._response: urllib3.BaseHTTPResponse | None = None

    def run(self) -> None:
        pause = FIRST_PAUSE
        while not self._closed.is_set():
            self._watching_since = float("inf")
            asked = self._list_and_watch()
            if not self._closed.is_set():
                metrics.count_watch_restart(self.request.kind)
            if time.monotonic() - self._watching_since > STEADY:
                pause = FIRST_PAUSE
            self._closed.wait(max(random.uniform(pause / 2, pause), min(asked, LONGEST_ASKED)))
            pause = min(LONGEST_PAUSE, pause * 2)

    def _list_and_watch(self) -> float:
        """List and watch until an error occurs. Return the seconds that the API asks us to wait."""
        try:
            version = self._list()
            self._watching_since = time.monotonic()
            while not self._closed.is_set():
                version = self._follow(version)
        except (ApiRefused, RuntimeUnknown, ValueError, *NO_ANSWER) as error:
            if not self._closed.is_set() and getattr(error, "status", 0) != 410:
                log.warning("watch_interrupted", path=self.request.path, error=str(error))
            return max(getattr(each, "wait", 0.0) for each in (error, error.__cause__))
        except Exception:  # error boundary: one odd object must not end the watch
            log.exception("watch_interrupted", path=self.request.path)
        finally:
            self.live = False
        return 0.0

    def close(self) -> None:
        self._closed.set()
        if self._response is not None:
            self._response.shutdown()

    def _list(self) -> str:
        # Version 0 is served from the API server's cache; other lists read its database.
        request = ApiRequest("GET", self.request.path, self.request.query | {"resourceVersion": "0"})
        found = self.api.call(request, Deadline.after(LIST_SECONDS))
        self.everything(found["items"])
        self.live = True
        return str(found["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> str:
        """Watch until the server ends it, and return the next version.

        Raises ApiRefused 410 if the version is too old.
        """
        limits = {"watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": SERVER_SECONDS}
        query = self.request.query | limits | {"resourceVersion": version}
        response = self._response = self.api.stream(ApiRequest("GET", self.request.path, query), SERVER_SECONDS + 10)
        began = time.monotonic()
        try:
            for line in _lines(response):
                version = self._take(json.loads(line))
        finally:
            self._response = None
            response.close()
        if time.monotonic() - began < 1:  # something ends every stream immediately; avoid a busy loop
            self._closed.wait(1)
        return version

    def _take(self, event: dict[str, Any]) -> str:
        thing = event["object"]
        if event["type"] == "ERROR":
            raise ApiRefused(thing.get("code", 0), thing)
        if event["type"] != "BOOKMARK":
            self.change(event["type"], thing)
        return str(thing["metadata"]["resourceVersion"])


class Informer:
    """The pods and events of one installation, from two reflectors. Threads start with the first call of `names`."""

    def __init__(self, api: ApiClient, namespace: str, installation: str) -> None:
        self.queue = WorkQueue()
        self._api, self._namespace, self._installation = api, namespace, installation
        self._pods: dict[str, tuple[str, str]] = {}  # by uid: the pod's name and its claim's
        # By the pod's uid or the claim's name, because a pod does not contain its claim's uid.
        self._events: OrderedDict[str, deque[Body]] = OrderedDict()
        self._reflectors: list[Reflector] = []
        self._lock = threading.Lock()

    def names(self, timeout: float) -> Iterator[str]:
        """Yield the names of changed pods; the first call yields all existing pods."""
        with self._lock:
            if not self._reflectors:
                self._reflectors = self._new_reflectors()
                for reflector in self._reflectors:
                    reflector.start()
        yield from self.queue.get(timeout)

    def events_of(self, pod: Body) -> list[Body] | None:
        """Return the last events of a pod and its claim, or None if the watch does not run."""
        with self._lock:
            if not self._reflectors or not all(reflector.live for reflector in self._reflectors):
                return None
            keys = (pod["metadata"]["uid"], claim_of(pod))
            return [event for key in keys for event in self._events.get(key, ())]

    def close(self) -> None:
        with self._lock:
            reflectors, self._reflectors = self._reflectors, []
        for reflector in reflectors:
            reflector.close()
        for reflector in reflectors:
            reflector.join(5)  # a reflector that waits for an unavailable API needs some time

    def _new_reflectors(self) -> list[Reflector]:
        ours = {"labelSelector": f"{INSTALLATION}={self._installation}"}
        pods = ApiRequest("GET", path("Pod", self._namespace), ours)
        # Events carry none of our labels, and no selector covers both pods and claims.
        events = ApiRequest("GET", path("Event", self._namespace))
        return [
            Reflector(self._api, pods, self._all_pods, self._pod),
            Reflector(self._api, events, self._all_events, self._event),
        ]

    def _all_pods(self, pods: list[Body]) -> None:
        with self._lock:
            before, self._pods = self._pods, {pod["metadata"]["uid"]: _names(pod) for pod in pods}
            names = {name for name, _ in (*before.values(), *self._pods.values())}
        for name in sorted(names):
            self.queue.add(name)

    def _pod(self, change: str, pod: Body) -> None:
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
        with self._lock:
            if change == "DELETED":
                self._pods.pop(uid, None)
                self._events.pop(uid, None)
            else:
                self._pods[uid] = _names(pod)
        self.queue.add(name)

    def _all_events(self, events: list[Body]) -> None:
        with self._lock:
            self._events.clear()
        for event in events:
            self._event("ADDED", event)

    def _event(self, change: str, event: Body) -> None:
        if change == "DELETED" or not (key := _key(event)):
            return
        with self._lock:
            kept = self._events.setdefault(key, deque(maxlen=KEPT_EVENTS))
            _replace(kept, event)
            self._events.move_to_end(key)
            if len(self._events) > KEPT_PODS:
                self._events.popitem(last=False)
            known = [self._pods[key]] if key in self._pods else [each for each in self._pods.values() if each[1] == key]
        if event.get("reason") in STATE_EVENTS:
            for name, _ in known:
                self.queue.add(name)


def _names(pod: Body) -> tuple[str, str]:
    return pod["metadata"]["name"], claim_of(pod)


def _key(event: Body) -> str:
    """Return the key under which the event is kept, or an empty string if it is not about our objects."""
    match about(event):
        case {"kind": "Pod", "name": str(name), "uid": str(uid)} if name.startswith("vnc-"):
            return uid
        case {"kind": "PersistentVolumeClaim", "name": str(name)} if name.startswith("home-"):
            return name
    return ""


def _replace(kept: deque[Body], event: Body) -> None:
    """Replace the earlier version of a repeated event, which is the same object."""
    uid = event["metadata"]["uid"]
    for old in [known for known in kept if known["metadata"]["uid"] == uid]:
        kept.remove(old)
    kept.append(event)


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(amt=None, decode_content=True):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from filter(None, lines)
