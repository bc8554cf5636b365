"""Serve backups of home folders: list, make, restore, look inside, download, delete."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import tokens
from accounts.api.endpoint import Endpoint
from core import client_address, concurrency
from core.api.methods import read_as
from core.api.operations import Operation, page_example
from core.api.serializers import EmptySerializer
from core.attachments import attachment
from core.request_token import token_from
from desktops.api import backup_examples as examples
from desktops.api import wait
from desktops.api.backup_serializers import (
    BackupOut,
    BackupQuery,
    BackupTaskOut,
    ContentsOut,
    DeletedBackupOut,
    PathQuery,
    PodBackupQuery,
    RestoreAsNew,
    RestoreFiles,
    TaskQuery,
)
from desktops.api.pods import PodEndpoint
from desktops.exceptions import BackupsOff
from desktops.lifecycle.backups import downloads, requests
from desktops.models import Backup
from desktops.selectors import backups as backup_selectors
from desktops.wording.backup_paths import readable_name

BYTES = "application/octet-stream"
_FILES: dict[str, tuple[str, ...]] = {"GET": ("ssh",)}  # who may read files of a backup could read them in the desktop


class BytesRenderer(JSONRenderer):
    """Lets requests accept a file. The renderer itself is used only for refusals, which it renders as JSON."""

    media_type, format = BYTES, "bytes"


class NeedsBackups(APIView):
    """Refuses all requests without BACKUP_REPOSITORY."""

    operations: ClassVar[dict[str, Operation]]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if read_as(request.method) in self.operations and not requests.available():
            raise BackupsOff


class BackupEndpoint(NeedsBackups, Endpoint):
    """The base class of views of backups."""

    tag = "Backups"

    def backup_of(self, backup_id: UUID) -> Backup:
        """Return the user's backup. Raises DesktopNotFound."""
        return backup_selectors.backup_for(user=self.actor.user, backup_id=backup_id)


class PodBackups(NeedsBackups, PodEndpoint):
    tag = "Backups"
    opens_to_bound = True
    operations = {
        "GET": Operation(
            "listPodBackups",
            "List the backups of a desktop",
            answered={200: page_example(examples.BACKUP, **examples.POD)},
            refused=(409,),
        ),
        "POST": Operation("backUpPod", "Back up a desktop", sent={}, answered={202: examples.TASK}),
    }

    @extend_schema(parameters=[PodBackupQuery], responses=BackupOut(many=True))
    def get(self, request: Request, pod_name: str) -> Response:
        """Return the backups of a desktop's home folder, by default newest first."""
        volume = self.desktop_of(pod_name).volume
        mine = backup_selectors.backups_of_user(self.actor.user)
        asked = self.query(PodBackupQuery)
        rows = mine.filter(repository__volume=volume).order_by(asked["ordering"], "pk")
        answer = self.paged(rows, asked, BackupOut)
        answer.data = {"pod_name": pod_name} | answer.data
        return answer

    @extend_schema(request=EmptySerializer, responses={202: BackupTaskOut})
    def post(self, request: Request, pod_name: str) -> Response:
        """Back up the home folder of a desktop, which may run. Returns the task that is waiting or running already."""
        self.body(EmptySerializer)
        self.query(EmptySerializer)
        task = requests.back_up_now(volume=self.desktop_of(pod_name).volume, by=self.actor)
        return Response(BackupTaskOut(task).data, status=202)


class Backups(BackupEndpoint):
    operations = {
        "GET": Operation(
            "listBackups", "List your backups", answered={200: page_example(examples.BACKUP)}, refused=(409,)
        ),
    }

    @extend_schema(parameters=[BackupQuery], responses=BackupOut(many=True))
    def get(self, request: Request) -> Response:
        """Return all your backups, also of kept and of deleted home folders, by default newest first."""
        asked, rows = self.query(BackupQuery), backup_selectors.backups_of_user(self.actor.user)
        found = rows.filter(repository__volume=asked["volume"]) if "volume" in asked else rows
        return self.paged(found.order_by(asked["ordering"], "pk"), asked, BackupOut)


class OneBackup(BackupEndpoint):
    operations = {
        "GET": Operation("getBackup", "Get a backup", answered={200: examples.BACKUP}, refused=(409,)),
        "DELETE": Operation("deleteBackup", "Delete a backup", answered={202: examples.DELETED}),
    }

    @extend_schema(responses=BackupOut)
    def get(self, request: Request, backup_id: UUID) -> Response:
        """Return one backup."""
        self.query(EmptySerializer)
        return Response(BackupOut(self.backup_of(backup_id)).data)

    @extend_schema(request=None, responses={202: DeletedBackupOut})
    def delete(self, request: Request, backup_id: UUID) -> Response:
        """Delete one backup permanently. The home folder and its other backups are not changed."""
        self.body(EmptySerializer)
        self.query(EmptySerializer)
        requests.delete_backup(backup=self.backup_of(backup_id), by=self.actor)
        return Response({"status": "deleted", "id": str(backup_id)}, status=202)


class BackupContents(BackupEndpoint):
    needs = _FILES
    operations = {
        "GET": Operation(
            "listBackupContents", "List a folder of a backup", answered={200: examples.CONTENTS}, refused=(409,)
        ),
    }

    @extend_schema(parameters=[PathQuery], responses=ContentsOut)
    def get(self, request: Request, backup_id: UUID) -> Response:
        """Return what a folder of a backup contains. Without `path`, this is the home folder."""
        path = self.query(PathQuery)["path"]
        return Response(ContentsOut(backup_selectors.contents_of(self.backup_of(backup_id), path)).data)


class BackupFile(BackupEndpoint):
    needs = _FILES
    renderer_classes = [JSONRenderer, BytesRenderer]
    operations = {
        "GET": Operation("downloadBackupFile", "Download a file of a backup", refused=(409,)),
    }

    @extend_schema(parameters=[PathQuery], responses={(200, BYTES): OpenApiTypes.BINARY})
    def get(self, request: Request, backup_id: UUID) -> HttpResponseBase:
        """Return the content of one file. The audit trail records each download.

        The connection is closed before the end if the token is revoked or the account disabled meanwhile, so compare
        what you received with `Content-Length`.
        """
        path, backup = self.query(PathQuery)["path"], self.backup_of(backup_id)
        if request.method == "HEAD":  # the answer has no body
            return HttpResponse(content_type=BYTES)
        opened = downloads.open_file(backup=backup, path=path, by=self.actor)
        name = readable_name(path)
        return attachment(downloads.stream(opened, self._reader(request)), name=name, size=opened.size)

    def _reader(self, request: Request) -> downloads.Reader:
        text, address, claims = token_from(request.headers), client_address.address(request), self.claims
        holds = _valid(text, address)
        return downloads.Reader(claims.user_id, claims.session_id, holds=holds, jti=claims.jti)


def _valid(token: str, address: str) -> Callable[[], bool]:
    def holds() -> bool:
        try:
            tokens.verify(token, used_from=address)
        except tokens.TokenRefused:
            return False
        return True

    return holds


class _Restoring(BackupEndpoint):
    """The base class of restores: each returns the task that it queued."""

    def queued(self, task: Any) -> Response:
        return Response(BackupTaskOut(task).data, status=202)


class RestoreBackup(_Restoring):
    operations = {
        "POST": Operation("restoreBackup", "Restore a backup", sent={}, answered={202: examples.RESTORE}),
    }

    @extend_schema(request=EmptySerializer, responses={202: BackupTaskOut})
    def post(self, request: Request, backup_id: UUID) -> Response:
        """Replace the home folder by this backup. The desktop must be stopped, and cannot start meanwhile.

        The present files are backed up first. If that fails, nothing is restored.
        """
        self.body(EmptySerializer)
        self.query(EmptySerializer)
        return self.queued(requests.restore(backup=self.backup_of(backup_id), by=self.actor))


class RestoreBackupAsNew(_Restoring):
    operations = {
        "POST": Operation(
            "restoreBackupAsNew",
            "Restore a backup as new files",
            sent={"name": "desktop"},
            answered={202: examples.RESTORE},
        ),
    }

    @extend_schema(request=RestoreAsNew, responses={202: BackupTaskOut})
    def post(self, request: Request, backup_id: UUID) -> Response:
        """Restore a backup as a new kept volume, whose ID is `volume` of the response. It uses your storage quota."""
        self.query(EmptySerializer)
        name, backup = self.body(RestoreAsNew)["name"], self.backup_of(backup_id)
        return self.queued(requests.restore_as_new(backup=backup, name=name, by=self.actor))


class RestoreBackupFiles(_Restoring):
    operations = {
        "POST": Operation(
            "restoreBackupFiles",
            "Restore files of a backup",
            sent={"paths": ["docs/100%25.txt"]},
            answered={202: examples.RESTORE_FILES},
        ),
    }

    @extend_schema(request=RestoreFiles, responses={202: BackupTaskOut})
    def post(self, request: Request, backup_id: UUID) -> Response:
        """Restore some files and folders into `folder`, a new folder of the home folder. The desktop may run."""
        self.query(EmptySerializer)
        paths, backup = self.body(RestoreFiles)["paths"], self.backup_of(backup_id)
        return self.queued(requests.restore_paths(backup=backup, paths=paths, by=self.actor))


class OneBackupTask(BackupEndpoint):
    operations = {
        "GET": Operation("getBackupTask", "Get a backup task", answered={200: examples.DONE}, refused=(409,)),
    }

    @extend_schema(parameters=[TaskQuery], responses=BackupTaskOut)
    def get(self, request: Request, task_id: UUID) -> Response:
        """Return a backup, restore or verification. With `wait`, the response comes when it has ended."""
        seconds, user = self.query(TaskQuery)["wait"], self.actor.user
        task = backup_selectors.backup_task_for(user=user, task_id=task_id)
        with concurrency.waiting_slot(self.claims.user_id, seconds):
            wait.until_backup_task_ended(task, seconds)
        return Response(BackupTaskOut(backup_selectors.backup_task_for(user=user, task_id=task_id)).data)
