"""Examples of accounts, tokens, quotas and audit events for the OpenAPI document. A test checks them."""

from core.api.operations import Node

USER_ID = "7d2f2b9e-5b0e-4c38-8a83-0c9b1f6a2e11"
AT = "2026-03-02T09:15:27Z"
TOKEN = "eyJhbGciOiJSUzI1NiIs….eyJpc3MiOiJwb2Rlc2si….c2lnbmF0dXJl"  # noqa: S105 - an invented token
ISSUED: Node = {
    "token": TOKEN,
    "id": "c0a8f1de-2b1c-4d57-9a2e-6f4c1b7d8e90",
    "label": "nightly build",
    "session_id": "0d9a5b6c7e8f",
    "permissions": ["vnc", "ssh"],
    "created_at": AT,
    "expires_at": "2026-03-03T09:15:27Z",
    "refresh_until": "2026-04-01T09:15:27Z",
}
OBTAIN: Node = {"username": "ada", "password": "correct horse", "label": "nightly build", "lifetime": 86400}
ISSUE: Node = {"label": "screen only", "permissions": ["vnc"], "lifetime": 3600}
NARROWER: Node = ISSUED | {"label": "screen only", "permissions": ["vnc"], "refresh_until": None}
KEPT: Node = (
    {name: ISSUED[name] for name in ("id", "label", "permissions", "session_id", "created_at", "expires_at")}
    | {"pod_name": "", "last_used_at": AT, "last_used_from": "203.0.113.7", "current": True}
    | {"refresh_until": ISSUED["refresh_until"], "revoked_at": None, "revoked_reason": ""}
)
REVOKED: Node = {"status": "revoked", "id": ISSUED["id"]}
CLAIMS: Node = {
    "iss": "podesk",
    "jti": ISSUED["id"],
    "iat": 1772442927,
    "exp": 1772529327,
    "user_id": USER_ID,
    "session_id": ISSUED["session_id"],
    "pod_name": "",
    "created_at": AT,
    "expires_at": ISSUED["expires_at"],
    "permissions": ["vnc", "ssh"],
    "resource_quota": {},
}
NEW_USER: Node = {"username": "ada", "password": "correct horse battery"}
USER: Node = {
    "id": USER_ID,
    "username": "ada",
    "email": "ada@example.org",
    "first_name": "Ada",
    "last_name": "",
    "is_active": True,
    "is_staff": False,
    "is_superuser": False,
    "groups": ["physics"],
    "date_joined": AT,
    "last_login": None,
}
NEW_QUOTA: Node = {"user": USER_ID, "desktops": 2, "memory_mib": 8192}
QUOTA: Node = {
    "id": 7,
    "user": USER_ID,
    "username": "ada",
    "group": None,
    "cpu": None,
    "memory_mib": 8192,
    "storage_gib": None,
    "gpu": None,
    "desktops": 2,
    "max_lifetime_minutes": None,
    "idle_minutes": None,
    "backups": None,
    "backup_storage_gib": None,
}
EFFECTIVE_QUOTA: Node = {
    "user": USER_ID,
    "username": "ada",
    "quota": {
        "cpu": {"limit": "4", "source": "default for everyone"},
        "memory_mib": {"limit": "8192", "source": "ada"},
        "storage_gib": {"limit": "50", "source": "default for everyone"},
        "gpu": {"limit": "0", "source": "default for everyone"},
        "desktops": {"limit": "2", "source": "ada"},
        "max_lifetime_minutes": {"limit": "0", "source": "default for everyone"},
        "idle_minutes": {"limit": "240", "source": "default for everyone"},
        "backups": {"policy": "daily", "source": "default for everyone"},
        "backup_storage_gib": {"limit": "100", "source": "default for everyone"},
    },
}
AUDIT_EVENT: Node = {
    "id": 90210,
    "at": AT,
    "actor": "ada",
    "actor_id": USER_ID,
    "action": "desktop.launch",
    "target": "3f0c9a52-7a55-4a6e-9a0e-2f3c1d4b5a69",
    "pod_name": "vnc-3f0c9a52-7a55-4a6e-9a0e-2f3c1d4b5a69",
    "address": "203.0.113.7",
    "result": "done",
    "details": {"name": "desktop"},
}
