"""A runtime that reports what a test sets, and can be unavailable. It replaces a cluster, outside the portal."""

import time
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

from django.db import connection

from desktops.lifecycle.controller import Controller
from desktops.models import Desktop
from desktops.runtimes.base import (
    Deadline,
    DeletionBegun,
    DesktopSpec,
    MachineCapacity,
    Observed,
    Phase,
    ResourceQuotaUse,
    RuntimeFault,
    RuntimeUnknown,
    StorageSpace,
    Usage,
    VNCEndpoint,
)
from desktops.runtimes.home_usage import HomeUsage


class ControllerUnderTest:
    """A controller in its own thread, which a test can stop and start again."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self._stopped = Event()
        self.controller = Controller(self._stopped.is_set)
        self._thread = Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(30)

    def _run(self) -> None:
        try:
            self.controller.run()
        finally:
            connection.close()


class ScriptedRuntime:
    steps = ("created", "started", "ready")

    def __init__(self) -> None:
        self.unavailable = False  # the runtime does not answer
        self.refuses = False  # why it is unavailable: it denies access
        self.watch_misses_changes = False
        self.logs_unavailable = False
        self.there: dict[str, Observed] = {}
        self.pause = 0.0  # seconds that a list takes
        self.listing = False
        self.log = ""
        self.home_usages: dict[str, HomeUsage] = {}
        self.broken: list[str] = []  # kinds of objects that mending creates again
        self.unstartable: RuntimeFault | None = None
        self.unmendable: RuntimeFault | None = None
        self.unstoppable: RuntimeFault | None = None
        self.homes: list[str] = []
        self.quotas: tuple[ResourceQuotaUse, ...] = ()
        self.space: StorageSpace | None = None
        self.machines: MachineCapacity | None = None
        self.calls: list[tuple[str, str]] = []
        self.rang: list[str] = []
        self.used: dict[str, Usage] = {}

    def sees(self, desktop: Desktop, phase: Phase | None, **fields: Any) -> None:
        """Report this phase of a desktop from now on, also to the watch. `phase` None: it does not exist."""
        name = desktop.object_name
        self.there.pop(name, None)
        if phase:
            endpoint = VNCEndpoint("unix", "/run/a.sock") if phase == Phase.READY else None
            fields = {"run": desktop.run, "endpoint": endpoint} | fields
            self.there[name] = Observed(name=name, desktop_id=str(desktop.pk), phase=phase, **fields)
        if not self.watch_misses_changes:
            self.rang.append(name)

    def list_count(self) -> int:
        """Return how often all desktops were listed."""
        return self.calls.count(("list", ""))

    def warm_up(self) -> None:
        pass

    def start(self, spec: DesktopSpec, *, deadline: Deadline) -> None:
        self._call("start", spec.name)
        if self.unstartable:
            raise self.unstartable

    def stop(self, name: str, *, deadline: Deadline) -> None:
        self._call("stop", name)
        if self.unstoppable:
            raise self.unstoppable
        self.there.pop(name, None)

    def mend(self, spec: DesktopSpec, *, deadline: Deadline) -> "list[str]":
        self._call("mend", spec.name)
        if self.unmendable:
            raise self.unmendable
        mended, self.broken = self.broken, []
        return mended

    def delete_volume(self, volume: str, *, deadline: Deadline) -> None:
        self._call("delete_volume", volume)
        if volume in self.homes:
            self.homes.remove(volume)
            raise DeletionBegun(volume)

    def observe(self, name: str) -> Observed | None:
        self._call("observe", name)
        return self.there.get(name)

    def list(self) -> list[Observed]:
        self._call("list", "")
        self.listing = True
        time.sleep(self.pause)
        self.listing = False
        return list(self.there.values())

    def volumes(self) -> "list[str]":
        self._call("volumes", "")
        return self.homes

    def watch(self, *, timeout: float) -> Iterator[str]:
        heard, self.rang = self.rang, []
        yield from heard
        time.sleep(min(timeout, 0.05))

    def logs(self, name: str, *, lines: int = 100) -> str:
        self._call("logs", name)
        if self.logs_unavailable:
            raise RuntimeUnknown("the machine does not answer")
        return self.log if name in self.there else ""

    def usage(self, name: str) -> Usage | None:
        return None

    def home_usage(self, name: str) -> HomeUsage | None:
        self._call("home_usage", name)
        return self.home_usages.get(name)

    def quota_use(self) -> tuple[ResourceQuotaUse, ...]:
        self._call("quota_use", "")
        return self.quotas

    def storage_space(self) -> StorageSpace | None:
        return self.space

    def capacity(self) -> MachineCapacity | None:
        self._call("capacity", "")
        return self.machines

    def usage_of_all(self) -> dict[str, Usage]:
        self._call("usage_of_all", "")
        return self.used

    def unlimited(self) -> str | None:
        return None

    def _call(self, verb: str, name: str) -> None:
        if self.unavailable:
            raise RuntimeUnknown("nobody answers", refused=self.refuses)
        self.calls.append((verb, name))
