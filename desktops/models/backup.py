"""Backups of home folders: the repository of each home folder, the snapshots in it, and the tasks that change it."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from desktops import notify
from desktops.models.volume import Volume


class BackupRepository(models.Model):
    """The restic repository of one home folder. It remains when the home folder is deleted."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)  # also names it in the storage
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="backup_repositories", verbose_name=_("owner")
    )
    volume = models.OneToOneField(
        Volume, models.SET_NULL, null=True, blank=True, related_name="backup_repository", verbose_name=_("volume")
    )
    desktop_name = models.CharField(_("desktop"), max_length=40)  # the desktop that the files come from, for people
    storage_gib = models.PositiveIntegerField(_("storage (GiB)"))  # of the home folder
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    due_at = models.DateTimeField(null=True, blank=True, db_index=True)  # of the next scheduled backup; null: never
    succeeded_at = models.DateTimeField(_("last backup"), null=True, blank=True)
    # Until when all changes in the home folder are saved. Later than the last backup if there were none since.
    saved_until = models.DateTimeField(null=True, blank=True)
    failed_since = models.DateTimeField(_("failing since"), null=True, blank=True)  # first failure after a success
    reason = models.CharField(_("reason"), max_length=40, blank=True)  # of the last failure
    size_bytes = models.PositiveBigIntegerField(_("size in bytes"), default=0)  # in the storage
    tidied_at = models.DateTimeField(null=True, blank=True)  # when old snapshots were last removed
    checked_at = models.DateTimeField(null=True, blank=True)  # when a verification last ended, well or not
    next_part = models.PositiveIntegerField(default=1)  # of the data, for the next verification
    damaged_since = models.DateTimeField(_("damaged since"), null=True, blank=True)
    # When the deletion of all its backups was requested. The row is deleted once the storage has none left.
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("backup repository")
        verbose_name_plural = _("backup repositories")

    def __str__(self) -> str:
        return str(self.id)


class Backup(models.Model):
    """One snapshot of a home folder."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    repository = models.ForeignKey(BackupRepository, models.CASCADE, related_name="backups")
    snapshot = models.CharField(max_length=64, unique=True)  # restic's id
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    trigger = models.CharField(max_length=16)  # see BackupTask.Trigger
    size_bytes = models.PositiveBigIntegerField(_("size in bytes"), default=0)
    added_bytes = models.PositiveBigIntegerField(default=0)  # stored in the repository that was not there
    files_new = models.PositiveIntegerField(default=0)
    files_changed = models.PositiveIntegerField(default=0)
    files_unmodified = models.PositiveIntegerField(default=0)
    files_unread = models.PositiveIntegerField(default=0)  # could not be read, so they are not in the snapshot
    verified_at = models.DateTimeField(_("verified"), null=True, blank=True)  # a file of it was restored and compared
    deleted_at = models.DateTimeField(null=True, blank=True)  # when its deletion was requested

    class Meta:
        verbose_name = _("backup")
        verbose_name_plural = _("backups")
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return str(self.snapshot)[:8]


class BackupTask(models.Model):
    """One run of restic on a repository. Its status changes by compare-and-set; the controller observes it."""

    class Kind(models.TextChoices):
        BACKUP = "backup", _("Backup")
        RESTORE = "restore", _("Restore")
        VERIFY = "verify", _("Verification")
        FORGET = "forget", _("Removal of old backups")

    class Status(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")

    OPEN = (Status.QUEUED, Status.RUNNING)

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", _("By schedule")
        REQUEST = "request", _("On request")
        BEFORE_DELETE = "before_delete", _("Before deleting")
        BEFORE_RESTORE = "before_restore", _("Before restoring")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    repository = models.ForeignKey(BackupRepository, models.CASCADE, related_name="tasks")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.QUEUED, db_index=True)
    trigger = models.CharField(max_length=16, choices=Trigger.choices)
    # RESTORE: which snapshot goes where. An empty folder: replace the home folder; no paths: everything.
    backup = models.ForeignKey(Backup, models.SET_NULL, null=True, blank=True, related_name="tasks")
    volume = models.ForeignKey(Volume, models.SET_NULL, null=True, blank=True, related_name="backup_tasks")
    folder = models.CharField(max_length=200, blank=True)
    paths = models.JSONField(default=list, blank=True)
    # This task begins once that one has succeeded, and fails if it fails.
    after = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="followers")
    # BEFORE_DELETE: delete the desktop and its files once the backup has succeeded, unless it has begun another run.
    # Without a run: delete the kept files, unless they are in use again. Without requested_by, too: they expired.
    run = models.PositiveIntegerField(null=True, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # Why it failed: a slug of desktops/wording/backup_reasons.py. A running task that has one is being ended for it.
    reason = models.CharField(max_length=40, blank=True)
    detail = models.CharField(max_length=500, blank=True)  # for administrators

    class Meta:
        verbose_name = _("backup task")
        verbose_name_plural = _("backup tasks")
        constraints = [
            # restic locks a repository while data is removed; one task at a time keeps every failure explainable.
            models.UniqueConstraint("repository", condition=models.Q(status="running"), name="one_task_per_repository"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    def move(self, *, to: Status, **fields: Any) -> bool:
        """Change the status and `fields`, but only if the row still has the status of this instance.

        Returns whether it did. After commit, notifies the owner's open pages.
        """
        fields |= {"status": to} | ({"ended_at": timezone.now()} if to not in self.OPEN else {})
        with transaction.atomic():
            if not type(self).objects.filter(pk=self.pk, status=self.status).update(**fields):
                return False
            for name, value in fields.items():
                setattr(self, name, value)
            self.notify_owner()
        return True

    def notify_owner(self) -> None:
        repository = self.repository
        notify.notify_owner_after_commit(owner_id=repository.owner_id, desktop_id=repository.pk, status="backup")
