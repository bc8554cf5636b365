"""The verdict on a pod, and helpers to derive it. Pure."""

import re
from typing import Any, NamedTuple

from desktops.runtimes.base import Phase

Body = dict[str, Any]


class Verdict(NamedTuple):
    phase: Phase
    reason: str = ""
    detail: str = ""


def condition(pod_status: Body, kind: str) -> Body:
    """Return the pod's condition of that type, or an empty dict."""
    return next((found for found in pod_status.get("conditions", ()) if found["type"] == kind), {})


def matches(message: str, words: str) -> bool:
    """Say whether the message matches a regular expression, ignoring case."""
    return re.search(words, message, re.IGNORECASE) is not None
