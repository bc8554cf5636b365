"""Write down on the row of a desktop that is being stopped or deleted that the cluster refuses it."""

from desktops.models import Desktop, Status
from desktops.runtimes.base import RuntimeFault

_ENDING = (Status.STOPPING, Status.DELETING)


def refused(desktop: Desktop, fault: RuntimeFault) -> None:
    """Show why the cluster refuses to end the desktop. The controller queues the stop again."""
    _set(desktop, {**fault.facts, "fault": fault.reason})


def known_fault(desktop: Desktop) -> str:
    """Return the reason of an earlier refusal, or an empty string."""
    return str(desktop.reason_facts.get("fault", ""))


def accepted(desktop: Desktop) -> None:
    """Remove an earlier refusal."""
    if "fault" in desktop.reason_facts:
        _set(desktop, {})


def _set(desktop: Desktop, facts: dict[str, str]) -> None:
    """Change the facts alone: the reason says why the desktop was stopped, and stays."""
    rows = Desktop.objects.filter(pk=desktop.pk, run=desktop.run, status__in=_ENDING)
    if desktop.reason_facts != facts and rows.update(reason_facts=facts):
        desktop.notify_owner()
