"""Examples of desktops, images and events for the OpenAPI document. A test checks them."""

from accounts.api.examples import AT, ISSUED, TOKEN, USER_ID
from core.api.operations import Node

DESKTOP_ID = "3f0c9a52-7a55-4a6e-9a0e-2f3c1d4b5a69"
POD_NAME = f"vnc-{DESKTOP_ID}"
_SOCKET = f"wss://desktops.example.org/ws/desktops/{DESKTOP_ID}"
_ACCESS: Node = {
    "host": "desktops.example.org",
    "vnc_port": None,
    "novnc_port": None,
    "ssh_port": None,
    "vnc_password": None,
    "url": f"https://desktops.example.org/desktops/{DESKTOP_ID}/",
    "vnc_websocket": f"{_SOCKET}/vnc",
    "ssh_websocket": f"{_SOCKET}/ssh",
    "ways": [],
}
QUANTITIES: Node = {"cpu": "2", "memory": "4Gi", "storage": "10Gi"}
HOME_FOLDER: Node = {
    "used_bytes": 3_221_225_472,
    "limit_bytes": 10_737_418_240,
    "used_percent": 30,
    "level": "ok",
    "limit_enforced": True,
    "measured_at": AT,
    "measurement_unfinished": False,
}
DESKTOP: Node = {
    "pod_name": POD_NAME,
    "id": DESKTOP_ID,
    "name": "desktop",
    "status": "running",
    "status_since": AT,
    "reason": "",
    "sentence": "",
    "next_step": "",
    "files_lost": False,
    "home_folder": HOME_FOLDER,
    "image": "Void Linux",
    "size": "Medium",
    "resource_quota": QUANTITIES,
    "created_at": "2026-03-02T09:15:20Z",
    "started_at": AT,
    "expires_at": None,
    "access_info": _ACCESS,
}
ANYONES_DESKTOP: Node = {name: value for name, value in DESKTOP.items() if name != "access_info"} | {
    "owner": {"id": USER_ID, "username": "ada"}
}
_STARTING: Node = DESKTOP | {
    "status": "starting",
    "started_at": None,
    "access_info": _ACCESS | {"ssh_websocket": None},
}
CREATED: Node = {
    "status": "created",
    "pod_name": POD_NAME,
    "access_info": _STARTING["access_info"],
    "desktop": _STARTING,
}
EXISTS: Node = CREATED | {"status": "exists", "desktop": DESKTOP, "access_info": _ACCESS}
DELETED: Node = {"status": "deleted", "pod_name": POD_NAME, "backup_task": None}


def acted(desktop: Node, **changed: str) -> Node:
    return {"pod_name": POD_NAME, "desktop": desktop | changed}


STARTED: dict[int, Node] = {200: acted(DESKTOP), 202: acted(_STARTING)}
STOPPED: dict[int, Node] = {200: acted(DESKTOP, status="stopped"), 202: acted(DESKTOP, status="stopping")}
RESTARTED: dict[int, Node] = {200: acted(DESKTOP), 202: acted(DESKTOP, status="stopping")}
EXTENDED: Node = acted(DESKTOP, expires_at="2026-03-02T17:15:27Z")
PASSWORD: Node = {"pod_name": POD_NAME, "vnc_password": "k7Wq2xPz"}
POD_TOKEN: Node = ISSUED | {
    "label": "",
    "refresh_until": None,
    "pod_name": POD_NAME,
    "vnc_websocket": f"{_SOCKET}/vnc",
    "ssh_websocket": f"{_SOCKET}/ssh",
    "header": "X-User-Token",
    "subprotocols": ["podesk", f"podesk.token.{TOKEN}"],
}
LOGS: Node = {"pod_name": POD_NAME, "logs": "Xvnc TigerVNC 1.12.0\nListening on port 5900\n"}
METRICS: Node = {
    "pod_name": POD_NAME,
    "metrics": {"cpu": 0.31, "memory_mib": 612.5, "cpu_limit": 2.0, "memory_limit_mib": 4096.0},
}
EVENT: Node = {
    "id": 4711,
    "pod_name": POD_NAME,
    "at": AT,
    "run": 1,
    "kind": "running",
    "sentence": "Ready to use",
    "why": "",
}
QUOTA: Node = {
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
IMAGES: Node = {
    "can_launch": True,
    "why_not": "",
    "results": [
        {
            "id": 1,
            "name": "Void Linux",
            "description": "Xfce, Firefox and a terminal.",
            "icon": "desktop",
            "sizes": [
                {"name": "Medium", "resource_quota": QUANTITIES, "gpu": 0, "fits": True, "why_not": ""},
            ],
        }
    ],
}
VOLUME: Node = {
    "id": DESKTOP_ID,
    "desktop_name": "desktop",
    "storage": "10Gi",
    "status": "kept",
    "kept_at": AT,
    "expires_at": None,
    "postponed_at": None,
    "lost_at": None,
    "deleting_since": None,
    "home_folder": HOME_FOLDER,
}
MONITOR: Node = {
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

USAGE_REPORT: Node = {
    "group_by": "user",
    "first_month": "2026-01",
    "last_month": "2026-03",
    "rows": [
        {
            "name": "ada",
            "runs": 12,
            "hours": 96.5,
            "cpu_hours": 193.0,
            "memory_gib_hours": 386.0,
            "gpu_hours": 0.0,
            "cpu_hours_used": 21.42,
            "memory_gib_hours_used": 158.3,
            "storage_gib_days": 620.0,
        }
    ],
}

_SMALLER: Node = {"cpu": "1", "memory": "2Gi"}
_LARGE: Node = {"cpu": "4", "memory": "8Gi"}
SIZE_ADVICE: Node = {
    "days": 30,
    "least_hours": 10,
    "share": 0.5,
    "results": [
        {
            "pod_name": POD_NAME,
            "name": "desktop",
            "owner": {"id": USER_ID, "username": "ada"},
            "status": "running",
            "hours": 37.5,
            "reserved": _LARGE,
            "from_next_start": _LARGE,
            "proposed": _SMALLER,
            "cpu_max": 0.6,
            "cpu_p95": 0.42,
            "memory_mib_max": 1210.5,
            "memory_mib_p95": 980.0,
        }
    ],
}
RESIZED: Node = {"pod_name": POD_NAME, "reserved": _LARGE, "from_next_start": _SMALLER}
