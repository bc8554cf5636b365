"""Watch the runtime and record the state of all desktops.

One controller leads; if it dies, another takes over within seconds.
"""

import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections
from django.utils import timezone

from core import locks
from core.redis import key
from desktops.lifecycle import (
    closed_accounts,
    controller_metrics,
    database_copies,
    heartbeat,
    home_usage,
    installation_metrics,
    kept_files,
    leader_report,
    namespace_quota,
    orphaned_volumes,
    processes,
    queue,
    reachability,
    reconcile,
    ssh_key_sync,
    usage_samples,
)
from desktops.lifecycle.backups import rounds
from desktops.lifecycle.timers import prune_daily, run_timers
from desktops.models import AT_REST, Desktop
from desktops.runtimes import get_runtime
from desktops.runtimes.base import Observed, RuntimeFault, RuntimeUnknown

log = structlog.get_logger("podesk.controller")
LEASE_SECONDS = 10.0  # seconds without renewal until another controller takes over
TURN = 2.0  # seconds of watching between two heartbeats
STUCK = 60.0  # seconds without a heartbeat after which a stuck leader stops renewing; longer than any single call


class Controller:
    """The control loop. It calls `stopped` between turns; once that is true, `run` returns."""

    def __init__(self, stopped: Callable[[], bool]) -> None:
        self.stopped = stopped
        self._lease: locks.HeldLock | None = None
        self._listed_at = float("-inf")  # time.monotonic()
        self._outage = ""  # of the runtime, as logged: once when it begins or changes, and once when it ends

    def run(self) -> None:
        while not self.stopped():
            heartbeat.touch_alive_file()
            try:
                self.turn()
                self._record_answers()
                self._runtime_answers()
            except RuntimeUnknown as error:  # not the same as "gone", so no row changes
                self._runtime_unavailable(error)
                self._listed_at = float("-inf")  # compare everything once the runtime is back
                time.sleep(1)
            except redis.RedisError as error:
                self._redis_failed(error)
            except (DatabaseError, InterfaceError, RuntimeFault) as error:
                log.warning("turn_failed", error=str(error), kind=type(error).__name__)
                if not isinstance(error, RuntimeFault):
                    controller_metrics.set_up("database", False)
                close_old_connections()
                time.sleep(1)
            except Exception:  # error boundary: one bad row must not stop the watch
                log.exception("turn_failed")
                time.sleep(1)
        self._resign()

    def _runtime_unavailable(self, error: RuntimeUnknown) -> None:
        outage = "refused" if error.refused else "away"
        if outage != self._outage:
            log.warning("runtime_unavailable", refused=error.refused, error=str(error))
        self._outage = outage
        controller_metrics.set_up("runtime", False)
        _record_runtime_outage(refused=error.refused)

    def _runtime_answers(self) -> None:
        if self._outage:
            log.info("runtime_answers_again")
        self._outage = ""

    def turn(self) -> None:
        """Watch for one turn, and compare everything if it is due."""
        processes.record("controller", lasts=heartbeat.LATE_AFTER)
        if not self._lead():
            time.sleep(TURN / 2)
            return
        heartbeat.record_controller_beat()
        namespace_quota.refresh()
        leader_report.publish()
        installation_metrics.shown.refresh()
        queue.send_due()
        ssh_key_sync.queue_renewals()
        home_usage.queue_readings()
        closed_accounts.release_holdings()
        rounds.compare()
        for desktop_id in reachability.take_reports():
            reconcile.inspect(desktop_id)
        if time.monotonic() - self._listed_at >= settings.RELIST_SECONDS:
            with controller_metrics.full_round():
                compare_all()
            heartbeat.record_round()
            self._listed_at = time.monotonic()
            database_copies.daily.start_if_due()
        usage_samples.sample()
        for name in get_runtime().watch(timeout=TURN):
            compare_one(name)

    def _record_answers(self) -> None:
        """Record after a turn without an error what has answered. Only a leader needs more than Redis."""
        for dependency in ("redis", "database", "runtime") if self._lease else ("redis",):
            controller_metrics.set_up(dependency, True)

    def _redis_failed(self, error: redis.RedisError) -> None:
        """Wait until Redis accepts writes.

        Nothing is compared meanwhile, because no job could be queued and no page notified.
        """
        log.warning("turn_failed", error=str(error), kind=type(error).__name__)
        controller_metrics.set_up("redis", False)
        close_old_connections()
        time.sleep(1)
        heartbeat.wait_for_redis(stopped=self.stopped)

    def _lead(self) -> bool:
        """Acquire the lease or check that it is still held.

        A thread renews it, because a full comparison may take longer.
        """
        if self._lease and self._lease.lost:
            self._resign()
        if not self._lease:
            self._listed_at = float("-inf")  # a new leader starts with a full comparison
            self._lease = locks.acquire_lock(key("controller", "lease"), lease=LEASE_SECONDS, at_work=_is_at_work)
            if self._lease:
                log.info("became_leader")
                controller_metrics.set_leading(True)
                heartbeat.record_round()
        return self._lease is not None

    def _resign(self) -> None:
        lease, self._lease = self._lease, None
        controller_metrics.set_leading(False)
        installation_metrics.shown.forget()
        if lease:
            lease.release()


def _is_at_work() -> bool:
    """Say whether this leader has recorded a heartbeat recently. Only the leader records one."""
    try:
        age = heartbeat.age()
    except redis.RedisError:
        return True  # a Redis failure is not the leader's fault
    return age is None or age < STUCK


def _record_runtime_outage(*, refused: bool) -> None:
    try:
        heartbeat.record_runtime_outage(refused=refused)
    except redis.RedisError as error:
        log.warning("runtime_state_not_recorded", error=str(error))


def compare_one(name: str) -> None:
    desktop = _rows().filter(object_name=name).first()
    if desktop:
        _reconcile(desktop, get_runtime().observe(name))


def compare_all() -> None:
    """Compare all rows that are not at rest, and everything in the runtime.

    Raises RuntimeUnknown; then nothing is changed. Rows are read after the list. If a row changes meanwhile, its
    compare-and-set fails harmlessly.
    """
    began = timezone.now()
    seen = {observed.name: observed for observed in get_runtime().list()}
    rows = {desktop.object_name: desktop for desktop in _rows().exclude(status__in=AT_REST)}
    rows |= {desktop.object_name: desktop for desktop in _rows().filter(status__in=AT_REST, object_name__in=seen)}
    _record_heartbeats()
    for number, (name, desktop) in enumerate(rows.items(), 1):
        if not number % 20:  # there may be hundreds of rows
            _record_heartbeats()
        if desktop.status_since < began:  # a younger row may not be in the list yet
            _reconcile(desktop, seen.get(name))
    for name in seen.keys() - rows.keys():
        reconcile.reconcile_missing(seen[name])
    reconcile.free_ports(seen, began)
    reconcile.sweep_volumes()
    orphaned_volumes.compare_volumes()
    run_timers()
    kept_files.run_timer()
    prune_daily()


def _record_heartbeats() -> None:
    """Record heartbeats during a long comparison."""
    heartbeat.touch_alive_file()
    heartbeat.record_controller_beat()
    heartbeat.record_runtime_answer()


def _reconcile(desktop: Desktop, observed: Observed | None) -> None:
    try:
        reconcile.reconcile_desktop(desktop, observed)
    except (redis.RedisError, OperationalError, InterfaceError):  # an outage, which has nothing to do with the row
        raise
    except Exception:  # error boundary: one bad row must not delay the others
        log.exception("row_not_reconciled", desktop=str(desktop.pk))


def _rows() -> Any:
    return Desktop.objects.select_related("owner", "volume", "image")
