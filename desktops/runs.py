"""What a row is when another run of its desktop begins."""

import secrets
import string
from typing import Any

from desktops import sealing

_LETTERS = string.ascii_letters + string.digits


def fresh_run() -> dict[str, Any]:
    """Fields for the row: nothing of the run before is left, its password least of all."""
    password = "".join(secrets.choice(_LETTERS) for _ in range(8))  # VNC authentication uses eight characters
    return {
        "vnc_password_sealed": sealing.seal(password),
        "endpoint_kind": "",
        "endpoint_address": "",
        "endpoint_port": 0,
        "reason": "",
        "restarting": False,
        "started_at": None,
        "last_input_at": None,
        "expires_at": None,
    }
