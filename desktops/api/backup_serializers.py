"""Define the serializers of requests and responses about backups."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from accounts.models import User
from core.api.fields import Filter, Text
from core.api.serializers import PageQuery, StrictSerializer
from desktops.api.admin_pods import OwnerOut
from desktops.models import Backup, BackupRepository, BackupTask
from desktops.selectors import backups as backup_selectors
from desktops.wording import backup_reasons
from desktops.wording.backup_paths import readable_name

_ORDERS = ("created_at", "size_bytes")
_PATH = "Percent-encoded, as in `path` of GET backups/<id>/contents."
_LONGEST_PATH = 4096  # characters; a longer one could make a request line that servers refuse
MOST_PATHS = 500


class BackupOut(serializers.ModelSerializer[Backup]):
    """A backup of a home folder."""

    desktop_name = serializers.CharField(source="repository.desktop_name", help_text="Name of the desktop.")
    repository = serializers.UUIDField(source="repository_id", help_text="ID that all backups of a home folder share.")
    volume = serializers.UUIDField(
        source="repository.volume_id", allow_null=True, help_text="ID of the home folder. Null if it was deleted."
    )
    trigger = serializers.ChoiceField(BackupTask.Trigger.choices, help_text="Why the backup was made.")

    class Meta:
        model = Backup
        fields = (
            *("id", "desktop_name", "repository", "volume", "created_at", "trigger", "size_bytes", "added_bytes"),
            *("files_new", "files_changed", "files_unmodified", "files_unread", "verified_at"),
        )
        read_only_fields = fields
        extra_kwargs = {
            "id": {"help_text": "ID of the backup."},
            "created_at": {"help_text": "Time of the backup."},
            "size_bytes": {"help_text": "Size of all files in it."},
            "added_bytes": {"help_text": "Bytes that it added to the storage of the backups."},
            "files_new": {"help_text": "Files that the backup before it did not have."},
            "files_changed": {"help_text": "Files that have changed since the backup before it."},
            "files_unmodified": {"help_text": "Files that are as in the backup before it."},
            "files_unread": {"help_text": "Files that could not be read, so they are not in the backup."},
            "verified_at": {"help_text": "Time when a file of it was restored and compared. Null if none was."},
        }


class BackupTaskOut(serializers.ModelSerializer[BackupTask]):
    """A backup, restore or verification that waits, runs or has ended."""

    desktop_name = serializers.CharField(source="repository.desktop_name", help_text="Name of the desktop.")
    repository = serializers.UUIDField(source="repository_id", help_text="ID that all backups of a home folder share.")
    backup = serializers.UUIDField(source="backup_id", allow_null=True, help_text="The backup to restore, or null.")
    volume = serializers.UUIDField(source="volume_id", allow_null=True, help_text="ID of the home folder, or null.")
    folder = serializers.CharField(help_text="New folder that the files are restored into. Empty: the home folder.")
    sentence = serializers.SerializerMethodField(help_text="Why it failed, in your language.")
    next_step = serializers.SerializerMethodField(help_text="What you can do about it, in your language.")

    class Meta:
        model = BackupTask
        fields = (
            *("id", "kind", "status", "trigger", "desktop_name", "repository", "backup", "volume", "folder"),
            *("created_at", "started_at", "ended_at", "reason", "sentence", "next_step"),
        )
        read_only_fields = fields
        extra_kwargs = {
            "id": {"help_text": "ID of the task."},
            "kind": {"help_text": "What it does."},
            "status": {"help_text": '"queued", "running", "succeeded" or "failed".'},
            "trigger": {"help_text": "Why it was requested."},
            "created_at": {"help_text": "Time of the request."},
            "started_at": {"help_text": "Time when it began, or null."},
            "ended_at": {"help_text": "Time when it ended, or null."},
            "reason": {"help_text": "Slug of the reason for which it failed. Empty if it did not."},
        }

    def get_sentence(self, task: BackupTask) -> str:
        return backup_reasons.sentence(task.reason)

    def get_next_step(self, task: BackupTask) -> str:
        return backup_reasons.next_step(task.reason)


class EntryOut(serializers.Serializer[Any]):
    """A file or folder in a backup."""

    name = serializers.SerializerMethodField(help_text="Name for people. Bytes that are no text are replaced.")
    path = serializers.CharField(help_text="Path inside the home folder, percent-encoded. Send it unchanged.")
    kind = serializers.ChoiceField(["file", "folder", "link", "other"], help_text="What it is.")
    size = serializers.IntegerField(help_text="Bytes of a file, else 0.")
    modified_at = serializers.DateTimeField(source="modified", help_text="Time of the last change.")

    def get_name(self, entry: Any) -> str:
        return readable_name(entry.path)


class ContentsOut(serializers.Serializer[Any]):
    """What one folder of a backup contains."""

    path = serializers.CharField(help_text="The folder. Empty: the home folder.")
    is_cut = serializers.BooleanField(help_text="Whether there are more entries than are listed.")
    entries = EntryOut(many=True, help_text="Folders first, then files, by name.")


class BackupRepositoryOut(serializers.ModelSerializer[BackupRepository]):
    """The backups of one home folder, for administrators. Their contents are not accessible to administrators."""

    owner = OwnerOut(help_text="Owner of the home folder.")
    volume = serializers.UUIDField(
        source="volume_id", allow_null=True, help_text="ID of the home folder. Null if it was deleted."
    )
    sentence = serializers.SerializerMethodField(help_text="Why the last backup failed, in your language.")

    class Meta:
        model = BackupRepository
        fields = (
            *("id", "owner", "desktop_name", "volume", "size_bytes", "succeeded_at", "due_at", "failed_since"),
            *("damaged_since", "checked_at", "reason", "sentence"),
        )
        read_only_fields = fields
        extra_kwargs = {
            "id": {"help_text": "ID that all backups of a home folder share."},
            "desktop_name": {"help_text": "Name of the desktop."},
            "size_bytes": {"help_text": "Bytes in the storage of the backups."},
            "succeeded_at": {"help_text": "Time of the last backup, or null."},
            "due_at": {"help_text": "Time of the next scheduled backup, or null."},
            "failed_since": {"help_text": "Time of the first failure since the last backup, or null."},
            "damaged_since": {"help_text": "Time when a verification found damaged data, or null."},
            "checked_at": {"help_text": "Time of the last verification, or null."},
            "reason": {"help_text": "Slug of the reason of the last failure. Empty if there was none."},
        }

    def get_sentence(self, repository: BackupRepository) -> str:
        return backup_reasons.sentence(repository.reason)


class DeletedBackupOut(serializers.Serializer[Any]):
    """Confirmation that a backup is being deleted."""

    status = serializers.ChoiceField(["deleted"], help_text='Always "deleted".')
    id = serializers.UUIDField(help_text="ID of the backup.")


class DeletedRepositoryOut(serializers.Serializer[Any]):
    """Confirmation that all backups of a home folder are being deleted."""

    status = serializers.ChoiceField(["deleted"], help_text='Always "deleted".')
    id = serializers.UUIDField(help_text="ID that the backups shared.")


class PodBackupQuery(PageQuery):
    ordering = serializers.ChoiceField(
        [*_ORDERS, *(f"-{order}" for order in _ORDERS)],
        default="-created_at",
        help_text="Field to sort by. A leading - reverses the order.",
    )


class BackupQuery(PodBackupQuery):
    volume = serializers.UUIDField(required=False, help_text="Only backups of this home folder.")


class RepositoryQuery(PageQuery):
    owner = Filter(max_length=150, help_text="Name of a user. Returns only their backups.")
    failing = serializers.BooleanField(required=False, allow_null=True, default=None, help_text="Only failing ones.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Add `where`, the filters as arguments for QuerySet.filter."""
        where: dict[str, Any] = {"owner": User.objects.named(attrs["owner"])} if "owner" in attrs else {}
        if attrs["failing"] is not None:
            where["failed_since__isnull"] = not attrs["failing"]
        return attrs | {"where": where}


class PathQuery(StrictSerializer):
    path = serializers.CharField(
        max_length=_LONGEST_PATH, default="", allow_blank=True, trim_whitespace=False, help_text=_PATH
    )


class RestoreAsNew(StrictSerializer):
    """The name of the new files."""

    name = Text(max_length=40, help_text="Name, as of a desktop.")


class RestoreFiles(StrictSerializer):
    """The files and folders to restore."""

    paths = serializers.ListField(
        child=Text(max_length=_LONGEST_PATH, trim_whitespace=False),
        min_length=1,
        max_length=MOST_PATHS,
        help_text=f"Files and folders. {_PATH}",
    )

    def validate_paths(self, paths: list[str]) -> list[str]:
        if not backup_selectors.are_paths(paths):
            raise serializers.ValidationError(_("A path is not inside the home folder, or is not percent-encoded."))
        return paths


class TaskQuery(StrictSerializer):
    wait = serializers.IntegerField(
        min_value=0,
        max_value=settings.API_WAIT_LIMIT,
        default=0,
        help_text="Seconds to wait for the end of the task. 0 returns at once.",
    )
