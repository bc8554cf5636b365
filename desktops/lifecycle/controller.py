"""Watch the runtime and write what is so. One leads; a dead leader is replaced within seconds."""

import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from core import locks
from core.redis import key
from desktops.lifecycle import closed_accounts, heartbeat, orphaned_volumes, queue, reconcile, ssh_key_sync
from desktops.lifecycle.timers import prune_daily, run_timers
from desktops.models import AT_REST, Desktop
from desktops.runtimes import get_runtime
from desktops.runtimes.base import Observed, RuntimeFault, RuntimeUnknown

log = structlog.get_logger("podesk.controller")
LEASE_SECONDS = 10.0  # seconds without renewal until another controller takes over
TURN = 2.0  # seconds of watching between two heartbeats
STUCK = 60.0  # seconds without a sign of life until one that stands still renews no more; no single call takes so long


class Controller:
    """`stopped` is asked between turns; it makes `run` return."""

    def __init__(self, stopped: Callable[[], bool]) -> None:
        self.stopped = stopped
        self._lease: locks.HeldLock | None = None
        self._listed_at = float("-inf")  # time.monotonic()

    def run(self) -> None:
        while not self.stopped():
            heartbeat.touch_alive_file()
            try:
                self.turn()
            except RuntimeUnknown as error:  # says nothing about any desktop: no row changes
                log.warning("runtime_away", error=str(error))
                _tell_that_it_is_away()
                self._listed_at = float("-inf")  # when it is back, look at everything at once
                time.sleep(1)
            except redis.RedisError as error:
                self._redis_failed(error)
            except (DatabaseError, RuntimeFault) as error:
                log.warning("turn_failed", error=str(error), kind=type(error).__name__)
                close_old_connections()
                time.sleep(1)
            except Exception:  # a border: one bad row must not end the watch over all others
                log.exception("turn_failed")
                time.sleep(1)
        self._resign()

    def turn(self) -> None:
        """Watch for a moment, and compare everything when it is time."""
        if not self._lead():
            time.sleep(TURN / 2)
            return
        heartbeat.record_controller_beat()
        queue.send_due()
        ssh_key_sync.order_renewals()
        closed_accounts.release_holdings()
        if time.monotonic() - self._listed_at >= settings.RELIST_SECONDS:
            compare_all()
            self._listed_at = time.monotonic()
        for name in get_runtime().watch(timeout=TURN):
            compare_one(name)

    def _redis_failed(self, error: redis.RedisError) -> None:
        """Wait until Redis takes writes. Nothing is compared meanwhile: nobody could be told, and no work ordered."""
        log.warning("turn_failed", error=str(error), kind=type(error).__name__)
        close_old_connections()
        time.sleep(1)
        heartbeat.wait_for_redis(stopped=self.stopped)

    def _lead(self) -> bool:
        """The lease is renewed by a thread of its own: a full look may take longer than it lasts."""
        if self._lease and self._lease.lost:
            self._resign()
        if not self._lease:
            self._listed_at = float("-inf")  # whoever takes over begins with a full look
            self._lease = locks.acquire_lock(key("controller", "lease"), lease=LEASE_SECONDS, at_work=_is_at_work)
            if self._lease:
                log.info("leads")
        return self._lease is not None

    def _resign(self) -> None:
        lease, self._lease = self._lease, None
        if lease:
            lease.release()


def _is_at_work() -> bool:
    """Whether the leader, who alone gives it, has lately given a sign of life."""
    try:
        age = heartbeat.age()
    except redis.RedisError:
        return True  # says nothing about us
    return age is None or age < STUCK


def _tell_that_it_is_away() -> None:
    try:
        heartbeat.record_runtime_answer(answers=False)
    except redis.RedisError as error:
        log.warning("not_told", error=str(error))


def compare_one(name: str) -> None:
    desktop = _rows().filter(object_name=name).first()
    if desktop:
        _settle(desktop, get_runtime().observe(name))


def compare_all() -> None:
    """Every row that is not at rest, and everything the runtime has. Raises RuntimeUnknown: then nothing is changed.

    Rows are read after the list, and one that has since moved on is settled by its compare-and-set.
    """
    began = timezone.now()
    seen = {observed.name: observed for observed in get_runtime().list()}
    rows = {desktop.object_name: desktop for desktop in _rows().exclude(status__in=AT_REST)}
    rows |= {desktop.object_name: desktop for desktop in _rows().filter(status__in=AT_REST, object_name__in=seen)}
    _give_sign_of_life()
    for number, (name, desktop) in enumerate(rows.items(), 1):
        if not number % 20:  # there may be hundreds
            _give_sign_of_life()
        if desktop.status_since < began:  # younger than the list: the list says nothing of it
            _settle(desktop, seen.get(name))
    for name in seen.keys() - rows.keys():
        reconcile.reconcile_missing(seen[name])
    reconcile.free_ports(seen, began)
    reconcile.sweep_volumes()
    orphaned_volumes.compare_volumes()
    run_timers()
    prune_daily()


def _give_sign_of_life() -> None:
    """Within a full look, for as long as it takes."""
    heartbeat.touch_alive_file()
    heartbeat.record_controller_beat()
    heartbeat.record_runtime_answer(answers=True)


def _settle(desktop: Desktop, observed: Observed | None) -> None:
    try:
        reconcile.reconcile_desktop(desktop, observed)
    except redis.RedisError:
        raise
    except Exception:  # a border: one bad row must not keep the others waiting
        log.exception("row_not_settled", desktop=str(desktop.pk))


def _rows() -> Any:
    return Desktop.objects.select_related("owner", "volume", "image")
