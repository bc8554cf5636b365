"""Record the times of steps in the cluster, more precisely than the seconds that Kubernetes records."""

import json
import os
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from desktops.runtimes.kubernetes.client import ApiClient, ApiRequest

Times = dict[str, float]  # step -> time.time()
_TICKS = os.sysconf("SC_CLK_TCK")


class PodWatcher(Thread):
    """Watches the pods of one namespace from the moment it is made until the program ends."""

    def __init__(self, namespace: str) -> None:
        super().__init__(daemon=True)
        self.seen: dict[str, Times] = defaultdict(dict)  # by pod name
        self.pods: dict[str, dict[str, Any]] = {}
        request = ApiRequest("GET", f"/api/v1/namespaces/{namespace}/pods", {"watch": 1, "timeoutSeconds": 3600})
        self._stream = ApiClient().stream(request, 3600)
        self.start()

    def run(self) -> None:
        rest = b""
        for part in self._stream.stream(amt=None):
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                self._note(json.loads(line)["object"], time.time())

    def _note(self, pod: dict[str, Any], now: float) -> None:
        name, status = pod["metadata"]["name"], pod["status"]
        self.pods[name] = pod
        ready = {"type": "Ready", "status": "True"}
        reached = {
            "pod created": True,
            "scheduled": "nodeName" in pod["spec"],
            "reported running": any("running" in each["state"] for each in status.get("containerStatuses", [])),
            "reported ready": any(ready.items() <= each.items() for each in status.get("conditions", [])),
        }
        for step, is_so in reached.items():
            if is_so:
                self.seen[name].setdefault(step, now)

    def times(self, name: str) -> Times:
        """Return the times of a running pod, after the API has reported that it is ready."""
        until = time.monotonic() + 30
        while "reported ready" not in self.seen[name] and time.monotonic() < until:
            time.sleep(0.05)
        return self.seen[name] | {"first process": _first_process(self.pods[name]["metadata"]["uid"])}


def _first_process(uid: str) -> float:
    """Return when the oldest process of the pod's own containers started."""
    began = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            inside = uid in (process / "cgroup").read_text().replace("_", "-")
            if inside and (process / "comm").read_text() != "pause\n":
                began.append(_began(process))
    return min(began)


def _began(process: Path) -> float:
    ticks = int((process / "stat").read_text().rpartition(")")[2].split()[19])
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / _TICKS
