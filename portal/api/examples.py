"""Examples for the OpenAPI document: what is sent, and what is answered. A test holds them against the schemas."""

from typing import Any

Node = dict[str, Any]

_POD = "vnc-3f0c9a52-7a55-4a6e-9a0e-2f3c1d4b5a69"
_ID = "3f0c9a52-7a55-4a6e-9a0e-2f3c1d4b5a69"
_USER = "7d2f2b9e-5b0e-4c38-8a83-0c9b1f6a2e11"
_AT = "2026-03-02T09:15:27Z"
_SOCKET = f"wss://desktops.example.org/ws/desktops/{_ID}"
_ACCESS: Node = {
    "host": "desktops.example.org",
    "vnc_port": None,
    "novnc_port": None,
    "ssh_port": None,
    "vnc_password": None,
    "url": f"https://desktops.example.org/desktops/{_ID}/",
    "vnc_websocket": f"{_SOCKET}/vnc",
    "ssh_websocket": f"{_SOCKET}/ssh",
    "ways": [],
}
_QUANTITIES: Node = {"cpu": "2", "memory": "4Gi", "storage": "10Gi"}
_DESKTOP: Node = {
    "pod_name": _POD,
    "id": _ID,
    "name": "desktop",
    "status": "running",
    "status_since": _AT,
    "reason": "",
    "sentence": "",
    "next_step": "",
    "files_lost": False,
    "image": "Void Linux",
    "size": "Medium",
    "resource_quota": _QUANTITIES,
    "created_at": "2026-03-02T09:15:20Z",
    "started_at": _AT,
    "expires_at": None,
    "access_info": _ACCESS,
}
_ANYS: Node = {name: value for name, value in _DESKTOP.items() if name != "access_info"} | {
    "owner": {"id": _USER, "username": "ada"}
}
_STARTING: Node = _DESKTOP | {
    "status": "starting",
    "started_at": None,
    "access_info": _ACCESS | {"ssh_websocket": None},
}
_CREATED: Node = {"status": "created", "pod_name": _POD, "access_info": _STARTING["access_info"], "desktop": _STARTING}
_TOKEN = "eyJhbGciOiJSUzI1NiIs….eyJpc3MiOiJwb2Rlc2si….c2lnbmF0dXJl"  # noqa: S105 - nobody's
_ISSUED: Node = {
    "token": _TOKEN,
    "id": "c0a8f1de-2b1c-4d57-9a2e-6f4c1b7d8e90",
    "label": "nightly build",
    "session_id": "0d9a5b6c7e8f",
    "permissions": ["vnc", "ssh"],
    "created_at": _AT,
    "expires_at": "2026-03-03T09:15:27Z",
    "refresh_until": "2026-04-01T09:15:27Z",
}
_EVENT: Node = {
    "id": 4711,
    "pod_name": _POD,
    "at": _AT,
    "run": 1,
    "kind": "running",
    "sentence": "The desktop is ready.",
    "why": "",
}
_ADA: Node = {
    "id": _USER,
    "username": "ada",
    "email": "ada@example.org",
    "first_name": "Ada",
    "last_name": "",
    "is_active": True,
    "is_staff": False,
    "is_superuser": False,
    "groups": ["physics"],
    "date_joined": _AT,
    "last_login": None,
}
_QUOTA: Node = {
    "id": 7,
    "user": _USER,
    "username": "ada",
    "group": None,
    "cpu": None,
    "memory_mib": 8192,
    "storage_gib": None,
    "gpu": None,
    "desktops": 2,
    "max_lifetime_minutes": None,
    "idle_minutes": None,
}


def _page(*rows: Node, **more: Any) -> Node:
    return more | {"count": len(rows), "next": None, "previous": None, "results": list(rows)}


def _acted(desktop: Node) -> Node:
    return {"pod_name": _POD, "desktop": desktop}


SENT: dict[str, Node] = {
    "createPod": {"resource_quota": {"cpu": "2", "memory": "4Gi", "storage": "10Gi"}},
    "obtainToken": {"username": "ada", "password": "correct horse", "label": "nightly build", "lifetime": 86400},
    "verifyToken": {"token": _TOKEN},
    "issueToken": {"label": "only looks", "permissions": ["vnc"], "lifetime": 3600},
    "startPod": {"new_files": False},
    "issuePodToken": {},
    "createUser": {"username": "ada", "password": "correct horse battery"},
    "changeUser": {"is_active": False},
    "createQuota": {"user": _USER, "desktops": 2, "memory_mib": 8192},
    "changeQuota": {"desktops": 3},
}
ANSWERED: dict[str, dict[str, Node]] = {  # by operation and status
    "createPod": {"202": _CREATED, "200": _CREATED | {"status": "exists", "desktop": _DESKTOP, "access_info": _ACCESS}},
    "listPods": {"200": _page(_DESKTOP)},
    "getPod": {"200": _DESKTOP},
    "deletePod": {status: {"status": "deleted", "pod_name": _POD} for status in ("200", "202")},
    "startPod": {"200": _acted(_DESKTOP), "202": _acted(_STARTING)},
    "stopPod": {"200": _acted(_DESKTOP | {"status": "stopped"}), "202": _acted(_DESKTOP | {"status": "stopping"})},
    "restartPod": {"200": _acted(_DESKTOP), "202": _acted(_DESKTOP | {"status": "stopping"})},
    "extendPod": {"200": _acted(_DESKTOP | {"expires_at": "2026-03-02T17:15:27Z"})},
    "showPodPassword": {"200": {"pod_name": _POD, "vnc_password": "k7Wq2xPz"}},
    "getPodLogs": {"200": {"pod_name": _POD, "logs": "Xvnc TigerVNC 1.12.0\nListening on port 5900\n"}},
    "getPodMetrics": {
        "200": {
            "pod_name": _POD,
            "metrics": {"cpu": 0.31, "memory_mib": 612.5, "cpu_limit": 2.0, "memory_limit_mib": 4096.0},
        }
    },
    "getPodEvents": {"200": _page(_EVENT, pod_name=_POD)},
    "getEvents": {"200": _page(_EVENT)},
    "listTokens": {
        "200": _page(
            {name: _ISSUED[name] for name in ("id", "label", "permissions", "session_id", "created_at", "expires_at")}
            | {"pod_name": "", "last_used_at": _AT, "last_used_from": "203.0.113.7", "current": True}
            | {"refresh_until": _ISSUED["refresh_until"], "revoked_at": None, "revoked_reason": ""}
        )
    },
    "obtainToken": {"201": _ISSUED},
    "refreshToken": {"201": _ISSUED},
    "issueToken": {"201": _ISSUED | {"label": "only looks", "permissions": ["vnc"], "refresh_until": None}},
    "revokeToken": {"200": {"status": "revoked", "id": _ISSUED["id"]}},
    "revokeAllTokens": {"200": {"status": "revoked", "count": 3}},
    "verifyToken": {
        "200": {
            "iss": "podesk",
            "jti": _ISSUED["id"],
            "iat": 1772442927,
            "exp": 1772529327,
            "user_id": _USER,
            "session_id": _ISSUED["session_id"],
            "pod_name": "",
            "created_at": _AT,
            "expires_at": _ISSUED["expires_at"],
            "permissions": ["vnc", "ssh"],
            "resource_quota": {},
        }
    },
    "getQuota": {
        "200": {
            "results": [
                {
                    "key": "cpu",
                    "label": "CPU",
                    "used": 2.0,
                    "limit": 4.0,
                    "unit": "cores",
                    "source": "default for everyone",
                }
            ]
        }
    },
    "issuePodToken": {
        "201": _ISSUED
        | {
            "label": "",
            "refresh_until": None,
            "pod_name": _POD,
            "vnc_websocket": f"{_SOCKET}/vnc",
            "ssh_websocket": f"{_SOCKET}/ssh",
            "header": "X-User-Token",
            "subprotocols": ["podesk", f"podesk.token.{_TOKEN}"],
        }
    },
    "listImages": {
        "200": {
            "can_launch": True,
            "why_not": "",
            "results": [
                {
                    "id": 1,
                    "name": "Void Linux",
                    "description": "Xfce, Firefox and a terminal.",
                    "icon": "desktop",
                    "sizes": [
                        {"name": "Medium", "resource_quota": _QUANTITIES, "gpu": 0, "fits": True, "why_not": ""},
                    ],
                }
            ],
        }
    },
    "getMonitor": {
        "200": {
            "status": "ok",
            "database": "ok",
            "redis": "ok",
            "redis_detail": None,
            "controller": {"status": "ok", "seconds_since": 1.2},
            "workers": 2,
            "runtime": "ok",
            "queue": {"depth": 0, "oldest_seconds": 0.0},
            "desktops": {
                "pending": 0,
                "starting": 1,
                "running": 3,
                "stopping": 0,
                "stopped": 2,
                "failed": 0,
                "deleting": 0,
            },
            "lost_volumes": 0,
            "scope": "mine",
        }
    },
    "listUsers": {"200": _page(_ADA)},
    "createUser": {"201": _ADA},
    "getUser": {"200": _ADA},
    "changeUser": {"200": _ADA | {"is_active": False}},
    "deleteUser": {"200": {"status": "deleted", "id": _USER}},
    "getUserQuota": {
        "200": {
            "user": _USER,
            "username": "ada",
            "quota": {
                "cpu": {"limit": "4", "source": "default for everyone"},
                "memory_mib": {"limit": "8192", "source": "ada"},
                "storage_gib": {"limit": "50", "source": "default for everyone"},
                "gpu": {"limit": "0", "source": "default for everyone"},
                "desktops": {"limit": "2", "source": "ada"},
                "max_lifetime_minutes": {"limit": "0", "source": "default for everyone"},
                "idle_minutes": {"limit": "240", "source": "default for everyone"},
            },
        }
    },
    "listQuotas": {"200": _page(_QUOTA)},
    "createQuota": {"201": _QUOTA},
    "getOneQuota": {"200": _QUOTA},
    "changeQuota": {"200": _QUOTA | {"desktops": 3}},
    "deleteQuota": {"200": {"status": "deleted", "id": 7}},
    "listAuditEvents": {
        "200": _page(
            {
                "id": 90210,
                "at": _AT,
                "actor": "ada",
                "actor_id": _USER,
                "action": "desktop.launch",
                "target": _ID,
                "pod_name": _POD,
                "address": "203.0.113.7",
                "result": "done",
                "details": {"name": "desktop"},
            }
        )
    },
    "listAllPods": {"200": _page(_ANYS)},
    "stopAnyPod": {"202": _acted(_ANYS | {"status": "stopping"})},
    "deleteAnyPod": {"202": {"status": "deleted", "pod_name": _POD}},
    "listVolumes": {
        "200": _page({"id": _ID, "desktop_name": "desktop", "storage": "10Gi", "kept_at": _AT, "lost_at": None}),
    },
    "deleteVolume": {"202": {"status": "deleted", "id": _ID}},
}


def add(operation: Node) -> None:
    name = operation["operationId"]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if name in SENT and "examples" not in body and body:
        body["example"] = SENT[name]
    for status, example in ANSWERED.get(name, {}).items():
        content = operation["responses"].get(status, {}).get("content", {}).get("application/json", {})
        if content and "examples" not in content:
            content["example"] = example
