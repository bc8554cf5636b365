"""Actions on desktops. Each is one transaction: check, change the row, audit. Jobs are queued after commit."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.audit import Actor, Given, Made, audited
from accounts.disconnects import Disconnect, disconnect_after_commit
from accounts.models import User
from accounts.quotas import effective
from desktops import connection_info, quota, token_scopes
from desktops.exceptions import (
    AccountDisabled,
    BeingDeleted,
    DesktopNotFound,
    FilesAreThere,
    ImageUnavailable,
    NoPassword,
    NotRunning,
    PasswordUnreadable,
    VolumeInUse,
    WrongStatus,
)
from desktops.lifecycle import desktop_size, host_keys, jobs, storage_history, volumes
from desktops.lifecycle.desktop_name import clean_name
from desktops.lifecycle.queue import enqueue_after_commit
from desktops.lifecycle.restores import refuse_if_being_restored
from desktops.lifecycle.runs import fresh_run
from desktops.models import AT_REST, LAUNCHING, Desktop, DesktopEvent, DesktopImage, DesktopSize, Status, Volume
from desktops.runtimes import names


@dataclass(frozen=True)
class LaunchRequest:
    """What to launch. A size without a key is custom and has no name."""

    image: DesktopImage
    size: DesktopSize
    name: str = "desktop"
    volume: Volume | None = None  # kept files to use again
    language: str = ""  # Django's code of the language in which the person reads the pages
    time_zone: str = ""  # for this desktop only; empty: the person's own


@dataclass(frozen=True)
class Launched:
    """The result of a launch: `created` if the desktop is new, `ordered` if its start was queued now."""

    desktop: Desktop
    created: bool = False
    ordered: bool = False


def _audited(action: str) -> Callable[[Callable[Given, Made]], Callable[Given, Made]]:
    return audited(action, target=lambda given: given["desktop"].pk, more=lambda given: _names(given["desktop"]))


def _record(action: str, *, desktop: Desktop, by: Actor, **details: Any) -> None:
    audit.record(action, by=by, target=desktop.pk, **_names(desktop), **details)


def _names(desktop: Desktop) -> dict[str, str]:
    """Return the names that people and scripts use, for audit entries that outlive the desktop."""
    return {"pod_name": desktop.object_name, "name": desktop.name}


def launch_desktop(*, by: Actor, wanted: LaunchRequest) -> Desktop:
    """Return the desktop of that name after launching it or starting the existing one. Raises DesktopRefusal."""
    return launch(by=by, wanted=wanted).desktop


@audited("desktop.launch", target=lambda given: given["wanted"].name)
@transaction.atomic
def launch(*, by: Actor, wanted: LaunchRequest) -> Launched:
    """Launch a desktop, or start the existing one of that name, and say which was done. Raises DesktopRefusal."""
    owner = _lock(by.user)
    name = clean_name(wanted.name)
    if existing := Desktop.objects.filter(owner=owner, name=name).first():
        return _take(existing, by)
    if not quota.is_offered(wanted.image, wanted.size):
        raise ImageUnavailable(field="image")
    need = quota.need_of(wanted.size, kept=wanted.volume, new=True)
    quota.refuse_if_over(owner, need, asked_in="resource_quota")
    desktop = _create(owner, name, wanted)
    storage_history.record(desktop.volume_id)
    DesktopEvent.write(desktop, "queued")
    enqueue_after_commit(jobs.start_desktop, desktop.pk)
    desktop.notify_owner()
    size: dict[str, Any] = {"size": wanted.size.name, "resource_quota": token_scopes.quantities(desktop)}
    _record("desktop.launch", desktop=desktop, by=by, image=wanted.image.name, **size)
    return Launched(desktop, created=True, ordered=True)


@audited("desktop.launch", target=lambda given: given["desktop"].name)
@transaction.atomic
def launch_existing(*, desktop: Desktop, by: Actor, new_files: bool = False) -> Launched | None:
    """Start an existing desktop, whatever is on offer today.

    Returns None if it has just been deleted. Raises DesktopRefusal.
    """
    _lock(by.user)
    existing = Desktop.objects.filter(pk=desktop.pk).first()
    return _take(existing, by, new_files=new_files) if existing else None


def _take(existing: Desktop, by: Actor, *, new_files: bool = False) -> Launched:
    if existing.status == Status.DELETING:
        raise BeingDeleted
    if existing.status not in AT_REST:
        return Launched(existing)
    start_desktop(desktop=existing, by=by, new_files=new_files)
    return Launched(existing, ordered=True)


@_audited("desktop.start")
@transaction.atomic
def start_desktop(*, desktop: Desktop, by: Actor, new_files: bool = False) -> None:
    """Start a desktop at rest. `new_files` replaces its lost home folder with an empty one. Raises DesktopRefusal."""
    owner = _lock(desktop.owner)
    _refresh(desktop)
    if desktop.status in (*LAUNCHING, Status.RUNNING):
        return
    if desktop.status not in AT_REST:
        raise WrongStatus
    if new_files and not desktop.volume.lost_at:
        raise FilesAreThere
    refuse_if_being_restored(desktop.volume_id)
    desktop_size.take_next(desktop)
    quota.refuse_if_over(owner, quota.need_of(desktop, kept=None if new_files else desktop.volume, new=False))
    fields = fresh_run() | ({"volume": volumes.replace_lost(desktop)} if new_files else {})
    if not desktop.move(to=Status.PENDING, run=desktop.run + 1, event="queued", **fields):
        raise WrongStatus
    if new_files:
        storage_history.record(desktop.volume_id)
    enqueue_after_commit(jobs.start_desktop, desktop.pk)
    _record("desktop.start", desktop=desktop, by=by, **({"new_files": True} if new_files else {}))


@_audited("desktop.stop")
@transaction.atomic
def stop_desktop(*, desktop: Desktop, by: Actor) -> None:
    _refresh(desktop)
    if desktop.status in (*AT_REST, Status.DELETING):
        return
    reason = "by_owner" if by.user == desktop.owner else "by_admin"
    if desktop.status == Status.STOPPING:  # cancels a restart that has not yet started again
        Desktop.objects.filter(pk=desktop.pk, status=Status.STOPPING).update(restarting=False, reason=reason)
    elif not desktop.move(to=Status.STOPPING, by=by.user.get_username(), reason=reason, restarting=False):
        raise WrongStatus
    _order_stop(desktop, "stopped")
    _record("desktop.stop", desktop=desktop, by=by)


@_audited("desktop.restart")
@transaction.atomic
def restart_desktop(*, desktop: Desktop, by: Actor) -> None:
    _refresh(desktop)
    if desktop.status in AT_REST:
        return start_desktop(desktop=desktop, by=by)
    if desktop.status != Status.RUNNING or not desktop.move(
        to=Status.STOPPING, by=by.user.get_username(), reason="restart", restarting=True, event="restarting"
    ):
        raise WrongStatus
    _order_stop(desktop, "restarted")
    _record("desktop.restart", desktop=desktop, by=by)
    return None


@_audited("desktop.delete")
@transaction.atomic
def delete_desktop(*, desktop: Desktop, by: Actor, keep_data: bool) -> None:
    """Delete a desktop. The row is removed once the runtime has nothing left of it.

    `keep_data` keeps its files as a volume. While it is being deleted, a second call may still drop the files, but
    cannot keep files that are to be deleted. Raises DesktopNotFound.
    """
    _refresh(desktop)
    if desktop.status == Status.DELETING:
        if desktop.keep_data and not keep_data:
            _give_up_files(desktop, by)
        return
    if not desktop.move(to=Status.DELETING, by=by.user.get_username(), keep_data=keep_data, restarting=False):
        raise WrongStatus
    _order_stop(desktop, "deleted")
    _record("desktop.delete", desktop=desktop, by=by, keep_data=keep_data)


def _give_up_files(desktop: Desktop, by: Actor) -> None:
    if not Desktop.objects.filter(pk=desktop.pk, status=Status.DELETING).update(keep_data=False):
        raise DesktopNotFound  # already deleted; its files are now a kept volume
    _record("desktop.delete", desktop=desktop, by=by, keep_data=False)


@_audited("desktop.extend")
@transaction.atomic
def extend_desktop(*, desktop: Desktop, by: Actor) -> None:
    """Give a running desktop the full time limit of its owner's quota, counted from now.

    Never shortens the time. A desktop without a limit keeps none. Raises NotRunning.
    """
    _refresh(desktop)
    minutes = effective(desktop.owner).max_lifetime_minutes.value
    expires_at = desktop.expires_at and max(desktop.expires_at, timezone.now() + timedelta(minutes=minutes))
    same_run = Desktop.objects.filter(pk=desktop.pk, run=desktop.run, status=Status.RUNNING)
    if not same_run.update(expires_at=expires_at if minutes else None):
        raise NotRunning
    _refresh(desktop)
    desktop.notify_owner()
    until = desktop.expires_at and desktop.expires_at.isoformat()
    _record("desktop.extend", desktop=desktop, by=by, expires_at=until)


@_audited("desktop.password_shown")
@transaction.atomic
def show_password(*, desktop: Desktop, by: Actor) -> str:
    """Return the VNC password, for programs that connect directly. Raises DesktopRefusal."""
    if settings.DESKTOP_EXPOSURE == "proxy":
        raise NoPassword  # the password never leaves the server if the portal is the only way
    if not connection_info.is_direct(desktop):
        raise NotRunning
    try:
        password = connection_info.password(desktop)
    except InvalidToken:
        raise PasswordUnreadable(detail="none of SECRETS_KEYS decrypts it")
    _record("desktop.password_shown", desktop=desktop, by=by)
    return password


@audited("volume.delete", target=lambda given: given["volume"].pk)
@transaction.atomic
def delete_volume(*, volume: Volume, by: Actor) -> None:
    """Permanently delete kept files."""
    if Desktop.objects.filter(volume=volume).exists():
        raise VolumeInUse
    Volume.objects.filter(pk=volume.pk).update(**Volume.NOT_KEPT)
    enqueue_after_commit(jobs.delete_volume, volume.pk)
    audit.record("volume.delete", by=by, target=volume.pk, name=volume.desktop_name)


def _lock(user: User) -> User:
    """Lock a person's row until commit, so that their launches and starts run one at a time and the quota check holds.

    Disabling an account takes the same lock: it waits for a launch, or is seen here. Raises AccountDisabled.
    """
    owner = User.objects.select_for_update().get(pk=user.pk)
    if not owner.is_active:
        raise AccountDisabled
    return owner


def _refresh(desktop: Desktop) -> None:
    """Read the row again. Raises DesktopNotFound if it has been deleted meanwhile."""
    try:
        desktop.refresh_from_db()
    except Desktop.DoesNotExist:
        raise DesktopNotFound


def _create(owner: User, name: str, wanted: LaunchRequest) -> Desktop:
    identity, volume = uuid4(), _volume(owner, name, wanted)
    return Desktop.objects.create(
        id=identity,
        owner=owner,
        name=name,
        image=wanted.image,
        language=wanted.language,
        time_zone=wanted.time_zone,
        size_name=wanted.size.name,
        cpu=wanted.size.cpu,
        memory_mib=wanted.size.memory_mib,
        storage_gib=volume.storage_gib,  # kept files keep their size: not every cluster can resize volumes
        gpu=wanted.size.gpu,
        volume=volume,
        host_key_sealed=host_keys.new_host_key(),
        object_name=names.desktop_name(owner.get_username(), str(identity)),
        **fresh_run(),
    )


def _volume(owner: User, name: str, wanted: LaunchRequest) -> Volume:
    if wanted.volume:
        return volumes.use_again(owner, wanted.volume)
    return volumes.create(owner, name, wanted.size.storage_gib)


def _order_stop(desktop: Desktop, reason: str) -> None:
    enqueue_after_commit(jobs.stop_desktop, desktop.pk)
    disconnect_after_commit(Disconnect("desktop", str(desktop.pk), reason))
