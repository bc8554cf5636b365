"""Why a desktop waits or has ended, in one sentence, and what to do. Pure: no database, no Redis."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils.translation import gettext

from core import redis_health
from desktops.models import AT_REST, LAUNCHING, Status
from desktops.wording.reasons import WAITING, reason, sentence


@dataclass(frozen=True)
class DiagnosisInput:
    """What is known about a desktop when its page or API is read."""

    status: str
    reason: str = ""
    reason_facts: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0  # in this status
    redis: str = ""  # why Redis is unavailable: a slug of core.redis_health
    controller_late: bool = False
    workers: int = 1
    runtime_outage: str = ""  # away, refused
    files_lost: bool = False


@dataclass(frozen=True)
class Diagnosis:
    sentence: str = ""
    next_step: str = ""
    permanent: bool = False  # waiting longer will not help
    waiting: bool = False


def reason_of(status: str, slug: str, *, files_lost: bool) -> str:
    """Return the slug that matters most to a person: lost files come before whatever ended the desktop."""
    if not files_lost or status not in (Status.RUNNING, *AT_REST):
        return slug
    return (slug or "volume_going") if status == Status.RUNNING else "volume_lost"


def explain(facts: DiagnosisInput) -> Diagnosis:
    """Return the diagnosis: permanent if a person must act first, waiting if it continues automatically."""
    slug = reason_of(facts.status, facts.reason, files_lost=facts.files_lost)
    if facts.status == Status.FAILED:
        return Diagnosis(sentence(slug, facts.reason_facts), str(reason(slug).next_step), permanent=True)
    if facts.status == Status.STOPPED:
        why = reason(slug or "by_owner")
        return Diagnosis(str(why.sentence), str(why.next_step))
    if facts.status == Status.RUNNING:
        return _running(slug, facts.reason_facts)
    return _refused(facts) or _stalled(facts) or _on_its_way(facts)


def _refused(facts: DiagnosisInput) -> Diagnosis | None:
    """Return the diagnosis if the cluster refuses to end the desktop."""
    if facts.status not in (Status.STOPPING, Status.DELETING) or "fault" not in facts.reason_facts:
        return None
    why = sentence("stop_refused", facts.reason_facts)
    return Diagnosis(why, str(reason("stop_refused").next_step), waiting=True)


def _running(slug: str, reason_facts: Mapping[str, str]) -> Diagnosis:
    """Return the diagnosis of a running desktop. It is empty unless something has happened to it."""
    if not slug:
        return Diagnosis()
    return Diagnosis(sentence(slug, reason_facts), str(reason(slug).next_step))


def _stalled(facts: DiagnosisInput) -> Diagnosis | None:
    """Return the diagnosis if a part of the portal is unavailable, so that the page does not just show a spinner."""
    if facts.redis:  # without Redis, the state of the other parts is unknown
        return Diagnosis(
            redis_health.sentence(facts.redis),
            gettext(
                "Nothing is lost. It continues automatically when Redis works again. If it does not, contact an"
                " administrator."
            ),
            waiting=True,
        )
    if facts.controller_late:
        return Diagnosis(
            gettext("The controller is not running, so the desktop's progress is unknown."),
            gettext(
                "It continues automatically when the controller is back. If it does not, contact an administrator."
            ),
            waiting=True,
        )
    if facts.workers == 0 and facts.seconds > 3:
        return Diagnosis(
            gettext("No worker is running to process this."),
            gettext("It continues automatically when a worker is back. If it does not, contact an administrator."),
            waiting=True,
        )
    return _without_runtime(facts.runtime_outage) if facts.runtime_outage else None


def _without_runtime(outage: str) -> Diagnosis:
    if outage == "refused":
        return Diagnosis(
            gettext("The cluster denies the portal access to the desktops."),
            gettext(
                "Their namespace may have been deleted, or the portal's permissions may be missing. Contact an"
                " administrator."
            ),
            waiting=True,
        )
    return Diagnosis(
        gettext("The machines that run desktops do not answer at present."),
        gettext(
            "Nothing is lost. It continues automatically when they are back. If it does not, contact an administrator."
        ),
        waiting=True,
    )


def _on_its_way(facts: DiagnosisInput) -> Diagnosis:
    if facts.status == Status.STARTING and facts.reason in WAITING:
        return Diagnosis(str(WAITING[facts.reason].waiting), gettext("You can wait, or cancel."), waiting=True)
    sentences = {
        Status.PENDING: gettext("Waiting for its turn."),
        Status.STARTING: gettext("Starting the desktop."),
        Status.STOPPING: gettext("Closing the programs of the desktop."),
        Status.DELETING: gettext("Deleting the desktop."),
    }
    slow = facts.seconds > 20 and facts.status in LAUNCHING
    hint = gettext("This is taking longer than usual. You can wait, or cancel and try again.") if slow else ""
    if facts.seconds > 120 and facts.status in (Status.STOPPING, Status.DELETING):
        hint = gettext("This is taking longer than usual. If it does not end soon, ask an administrator.")
    return Diagnosis(sentences[Status(facts.status)], hint, waiting=True)
