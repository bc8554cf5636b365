"""Examples of backups for the OpenAPI document. A test checks them."""

from accounts.api.examples import AT, USER_ID
from core.api.operations import Node
from desktops.api.examples import DESKTOP_ID, POD_NAME

BACKUP_ID = "9c3f5d0e-6a41-4a0b-9f0e-5d7c2b1a4e88"
_REPOSITORY_ID = "4be0643f-1d98-573b-97cd-ca98a65347dd"
BACKUP: Node = {
    "id": BACKUP_ID,
    "desktop_name": "desktop",
    "repository": _REPOSITORY_ID,
    "volume": DESKTOP_ID,
    "created_at": AT,
    "trigger": "schedule",
    "size_bytes": 734003200,
    "added_bytes": 1048576,
    "files_new": 12,
    "files_changed": 3,
    "files_unmodified": 10485,
    "files_unread": 0,
    "verified_at": None,
}
TASK: Node = {
    "id": "c56a4180-65aa-42ec-a945-5fd21dec0538",
    "kind": "backup",
    "status": "queued",
    "trigger": "request",
    "desktop_name": "desktop",
    "repository": _REPOSITORY_ID,
    "backup": None,
    "volume": DESKTOP_ID,
    "folder": "",
    "created_at": AT,
    "started_at": None,
    "ended_at": None,
    "reason": "",
    "sentence": "",
    "next_step": "",
}
RESTORE: Node = TASK | {"kind": "restore", "backup": BACKUP_ID}
RESTORE_FILES: Node = RESTORE | {"folder": "Restored 2026-03-02 09.15.27"}
DONE: Node = TASK | {"status": "succeeded", "started_at": AT, "ended_at": "2026-03-02T09:15:31Z"}
CONTENTS: Node = {
    "path": "docs",
    "is_cut": False,
    "entries": [
        {"name": "100%.txt", "path": "docs/100%25.txt", "kind": "file", "size": 2048, "modified_at": AT},
    ],
}
DELETED: Node = {"status": "deleted", "id": BACKUP_ID}
DELETED_REPOSITORY: Node = {"status": "deleted", "id": _REPOSITORY_ID}
REPOSITORY: Node = {
    "id": _REPOSITORY_ID,
    "owner": {"id": USER_ID, "username": "ada"},
    "desktop_name": "desktop",
    "volume": DESKTOP_ID,
    "size_bytes": 1073741824,
    "succeeded_at": AT,
    "due_at": "2026-03-03T09:15:27Z",
    "failed_since": None,
    "damaged_since": None,
    "checked_at": AT,
    "reason": "",
    "sentence": "",
}
POD = {"pod_name": POD_NAME}
