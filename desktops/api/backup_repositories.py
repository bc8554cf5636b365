"""Serve all backups of a home folder together: their deletion, and for administrators their age and size."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.operations import Operation, page_example
from core.api.serializers import EmptySerializer
from desktops.api import backup_examples as examples
from desktops.api.backup_serializers import BackupRepositoryOut, DeletedRepositoryOut, RepositoryQuery
from desktops.api.backups import BackupEndpoint
from desktops.lifecycle.backups import requests
from desktops.selectors import backups as backup_selectors


class OneBackupRepository(BackupEndpoint):
    operations = {
        "DELETE": Operation(
            "deleteAllBackups", "Delete all backups of a home folder", answered={202: examples.DELETED_REPOSITORY}
        ),
    }

    @extend_schema(request=None, responses={202: DeletedRepositoryOut})
    def delete(self, request: Request, repository_id: UUID) -> Response:
        """Delete all backups of a home folder permanently. The home folder itself is not changed.

        They no longer use your quota of backup storage. The ID is `repository` of each backup.
        """
        self.body(EmptySerializer)
        self.query(EmptySerializer)
        by = self.actor
        repository = backup_selectors.repository_for(user=by.user, repository_id=repository_id)
        requests.delete_repository(repository=repository, by=by)
        return Response({"status": "deleted", "id": str(repository_id)}, status=202)


class AnyBackups(BackupEndpoint):
    administers = {"GET": "desktops.view_backuprepository"}
    tag = "Administration"
    operations = {
        "GET": Operation(
            "listAllBackups",
            "List the backups of all users",
            answered={200: page_example(examples.REPOSITORY)},
            refused=(409,),
        ),
    }

    @extend_schema(parameters=[RepositoryQuery], responses=BackupRepositoryOut(many=True))
    def get(self, request: Request) -> Response:
        """Return age, size and failures of the backups of each home folder, the oldest last backup first."""
        asked = self.query(RepositoryQuery)
        rows = backup_selectors.all_repositories().filter(**asked["where"])
        return self.paged(rows.order_by("succeeded_at", "pk"), asked, BackupRepositoryOut)
