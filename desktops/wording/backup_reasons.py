"""A table of all slugs of BackupTask.reason, with their meaning for people."""

from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


class BackupReason(NamedTuple):
    sentence: Text
    next_step: Text


_ASK_ADMIN = _("Ask an administrator to look at the log.")
_STORAGE_BACK = _("Try again later, or ask an administrator to check the storage of the backups.")
_TRY_AGAIN = _("Try again.")
OTHER = "backup_failed"

REASONS = {
    "repository_unreachable": BackupReason(_("The storage of the backups does not answer."), _STORAGE_BACK),
    "repository_refused": BackupReason(
        _("The storage of the backups denies access."),
        _("Ask an administrator to check the credentials of the storage."),
    ),
    "repository_full": BackupReason(
        _("The storage of the backups is full."),
        _("Delete backups that you no longer need, or ask an administrator for more room."),
    ),
    "wrong_password": BackupReason(
        _("The key of this installation does not open these backups."),
        _("Ask an administrator to put the earlier BACKUP_KEY back."),
    ),
    "repository_damaged": BackupReason(
        _("Some of the stored data is damaged."),
        _("Ask an administrator to repair the storage of the backups. Keep your present files meanwhile."),
    ),
    "restic_missing": BackupReason(
        _("The program that makes backups (restic) is not installed."), _("Ask an administrator to install restic.")
    ),
    "volume_gone": BackupReason(
        _("The home folder no longer exists."),
        _("Restore a backup as new files, then launch a desktop that uses them."),
    ),
    "no_room": BackupReason(
        _("The home folder has not enough room for the restored files."),
        _("Delete files there first, or restore only the files that you need."),
    ),
    "interrupted": BackupReason(_("It was interrupted, for example by a restart of the machine."), _TRY_AGAIN),
    "timed_out": BackupReason(
        _("It took too long and was ended."),
        _("Try again. If it happens again, ask an administrator for more time (BACKUP_DEADLINE)."),
    ),
    "desktop_runs": BackupReason(_("The desktop was not stopped."), _("Stop the desktop, then try again.")),
    "desktop_started": BackupReason(
        _("The desktop was started again, so it was not deleted."), _("Delete it again if you no longer need it.")
    ),
    "files_unread": BackupReason(
        _("Some files could not be read, so nothing was deleted."),
        _("Make these files readable, or delete without a backup."),
    ),
    "files_in_use": BackupReason(
        _("The files were used or restored again, so they were not deleted."),
        _("Delete them again if you no longer need them."),
    ),
    "quota_exceeded": BackupReason(
        _("The backups use all of the owner's quota of backup storage."),
        _("Delete backups that you no longer need, or ask an administrator for more."),
    ),
    "account_disabled": BackupReason(
        _("It was cancelled because the account was disabled."), _("Ask an administrator to enable the account.")
    ),
    "cancelled": BackupReason(_("It was cancelled."), _TRY_AGAIN),
    "out_of_memory": BackupReason(
        _("The program that makes backups had too little memory."),
        _("Ask an administrator to give backups more memory."),
    ),
    "not_started": BackupReason(
        _("The cluster found no machine with room for it."), _("Try again later, or ask an administrator.")
    ),
    "cluster_refused": BackupReason(_("The cluster refused it."), _ASK_ADMIN),
    OTHER: BackupReason(_("It failed for another reason."), _ASK_ADMIN),
}


def sentence(slug: str) -> str:
    """Return what happened, or an empty text for an empty slug."""
    return str(_reason(slug).sentence) if slug else ""


def next_step(slug: str) -> str:
    """Return what a person can do about it, or an empty text for an empty slug."""
    return str(_reason(slug).next_step) if slug else ""


def _reason(slug: str) -> BackupReason:
    return REASONS.get(slug, REASONS[OTHER])
