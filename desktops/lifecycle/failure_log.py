"""Log a failed start or desktop as an error only if it is news that an administrator should look at."""

from typing import Any

from desktops.models import Desktop, Status

# What the owner caused, or tries although it is known: the loss of files is a warning of its own, once.
_OF_OWNER = frozenset({"out_of_memory", "temporary_full", "volume_lost"})


def failed(log: Any, event: str, desktop: Desktop, *, reason: str, detail: str) -> None:
    """Log why a run has failed. Call this before its failure is in the timeline."""
    ordinary = reason in _OF_OWNER or _failed_before(desktop, reason)
    (log.info if ordinary else log.error)(event, reason=reason, detail=detail)


def _failed_before(desktop: Desktop, reason: str) -> bool:
    """Return whether the previous run failed for this reason, such as when a person tries again."""
    before = desktop.events.filter(run=desktop.run - 1, kind=Status.FAILED)
    return before.filter(params__reason=reason).exists()
