"""Make rows match the runtime: observations change rows, and lost jobs are queued again."""

import time
from collections.abc import Container
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.disconnects import Disconnect, disconnect_after_commit
from accounts.quotas import effective
from core.redis import client, key
from desktops.lifecycle import (
    desktop_size,
    failure_log,
    jobs,
    metrics,
    node_ports,
    running_notes,
    start_timeouts,
    storage_history,
    volumes,
)
from desktops.lifecycle.queue import enqueue_after_commit, enqueue_again, is_behind
from desktops.lifecycle.runs import NO_ENDPOINT, fresh_run
from desktops.models import AT_REST, Desktop, DesktopEvent, DesktopRun, RunResult, Status, Volume
from desktops.runtimes.base import Observed, Phase

log = structlog.get_logger("podesk.reconcile")
_RESTARTED = {"out_of_memory": "restarted_memory", "screen_crashed": "restarted_screen"}  # by the runtime's reason
QUEUE_TIMEOUT = 10  # seconds that a row may wait for a worker before its job is queued again


def reconcile_desktop(desktop: Desktop, seen: Observed | None) -> None:
    """Compare one row with its observation. `None` means certainly not there; never pass it for "unknown"."""
    if seen and seen.run != desktop.run:
        seen = None  # from an earlier run; the start of this run ends it
    with structlog.contextvars.bound_contextvars(desktop=str(desktop.pk)):
        match desktop.status:
            case Status.PENDING:
                _queue_again_if_lost(desktop)
            case Status.STARTING:
                _starting(desktop, seen)
            case Status.RUNNING:
                _running(desktop, seen)
            case Status.STOPPING:
                _stopping(desktop, seen)
            case Status.DELETING:
                _deleting(desktop, seen)
            case _ if desktop.status in AT_REST and seen:
                enqueue_again(jobs.stop_desktop, desktop.pk)


def reconcile_missing(seen: Observed) -> None:
    """Remove a desktop that runs without a row, after a grace period."""
    first_seen = key("orphan", seen.name)
    client().set(first_seen, timezone.now().isoformat(), nx=True, ex=24 * 3600)
    since = datetime.fromisoformat(str(client().get(first_seen)))
    if timezone.now() - since > timedelta(seconds=settings.ORPHAN_GRACE):
        enqueue_again(jobs.remove_orphan, seen.name)


def free_ports(seen: Container[str], listed_at: datetime) -> None:
    """Release the ports of failed desktops once nothing of them is left. Until then, their Services use the ports."""
    failed = Desktop.objects.filter(status=Status.FAILED, status_since__lt=listed_at)
    for desktop in failed.filter(ports__isnull=False).distinct():
        if desktop.object_name not in seen:
            _free_ports(desktop)


@transaction.atomic
def _free_ports(desktop: Desktop) -> None:
    """Release the ports under the row's lock, so that a concurrent start leases new ones."""
    rows = Desktop.objects.select_for_update().filter(pk=desktop.pk, run=desktop.run, status=Status.FAILED)
    if rows.values_list("pk").first():
        node_ports.release(desktop)


def sweep_volumes() -> None:
    """Delete volumes whose deletion was requested but did not happen."""
    for volume in Volume.being_deleted():
        enqueue_again(jobs.delete_volume, volume.pk)


@transaction.atomic  # steps and status in one commit, to save time during a start
def _starting(desktop: Desktop, seen: Observed | None) -> None:
    _write_steps(desktop, seen)
    if seen and seen.phase == Phase.READY:
        _ready(desktop, seen)
    elif seen and seen.phase in (Phase.FAILED, Phase.ENDED):
        _fail(desktop, seen.reason or "start_failed", seen.detail)
    elif late := start_timeouts.too_long(desktop, seen):
        if seen or desktop.reason_since or not _queue_once_more(desktop):
            _fail(desktop, late, seen.detail if seen else "nothing was observed")
    elif seen:
        start_timeouts.record_reason(desktop, seen)
    else:
        _queue_again_if_lost(desktop)


def _running(desktop: Desktop, seen: Observed | None) -> None:
    if not seen or seen.phase in (Phase.FAILED, Phase.STOPPING):
        _fail(desktop, (seen and seen.reason) or "vanished", seen.detail if seen else "")
    elif seen.phase == Phase.ENDED:
        _set_stopped(desktop, "logged_out_inside")
    elif seen.phase == Phase.READY:
        _update_running(desktop, seen)
    else:
        now = "restarting_session" if seen.reason == "restarting_container" else "not_answering"
        if desktop.reason != now:
            running_notes.set_reason(desktop, now)


def _update_running(desktop: Desktop, seen: Observed) -> None:
    """Update the row of a running desktop: its addresses may have changed, or its container may have restarted."""
    fields = _endpoint_fields(seen)
    if any(getattr(desktop, name) != value for name, value in fields.items()):
        Desktop.objects.filter(pk=desktop.pk, run=desktop.run).update(**fields)
        desktop.notify_owner()
    if seen.restarts > desktop.container_restarts:
        Desktop.objects.filter(pk=desktop.pk, run=desktop.run).update(container_restarts=seen.restarts)
        reason = _RESTARTED.get(seen.reason, "restarted_crash")
        DesktopEvent.write(desktop, "restarted", reason=reason)
        running_notes.set_reason(desktop, reason)
    elif desktop.reason in ("not_answering", "restarting_session"):
        running_notes.set_reason(desktop, "")
    else:
        _request_repair(desktop, seen)


def _request_repair(desktop: Desktop, seen: Observed) -> None:
    """Have a worker create again what was deleted around it in the cluster."""
    if seen.missing and desktop.reason not in running_notes.INCOMPLETE:
        running_notes.missing(desktop, seen.missing)
    if seen.missing or seen.suspect:
        enqueue_again(jobs.mend_desktop, desktop.pk)
    elif seen.missing == () and running_notes.is_over(desktop):
        running_notes.set_reason(desktop, "")


def inspect(desktop_id: str) -> None:
    """Have a worker check all objects of a running desktop that a stream could not reach."""
    if Desktop.objects.filter(pk=desktop_id, status=Status.RUNNING).exists():
        enqueue_again(jobs.mend_desktop, desktop_id)


def _stopping(desktop: Desktop, seen: Observed | None) -> None:
    if seen:
        _queue_again_if_lost(desktop)
    elif desktop.restarting:
        _start_again(desktop)
    else:
        _set_stopped(desktop, desktop.reason)


def _deleting(desktop: Desktop, seen: Observed | None) -> None:
    if seen:
        return _queue_again_if_lost(desktop)
    with transaction.atomic():
        # Locked, so that a concurrent change of keep_data either happens before this or is refused.
        rows = Desktop.objects.select_for_update().filter(pk=desktop.pk, status=Status.DELETING)
        keep_data = rows.values_list("keep_data", flat=True).first()
        if keep_data is None or not rows.delete()[0]:
            return None
        DesktopRun.end(desktop.pk, desktop.run, RunResult.DELETED)
        # A start that was killed half way may have left objects that only the runtime's stop finds.
        enqueue_after_commit(jobs.remove_leftovers, desktop.object_name)
        kept_at = timezone.now() if keep_data else None
        Volume.objects.filter(pk=desktop.volume_id).update(kept_at=kept_at, desktop_name=desktop.name)
        if keep_data:
            storage_history.record(desktop.volume_id)
        else:
            enqueue_after_commit(jobs.delete_volume, desktop.volume_id)
        desktop.notify_owner()
    log.info("desktop_deleted", kept=keep_data)
    return None


def _ready(desktop: Desktop, seen: Observed) -> None:
    now, quota = timezone.now(), effective(desktop.owner)
    lifetime = quota.max_lifetime_minutes.value
    moved = desktop.move(
        to=Status.RUNNING,
        reason="",
        started_at=now,
        last_input_at=now,  # idle time starts here
        expires_at=now + timedelta(minutes=lifetime) if lifetime else None,
        idle_minutes=quota.idle_minutes.value,
        container_restarts=seen.restarts,
        **_endpoint_fields(seen),
    )
    if moved:
        metrics.count_ready_after_commit(desktop)
    Volume.objects.filter(pk=desktop.volume_id, used_at=None).update(used_at=now)
    if desktop.volume.lost_at:
        volumes.note_found(desktop.volume)


def _fail(desktop: Desktop, reason: str, detail: str) -> None:
    failure_log.failed(log, "desktop_failed", desktop, reason=reason, detail=detail)
    before = desktop.status
    with transaction.atomic():
        if desktop.move(to=Status.FAILED, reason=reason, event_params={"reason": reason, "detail": detail[:500]}):
            metrics.count_failed_after_commit(before, reason)
            disconnect_after_commit(Disconnect("desktop", str(desktop.pk), "failed"))
            if reason == "volume_lost":
                volumes.note_lost(desktop.volume)
            # Stop it: a failed desktop uses resources outside the quota, and may come back with its machine.
            enqueue_after_commit(jobs.stop_desktop, desktop.pk)


def _set_stopped(desktop: Desktop, reason: str) -> None:
    with transaction.atomic():
        if desktop.move(to=Status.STOPPED, reason=reason, event_params={"reason": reason}, **NO_ENDPOINT):
            node_ports.release(desktop)
            disconnect_after_commit(Disconnect("desktop", str(desktop.pk), "stopped"))
            enqueue_after_commit(jobs.stop_desktop, desktop.pk)  # the runtime then removes one that ended by itself


def _start_again(desktop: Desktop) -> None:
    with transaction.atomic():
        desktop_size.take_next(desktop)
        if desktop.move(to=Status.PENDING, run=desktop.run + 1, event="queued", **fresh_run()):
            enqueue_after_commit(jobs.start_desktop, desktop.pk)


def _queue_again_if_lost(desktop: Desktop) -> None:
    """Queue the job of this row again if it was lost, by a killed worker or an emptied Redis."""
    starting = desktop.status in (Status.PENDING, Status.STARTING)
    if _age(desktop) > QUEUE_TIMEOUT:
        enqueue_again(jobs.start_desktop if starting else jobs.stop_desktop, desktop.pk)


def _queue_once_more(desktop: Desktop) -> bool:
    """Queue a start once more before giving it up, if nothing of it was ever seen. Its job may be lost."""
    if is_behind():
        return True  # the job is still waiting
    ordered = key("once-more", f"{desktop.pk}-{desktop.run}")
    if client().set(ordered, str(time.time()), nx=True, ex=24 * 3600):
        enqueue_again(jobs.start_desktop, desktop.pk)
        return True
    return time.time() - float(str(client().get(ordered))) < QUEUE_TIMEOUT


def _write_steps(desktop: Desktop, seen: Observed | None) -> None:
    # A desktop that was not observed has no steps. This skips a query for each waiting desktop.
    if not seen or not seen.steps:
        return
    known = set(desktop.events.filter(run=desktop.run, kind__in=DesktopEvent.STEPS).values_list("kind", flat=True))
    new = {kind: at for kind, at in seen.steps.items() if kind not in known}
    for kind, at in new.items():
        # The cluster's times are whole seconds, so a step may seem earlier than the start was requested.
        DesktopEvent.write(desktop, kind, at=max(at, desktop.status_since))
    if new and seen.phase != Phase.READY:  # a ready desktop's status change already notifies
        desktop.notify_owner()


def _age(desktop: Desktop) -> float:
    """Return the seconds in the present status."""
    return (timezone.now() - desktop.status_since).total_seconds()


def _endpoint_fields(seen: Observed) -> dict[str, Any]:
    endpoint, exposed = seen.endpoint, seen.exposed
    found: dict[str, Any] = dict(NO_ENDPOINT)
    if endpoint:
        found |= {
            "endpoint_kind": endpoint.kind,
            "endpoint_address": endpoint.address,
            "endpoint_port": endpoint.port,
        }
    if exposed:
        found |= {f"exposed_{name}": value for name, value in asdict(exposed).items()}
    return found
