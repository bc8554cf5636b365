"""Jobs for the RQ workers: plain functions of an id. Each reads the row first and may run twice."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.ssh_keys import authorized_keys
from accounts.time_zones import zone_of
from core import encryption
from core.locks import desktop_lock
from desktops import notify
from desktops.lifecycle import (
    failure_log,
    home_usage,
    host_keys,
    metrics,
    node_ports,
    running_notes,
    start_timeouts,
    stop_notes,
    storage_history,
    volumes,
)
from desktops.lifecycle.queue import Work, enqueue_later
from desktops.models import AT_REST, Desktop, DesktopImage, Status, Volume
from desktops.runtimes import get_runtime
from desktops.runtimes.base import Deadline, DeletionBegun, DesktopSpec, Placement, RuntimeFault, RuntimeUnknown

log = structlog.get_logger("podesk.jobs")
_SECONDS = 25.0  # for all runtime calls of one job
_LOG_LINES, _LOG_LENGTH = 200, 20_000  # limits of the log kept after a failure: lines, characters
_BUSY = 3.0  # seconds until a job is retried if another worker has the desktop's lock
_ONLY_SLOW = ("still_stopping", "still_deleting")  # faults that are expected and need only time
_SHORTLY = 1.0  # seconds until the next check whether a home folder is deleted
_SOON, _LATEST = 2.0, 15.0  # shortest and longest delay of a start that the runtime has postponed


def start_desktop(desktop_id: str) -> None:
    with _locked(start_desktop, desktop_id) as desktop:
        if not desktop or not _claim(desktop):
            return
        try:
            _start(desktop, Deadline.after(_SECONDS))
        except RuntimeUnknown as error:  # the controller queues it again
            log.warning("runtime_unknown", error=str(error))
        except RuntimeFault as fault:
            answer = _give_up if fault.permanent else _put_off
            answer(desktop, fault)


def _start(desktop: Desktop, deadline: Deadline) -> None:
    """Start the desktop. If a node port is already in use, record that and try another."""
    while True:
        try:
            return get_runtime().start(spec_of(desktop), deadline=deadline)
        except RuntimeFault as fault:
            if fault.reason != "port_taken" or not deadline.remaining:
                raise
            node_ports.remember_foreign(int(fault.detail))


def stop_desktop(desktop_id: str) -> None:
    """Stop a desktop whose row wants nothing running. The controller sees that it is gone and updates the row."""
    with _locked(stop_desktop, desktop_id) as desktop:
        if desktop and desktop.status in (Status.STOPPING, Status.DELETING, *AT_REST):
            if desktop.status == Status.FAILED:
                _keep_log(desktop)
            home_usage.read_last(desktop)
            _note_stop(desktop, _stop(desktop.object_name, known=stop_notes.known_fault(desktop)))


def _note_stop(desktop: Desktop, error: RuntimeFault | RuntimeUnknown | None) -> None:
    """Record on the row that the cluster refuses to end the desktop, or that it no longer does."""
    if not error:
        stop_notes.accepted(desktop)
    elif isinstance(error, RuntimeFault) and error.reason not in _ONLY_SLOW:
        stop_notes.refused(desktop, error)


def renew_keys(desktop_id: str) -> None:
    """Send the owner's changed SSH keys to a running desktop."""
    with _locked(renew_keys, desktop_id) as desktop:
        if not desktop or desktop.status != Status.RUNNING:
            return
        version, keys = desktop.owner.ssh_keys_version, authorized_keys(desktop.owner)  # version first; see _claim
        try:
            get_runtime().renew_keys(desktop.object_name, keys, deadline=Deadline.after(_SECONDS))
        except RuntimeUnknown as error:  # the controller queues it again
            log.warning("keys_not_renewed", error=str(error))
        except RuntimeFault as fault:  # the controller retries, but a removed key may still work until a person acts
            log.error("keys_not_renewed", reason=fault.reason, detail=fault.detail)
        else:
            Desktop.objects.filter(pk=desktop.pk, run=desktop.run).update(ssh_keys_version=version)


def remove_orphan(object_name: str) -> None:
    """Stop a desktop that runs without a row, which should not happen."""
    if not Desktop.objects.filter(object_name=object_name).exists():
        log.warning("orphan_removed", name=object_name)
        _stop(object_name)


def mend_desktop(desktop_id: str) -> None:
    """Create again what was deleted around a running desktop. Its programs keep running."""
    with _locked(mend_desktop, desktop_id) as desktop:
        if not desktop or desktop.status != Status.RUNNING:
            return
        try:
            made = get_runtime().mend(spec_of(desktop), deadline=Deadline.after(_SECONDS))
        except RuntimeUnknown as error:  # the controller orders it again
            log.warning("not_mended", error=str(error))
        except RuntimeFault as fault:
            _log_failure("not_mended", fault, known=running_notes.known_fault(desktop), reason=fault.reason)
            if fault.permanent:
                running_notes.not_mended(desktop, fault)
        else:
            running_notes.mended(desktop, made)


def remove_leftovers(object_name: str) -> None:
    """Remove remains of a deleted desktop. Usually there are none."""
    if not Desktop.objects.filter(object_name=object_name).exists():
        log.info("leftovers_removed", name=object_name)
        _stop(object_name)


def delete_volume(volume_id: str) -> None:
    """Delete a home folder without a desktop. Its row is deleted once nothing of it is left."""
    volume = Volume.being_deleted().filter(pk=volume_id).first()
    if not volume:
        return
    volumes.note_deleting(volume)
    try:
        get_runtime().delete_volume(volume.object_name, deadline=Deadline.after(_SECONDS))
    except DeletionBegun:  # usually takes a moment; after this retry, the controller queues it again
        enqueue_later(delete_volume, volume_id, _SHORTLY)
    except (RuntimeFault, RuntimeUnknown) as error:  # the controller queues it again
        _log_failure("volume_not_deleted", error, volume=volume.object_name)
    else:
        _forget(volume)


@transaction.atomic
def _forget(volume: Volume) -> None:
    # The owner's storage use has changed.
    notify.notify_owner_after_commit(owner_id=volume.owner_id, desktop_id=volume.pk, status="")
    volume_id = volume.pk
    volume.delete()
    storage_history.record(volume_id)


def spec_of(desktop: Desktop) -> DesktopSpec:
    image = desktop.image
    return DesktopSpec(
        installation=settings.INSTALLATION_ID,
        desktop_id=str(desktop.pk),
        run=desktop.run,
        name=desktop.object_name,
        volume=desktop.volume.object_name,
        volume_used=desktop.volume.used_at is not None,
        owner_id=str(desktop.owner_id),
        owner_name=desktop.owner.get_username(),
        image=image.image or settings.DESKTOP_IMAGE,
        cpu=desktop.cpu,
        memory_mib=desktop.memory_mib,
        storage_gib=desktop.volume.storage_gib,
        gpu=desktop.gpu,
        vnc_password=encryption.decrypt(desktop.vnc_password_sealed),
        language=desktop.language or settings.LANGUAGE_CODE,
        time_zone=desktop.time_zone or zone_of(desktop.owner),
        host_key=host_keys.host_key_of(desktop),
        authorized_keys=authorized_keys(desktop.owner),
        placement=placement_of(image),
        ports=node_ports.node_ports_of(desktop),
    )


def placement_of(image: DesktopImage) -> Placement:
    return Placement(
        node_selector=image.node_selector,
        tolerations=image.tolerations,
        priority_class=image.priority_class,
        pull_secret=image.pull_secret,
        gpu_resource=image.gpu_resource,
    )


@contextmanager
def _locked(work: Work, desktop_id: str) -> Iterator[Desktop | None]:
    """Yield the row under the desktop's lock, or None if it is gone.

    If the lock is taken, yield None and retry later.
    """
    with structlog.contextvars.bound_contextvars(desktop=desktop_id), desktop_lock(desktop_id) as ours:
        if not ours:
            log.info("lock_busy")
            enqueue_later(work, desktop_id, _BUSY)
            yield None
        else:
            yield Desktop.objects.select_related("owner", "image", "volume").filter(pk=desktop_id).first()


def _claim(desktop: Desktop) -> bool:
    """Say whether this job should start the desktop.

    A row that is already starting is started again: its worker may have been killed.

    The version is read before the keys, so that a change in between is sent twice rather than never.
    """
    if desktop.status == Status.PENDING:
        return desktop.move(to=Status.STARTING, ssh_keys_version=desktop.owner.ssh_keys_version)
    return desktop.status == Status.STARTING


def _put_off(desktop: Desktop, fault: RuntimeFault) -> None:
    """Show the reason on the page and queue the start again.

    The delay grows with the waiting time, and no worker is blocked.
    """
    _log_failure("start_put_off", fault, known=desktop.reason, reason=fault.reason, detail=fault.detail)
    start_timeouts.set_reason(desktop, fault.reason, fault.detail)
    age = (timezone.now() - desktop.status_since).total_seconds()
    enqueue_later(start_desktop, desktop.pk, min(_LATEST, max(_SOON, age / 4)))


def _give_up(desktop: Desktop, fault: RuntimeFault) -> None:
    failure_log.failed(log, "start_refused", desktop, reason=fault.reason, detail=fault.detail)
    if fault.reason == "volume_lost":
        volumes.note_lost(desktop.volume)
    params = {"reason": fault.reason, "detail": fault.detail[:500], "facts": fault.facts}
    if desktop.move(to=Status.FAILED, reason=fault.reason, reason_facts=fault.facts, event_params=params):
        metrics.count_failed_after_commit(Status.STARTING, fault.reason)
        _stop(desktop.object_name)


def _keep_log(desktop: Desktop) -> None:
    """Keep the log of a failed desktop before it is removed.

    The first copy is kept, because it is closest to the failure.
    """
    if desktop.last_log:
        return
    try:
        text = get_runtime().logs(desktop.object_name, lines=_LOG_LINES)
    except (RuntimeFault, RuntimeUnknown) as error:  # a lost machine has no log; do not wait for it
        log.warning("log_not_kept", error=str(error))
        return
    kept = text.replace("\0", "")[-_LOG_LENGTH:]  # PostgreSQL does not accept null characters
    Desktop.objects.filter(pk=desktop.pk, run=desktop.run, status=Status.FAILED).update(last_log=kept)


def _stop(object_name: str, known: str = "") -> RuntimeFault | RuntimeUnknown | None:
    """Return why it could not be stopped, or None. The controller queues it again. `known`: reason of the last try."""
    try:
        get_runtime().stop(object_name, deadline=Deadline.after(_SECONDS))
    except (RuntimeFault, RuntimeUnknown) as error:
        _log_failure("not_stopped", error, known=known, name=object_name)
        return error
    return None


def _log_failure(event: str, error: RuntimeFault | RuntimeUnknown, *, known: str = "", **facts: str) -> None:
    """Log a failed call: as a warning, but as information if it needs only time or its reason is already known."""
    ordinary = isinstance(error, RuntimeFault) and error.reason in (*_ONLY_SLOW, known)
    (log.info if ordinary else log.warning)(event, error=str(error), **facts)
