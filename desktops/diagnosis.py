"""Why a desktop waits or has ended, in one plain sentence, and what to do. Pure: facts in, sentence out."""

from dataclasses import dataclass
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from desktops.models import LAUNCHING, Status

Text = str | Promise


class Reason(NamedTuple):
    sentence: Text
    next_step: Text = ""


_ASK_ADMIN = _("Ask an administrator to look at the log; your files are safe.")
_START_AGAIN = _("Start it again; your files are there.")

# Every slug that can stand in Desktop.reason.
REASONS: dict[str, Reason] = {
    "by_owner": Reason(_("You stopped it."), _START_AGAIN),
    "by_admin": Reason(_("An administrator stopped it."), _START_AGAIN),
    "restart": Reason(_("It is being restarted.")),
    "idle": Reason(_("It was stopped because nobody used it for a while."), _START_AGAIN),
    "expired": Reason(_("It was stopped because its longest allowed time was over."), _START_AGAIN),
    "logged_out_inside": Reason(_("You logged out inside the desktop."), _START_AGAIN),
    "session_crashed": Reason(_("The desktop ended unexpectedly."), _START_AGAIN),
    "vanished": Reason(_("The desktop is no longer there: it was ended from outside."), _START_AGAIN),
    "out_of_memory": Reason(
        _("The desktop needed more memory than it has, and was ended."),
        _("Start it again and open fewer programs at once, or choose a larger size."),
    ),
    "disk_full": Reason(
        _("The desktop could not start because the disk is full."),
        _("Ask an administrator to make room, then try again."),
    ),
    "program_missing": Reason(_("A program that desktops need is not installed on the server."), _ASK_ADMIN),
    "account_missing": Reason(_("The account that desktops run under does not exist on the server."), _ASK_ADMIN),
    "path_too_long": Reason(_("The folder where desktops are kept has too long a path."), _ASK_ADMIN),
    "dir_unusable": Reason(_("The server cannot write to the folder where desktops are kept."), _ASK_ADMIN),
    "name_taken": Reason(_("Another installation on this server already uses the desktop's name."), _ASK_ADMIN),
    "start_timeout": Reason(
        _("The desktop did not become ready in time."), _("Try again; if it happens twice, ask an administrator.")
    ),
    "start_failed": Reason(_("The desktop could not be started."), _ASK_ADMIN),
}
_UNKNOWN = Reason(_("The desktop ended for a reason that is not known."), _ASK_ADMIN)


@dataclass(frozen=True)
class Facts:
    """What is known of a desktop, beside its row, when somebody looks at it."""

    status: str
    reason: str = ""
    seconds: float = 0  # in this status
    controller_late: bool = False
    workers: int = 1


@dataclass(frozen=True)
class Diagnosis:
    sentence: str = ""
    next_step: str = ""
    hopeless: bool = False  # waiting longer will not help
    waiting: bool = False


def reason(slug: str) -> Reason:
    return REASONS.get(slug, _UNKNOWN)


def explain(facts: Facts) -> Diagnosis:
    """Hopeless when somebody must act first; waiting when time will do."""
    if facts.status == Status.FAILED:
        why = reason(facts.reason)
        return Diagnosis(str(why.sentence), str(why.next_step), hopeless=True)
    if facts.status == Status.STOPPED:
        why = reason(facts.reason or "by_owner")
        return Diagnosis(str(why.sentence), str(why.next_step))
    if facts.status == Status.RUNNING:
        return Diagnosis()
    return _stalled(facts) or _on_its_way(facts)


def _stalled(facts: Facts) -> Diagnosis | None:
    """A part of the portal itself is missing: an endless spinner would be a lie."""
    if facts.controller_late:
        return Diagnosis(
            gettext("The controller is not running, so nothing can be seen of the desktop's progress."),
            gettext("It goes on by itself when the controller is back. If this stays, tell an administrator."),
            waiting=True,
        )
    if facts.workers == 0 and facts.seconds > 3:
        return Diagnosis(
            gettext("No worker is running to do this."),
            gettext("It goes on by itself when a worker is back. If this stays, tell an administrator."),
            waiting=True,
        )
    return None


def _on_its_way(facts: Facts) -> Diagnosis:
    sentences = {
        Status.PENDING: gettext("Waiting for its turn."),
        Status.STARTING: gettext("Starting the desktop."),
        Status.STOPPING: gettext("Ending the programs of the desktop."),
        Status.DELETING: gettext("Deleting the desktop."),
    }
    slow = facts.seconds > 20 and facts.status in LAUNCHING
    hint = gettext("This takes longer than usual. You may wait, or cancel and try again.") if slow else ""
    return Diagnosis(sentences[Status(facts.status)], hint, waiting=True)
