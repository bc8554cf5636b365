"""The fields of a row when a new run of its desktop begins."""

import secrets
import string
from typing import Any

from core import encryption

_LETTERS = string.ascii_letters + string.digits


# Fields of a row without an endpoint.
NO_ENDPOINT: dict[str, Any] = {
    "endpoint_kind": "",
    "endpoint_address": "",
    "endpoint_port": 0,
    "exposed_host": "",
    "exposed_vnc": 0,
    "exposed_novnc": 0,
    "exposed_ssh": 0,
}


def fresh_run() -> dict[str, Any]:
    """Return the fields that reset the row for a new run, with a new VNC password."""
    password = "".join(secrets.choice(_LETTERS) for _ in range(8))  # VNC authentication uses eight characters
    return {
        "vnc_password_sealed": encryption.encrypt(password),
        **NO_ENDPOINT,
        "reason": "",
        "reason_facts": {},
        "reason_since": None,
        "last_log": "",
        "container_restarts": 0,
        "restarting": False,
        "started_at": None,
        "last_input_at": None,
        "expires_at": None,
    }
