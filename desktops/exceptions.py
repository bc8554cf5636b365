"""Refusals that people see. `message` and `next_step` are for people; `detail` is for the log."""

from django.utils.translation import gettext_lazy as _

from core.errors import Refusal, Text


class DesktopRefusal(Refusal):
    """Base of all refusals about desktops."""


class DesktopNotFound(DesktopRefusal):
    slug, status_code = "not_found", 404
    message = _("There is no such desktop.")
    next_step = _("It may have been deleted. Go to My Desktop to see what you have.")


class BackupNotFound(DesktopNotFound):
    message = _("There is no such backup.")
    next_step = _("It may have been removed since.")


class NoPassword(DesktopNotFound):
    """The portal is the only way to this desktop."""

    slug = "no_password"
    message = _("You do not need the password of this desktop: the portal logs in for you.")
    next_step = _("Open it in the browser, or with a session token at its WebSocket URL.")


class QuotaExceeded(DesktopRefusal):
    slug = "quota_exceeded"
    message = _("This would exceed your quota.")
    next_step = _("Ask an administrator for more.")


class ImageUnavailable(DesktopRefusal):
    slug = "image_unavailable"
    message = _("This kind of desktop is not offered at present.")
    next_step = _("Choose another one.")


class AccountDisabled(DesktopRefusal):
    slug = "account_disabled"
    message = _("The account of this desktop's owner is disabled.")
    next_step = _("Enable the account first.")


class NameInvalid(DesktopRefusal):
    slug, status_code = "name_invalid", 422
    message = _("A desktop's name has 1 to 40 characters and no line breaks.")
    next_step = _("Choose another name.")


class WrongStatus(DesktopRefusal):
    slug = "wrong_status"
    message = _("The desktop is busy with another operation.")
    next_step = _("Wait a moment and try again.")
    retry_after = 2


class BeingDeleted(WrongStatus):
    message = _("The desktop of this name is being deleted.")


class NotRunning(DesktopRefusal):
    slug = "not_running"
    message = _("The desktop is not running.")
    next_step = _("Start it first.")


class LargerWhileActive(DesktopRefusal):
    slug = "larger_while_active"
    message = _("A desktop that is not stopped can only become smaller.")
    next_step = _("Stop it first.")


class PasswordUnreadable(DesktopRefusal):
    slug = "password_unreadable"
    message = _("The password of this desktop cannot be read.")
    next_step = _("Restart the desktop to get a new password.")


class VolumeInUse(DesktopRefusal):
    slug = "volume_in_use"
    message = _("An existing desktop uses these files.")
    next_step = _("Delete the desktop first.")


class VolumeLost(DesktopRefusal):
    slug = "volume_lost"
    message = _("These files no longer exist.")
    next_step = _("Choose other files or an empty home folder, or ask an administrator to restore these files.")


class FilesAreThere(DesktopRefusal):
    """New files were requested, but the present files are not lost."""

    slug = "files_are_there"
    message = _("This desktop still has its files, so it does not need new ones.")
    next_step = _(
        "Start it as usual. For an empty home folder, delete this desktop with its files, then launch another."
    )


class NoExpiry(DesktopRefusal):
    slug = "no_expiry"
    message = _("There is no date after which these files are deleted.")
    next_step = _("You do not need to postpone it.")


class AlreadyPostponed(DesktopRefusal):
    slug = "already_postponed"
    message = _("You have postponed the deletion of these files once, and cannot do so again.")
    next_step = _("Launch a desktop with them to keep them.")


class BackupsOff(DesktopRefusal):
    slug = "backups_off"
    message = _("There are no backups on this installation.")
    next_step = _("Ask an administrator to set up the storage of backups (BACKUP_REPOSITORY).")


class BackupQuotaExceeded(DesktopRefusal):
    slug = "backup_quota_exceeded"
    message = _("Your backups use all of your quota of backup storage.")
    next_step = _("Delete backups that you no longer need, or ask an administrator for more.")


class NothingToRestore(DesktopRefusal):
    """The home folder of a backup does not exist, so that no backup can be restored into it."""

    slug = "nothing_to_restore"
    message = _("The home folder of this backup no longer exists.")
    next_step = _("Restore the backup as new files, then launch a desktop that uses them.")


class RestoreWhileRunning(DesktopRefusal):
    slug = "restore_while_running"
    message = _("The desktop is not stopped, and a restore replaces all of its files.")
    next_step = _("Stop the desktop first, or restore only the files that you need.")


class BeingRestored(DesktopRefusal):
    slug = "being_restored"
    message = _("A backup is being restored into this home folder.")
    next_step = _("Wait until it is complete. The page of the backups shows when it is.")
    retry_after = 10


class RuntimeUnavailable(DesktopRefusal):
    slug, status_code = "runtime_away", 503
    message = _("The machines that run desktops do not answer at present.")
    next_step = _("Try again in a minute.")


class DidNotStart(DesktopRefusal):
    """A start that a client waited for has failed. `slug` is the reason in the desktop's row."""

    def __init__(self, slug: str, message: Text, next_step: Text) -> None:
        super().__init__(message, next_step=next_step)
        self.slug = slug


class NoSuchFile(DesktopNotFound):
    message = _("There is no such file in this backup.")
    next_step = _("Choose another one.")


class BackupsUnreachable(DesktopRefusal):
    """The repository of a backup cannot be read now."""

    slug, status_code = "backups_unreachable", 503
    message = _("The storage of the backups does not answer at present.")
    next_step = _("Try again in a minute.")


class TooManyDownloads(DesktopRefusal):
    slug, status_code = "too_many_downloads", 429
    message = _("You are downloading too many files at the same time.")
    next_step = _("Wait until one download has ended.")


class TooManyListings(DesktopRefusal):
    slug, status_code = "too_many_listings", 429
    message = _("You are opening too many folders of backups at the same time.")
    next_step = _("Wait until one of them is shown.")


class NothingChosen(DesktopRefusal):
    slug, status_code = "nothing_chosen", 422
    message = _("You have not chosen any files.")
    next_step = _("Choose at least one file or folder of the backup.")
