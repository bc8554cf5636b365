"""Work done by RQ workers: plain functions of an id. Each starts from the row and may run twice."""

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
from desktops.lifecycle import host_keys, node_ports, start_timeouts, volumes
from desktops.lifecycle.queue import Work, enqueue_later
from desktops.models import AT_REST, Desktop, Status, Volume
from desktops.runtimes import get_runtime
from desktops.runtimes.base import Deadline, DeletionBegun, DesktopSpec, Placement, RuntimeFault, RuntimeUnknown

log = structlog.get_logger("podesk.jobs")
_SECONDS = 25.0  # for all calls of one job
_LOG_LINES, _LOG_LENGTH = 200, 20_000  # of what is kept of a failure: lines, characters
_BUSY = 3.0  # seconds until work is tried again that found another worker at its desktop
_ONLY_SLOW = ("still_stopping", "still_deleting")  # faults that are part of normal life
_SHORTLY = 1.0  # seconds until a look whether a home folder is gone
_SOON, _LATEST = 2.0, 15.0  # the same, for a start that the runtime has put off


def start_desktop(desktop_id: str) -> None:
    with _alone(start_desktop, desktop_id) as desktop:
        if not desktop or not _claim(desktop):
            return
        try:
            _start(desktop, Deadline.after(_SECONDS))
        except RuntimeUnknown as error:  # the controller orders it again
            log.warning("runtime_unknown", error=str(error))
        except RuntimeFault as fault:
            answer = _give_up if fault.permanent else _put_off
            answer(desktop, fault)


def _start(desktop: Desktop, deadline: Deadline) -> None:
    """A node port that turns out to be taken is remembered, and another one tried."""
    while True:
        try:
            return get_runtime().start(spec_of(desktop), deadline=deadline)
        except RuntimeFault as fault:
            if fault.reason != "port_taken" or not deadline.remaining:
                raise
            node_ports.remember_foreign(int(fault.detail))


def stop_desktop(desktop_id: str) -> None:
    """For rows that want nothing running. The controller sees it gone and finishes the row."""
    with _alone(stop_desktop, desktop_id) as desktop:
        if desktop and desktop.status in (Status.STOPPING, Status.DELETING, *AT_REST):
            if desktop.status == Status.FAILED:
                _keep_log(desktop)
            _stop(desktop.object_name)


def renew_keys(desktop_id: str) -> None:
    """Its owner's SSH keys have changed while it runs."""
    with _alone(renew_keys, desktop_id) as desktop:
        if not desktop or desktop.status != Status.RUNNING:
            return
        version, keys = desktop.owner.ssh_keys_version, authorized_keys(desktop.owner)  # in this order: see _claim
        try:
            get_runtime().renew_keys(desktop.object_name, keys, deadline=Deadline.after(_SECONDS))
        except RuntimeUnknown as error:  # the controller orders it again
            log.warning("keys_not_renewed", error=str(error))
        except RuntimeFault as fault:  # here too; but until somebody acts, a removed key may go on opening it
            log.error("keys_not_renewed", reason=fault.reason, detail=fault.detail)
        else:
            Desktop.objects.filter(pk=desktop.pk, run=desktop.run).update(ssh_keys_version=version)


def remove_orphan(object_name: str) -> None:
    """End what runs in our name without a row, which should not happen."""
    if not Desktop.objects.filter(object_name=object_name).exists():
        log.warning("orphan_removed", name=object_name)
        _stop(object_name)


def remove_leftovers(object_name: str) -> None:
    """Remove what a deleted desktop may have left: as a rule, nothing."""
    if not Desktop.objects.filter(object_name=object_name).exists():
        log.info("leftovers_removed", name=object_name)
        _stop(object_name)


def delete_volume(volume_id: str) -> None:
    """Remove a home folder that no desktop has. Its row goes when nothing of it is left."""
    volume = Volume.being_deleted().filter(pk=volume_id).first()
    if not volume:
        return
    try:
        get_runtime().delete_volume(volume.object_name, deadline=Deadline.after(_SECONDS))
    except DeletionBegun:  # in most cases it takes a moment; after that the controller orders it again
        enqueue_later(delete_volume, volume_id, _SHORTLY)
    except (RuntimeFault, RuntimeUnknown) as error:  # the controller orders it again
        _say("volume_not_deleted", error, volume=volume.object_name)
    else:
        _forget(volume)


@transaction.atomic
def _forget(volume: Volume) -> None:
    notify.notify_owner_after_commit(
        owner_id=volume.owner_id, desktop_id=volume.pk, status=""
    )  # what is used has changed
    volume.delete()


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
        placement=Placement(
            node_selector=image.node_selector,
            tolerations=image.tolerations,
            priority_class=image.priority_class,
            pull_secret=image.pull_secret,
            gpu_resource=image.gpu_resource,
        ),
        ports=node_ports.node_ports_of(desktop),
    )


@contextmanager
def _alone(work: Work, desktop_id: str) -> Iterator[Desktop | None]:
    """The row, with nobody else at work on it; None when it is gone, or somebody else is at it: then later again."""
    with structlog.contextvars.bound_contextvars(desktop=desktop_id), desktop_lock(desktop_id) as ours:
        if not ours:
            log.info("lock_busy")
            enqueue_later(work, desktop_id, _BUSY)
            yield None
        else:
            yield Desktop.objects.select_related("owner", "image", "volume").filter(pk=desktop_id).first()


def _claim(desktop: Desktop) -> bool:
    """Is it ours to start? Starting already: an earlier worker may have been killed, so go over it again.

    The keys are read after their version: what changes in between is told once more, not never.
    """
    if desktop.status == Status.PENDING:
        return desktop.move(to=Status.STARTING, ssh_keys_version=desktop.owner.ssh_keys_version)
    return desktop.status == Status.STARTING


def _put_off(desktop: Desktop, fault: RuntimeFault) -> None:
    """The page says why. Nobody waits while holding a worker: the longer it has lasted, the later it comes again."""
    _say("start_put_off", fault, reason=fault.reason, detail=fault.detail)
    start_timeouts.say(desktop, fault.reason, fault.detail)
    age = (timezone.now() - desktop.status_since).total_seconds()
    enqueue_later(start_desktop, desktop.pk, min(_LATEST, max(_SOON, age / 4)))


def _give_up(desktop: Desktop, fault: RuntimeFault) -> None:
    log.error("start_refused", reason=fault.reason, detail=fault.detail)
    if fault.reason == "volume_lost":
        volumes.note_lost(desktop.volume)
    told = {"reason": fault.reason, "detail": fault.detail[:500], "facts": fault.facts}
    if desktop.move(to=Status.FAILED, reason=fault.reason, reason_facts=fault.facts, event_params=told):
        _stop(desktop.object_name)


def _keep_log(desktop: Desktop) -> None:
    """Its log ends with it, and the reason of its failure may point there. What was kept first is nearest to that."""
    if desktop.last_log:
        return
    try:
        said = get_runtime().logs(desktop.object_name, lines=_LOG_LINES)
    except (RuntimeFault, RuntimeUnknown) as error:  # a machine that is gone tells nothing: no reason to go on waiting
        log.warning("log_not_kept", error=str(error))
        return
    kept = said.replace("\0", "")[-_LOG_LENGTH:]  # PostgreSQL takes no zero bytes
    Desktop.objects.filter(pk=desktop.pk, run=desktop.run, status=Status.FAILED).update(last_log=kept)


def _stop(object_name: str) -> None:
    try:
        get_runtime().stop(object_name, deadline=Deadline.after(_SECONDS))
    except (RuntimeFault, RuntimeUnknown) as error:  # the controller orders it again
        _say("not_stopped", error, name=object_name)


def _say(event: str, error: RuntimeFault | RuntimeUnknown, **facts: str) -> None:
    """Log a call that did not succeed: as a warning, unless something only needs a moment longer."""
    only_slow = isinstance(error, RuntimeFault) and error.reason in _ONLY_SLOW
    (log.info if only_slow else log.warning)(event, error=str(error), **facts)
