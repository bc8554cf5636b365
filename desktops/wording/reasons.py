"""Every slug that can stand in Desktop.reason, with what it means to a person. A table."""

from collections.abc import Mapping
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


class Reason(NamedTuple):
    sentence: Text  # when it has ended, or failed, because of it
    next_step: Text = ""
    waiting: Text = ""  # while a start waits because of it
    exactly: Text = ""  # the sentence where its facts are known, with their names in %(…)s
    timeout: int = 0  # seconds that a start may wait because of it, all times of one start together


_ASK_ADMIN = _("Ask an administrator to look at the log; your files are safe.")
_START_AGAIN = _("Start it again; your files are there.")
# A desktop keeps its size and kind; its files can move to another one.
_SMALLER = _("Try again later. For a smaller size, delete this desktop, keep its files, and launch one that uses them.")
_LARGER = _(
    "Open fewer programs at once. For a larger size, delete this desktop, keep its files,"
    " and launch one that uses them."
)
_OTHER_SIZE = _(
    "Ask an administrator to change the size or the cluster's limit. For another size, delete this desktop, keep its"
    " files, and launch one that uses them."
)
_LATER_OR_ASK = _("Try again later, or ask an administrator.")

ASKED_FOR = {
    "by_owner": Reason(_("You stopped it."), _START_AGAIN),
    "by_admin": Reason(_("An administrator stopped it."), _START_AGAIN),
    "restart": Reason(_("It is being restarted."), _("Wait a moment; it comes back by itself.")),
    "idle": Reason(_("It was stopped because nobody used it for a while."), _START_AGAIN),
    "expired": Reason(_("It was stopped because its longest allowed time was over."), _START_AGAIN),
    "account_disabled": Reason(_("It was stopped because your account was disabled."), _START_AGAIN),
    "logged_out_inside": Reason(_("You logged out inside the desktop."), _START_AGAIN),
}

# A start waits because of these; when their patience is over it fails because of them.
WAITING = {
    "unschedulable": Reason(
        _("The cluster had no room for it."),
        _SMALLER,
        _("The cluster has no room for it at present. It starts by itself when others stop or a machine is added."),
        timeout=600,
    ),
    "no_matching_node": Reason(
        _("The cluster has no machine of the kind that this desktop needs."),
        _(
            "Ask an administrator. For another kind of desktop, delete this one, keep its files, and launch one that"
            " uses them."
        ),
        _("No machine of the kind that this desktop needs is there at present."),
        timeout=300,
    ),
    "scheduling_gated": Reason(
        _("Another part of the cluster did not allow it to start in time."),
        _LATER_OR_ASK,
        _("Another part of the cluster decides when it may start, and has not allowed it yet."),
        timeout=600,
    ),
    "machine_coming": Reason(
        _("The cluster had no room for it, and the machine that it was adding did not come in time."),
        _LATER_OR_ASK,
        _("The cluster has no room for it at present and is adding a machine. This takes some minutes."),
        timeout=1200,
    ),
    "no_machine_coming": Reason(
        _("The cluster had no room for it, and could add no machine."),
        _SMALLER,
        _("The cluster has no room for it at present and cannot add a machine. It starts by itself when others stop."),
        timeout=240,
    ),
    "image_pulling": Reason(
        _("Its image could not be fetched in time."),
        _LATER_OR_ASK,
        _("Its image is being fetched. The first time on a machine this takes a few minutes."),
        timeout=1200,
    ),
    "image_pull_failed": Reason(
        _("Its image could not be fetched: the image registry does not answer, or does not have it."),
        _ASK_ADMIN,
        _("Its image could not be fetched yet. The cluster tries again."),
        timeout=60,
    ),
    "volume_attaching": Reason(
        _("Its home folder could not be attached."),
        _LATER_OR_ASK,
        _("Its home folder is being attached."),
        timeout=300,
    ),
    "volume_unbound": Reason(
        _("The cluster could not provide storage for its home folder."),
        _ASK_ADMIN,
        _("The cluster is making room for its home folder."),
        timeout=120,
    ),
    "volume_lost": Reason(
        _("Its home folder is no longer in the cluster."),
        _("Begin with new files, or ask an administrator to restore it."),
        _("The cluster does not find its home folder. It looks again."),
        timeout=20,
    ),
    "container_refused": Reason(
        _("The cluster could not start it as it is configured."),
        _ASK_ADMIN,
        _("The cluster could not start it yet. It tries again."),
        timeout=60,
    ),
    "restarting_container": Reason(
        _("It ended again and again while it started."),
        _ASK_ADMIN,
        _("It ended while it started, and is being started again."),
        timeout=120,
    ),
    "still_stopping": Reason(
        _("The cluster did not end its earlier run."),
        _LATER_OR_ASK,
        _("Its earlier run is still being ended. It starts by itself after that."),
        timeout=420,  # after five minutes a pod of a dead machine is given up
    ),
    "admission_away": Reason(
        _("A part of the cluster that must admit each new desktop did not answer."),
        _LATER_OR_ASK,
        _("A part of the cluster that must admit each new desktop does not answer at present. It is tried again."),
        timeout=120,
    ),
}
UNSEEN = frozenset(
    {"still_stopping", "admission_away"}
)  # told by the start itself, before there is anything to observe

# Of a desktop that runs.
RUNNING = {
    "not_answering": Reason(
        _("The desktop does not answer at present. Nothing is lost; it is being watched."),
        _("Wait a moment; if it stays so, restart it."),
    ),
    "restarting_session": Reason(
        _("The desktop crashed and is being started again. Programs that were open are gone; your files are safe."),
        _("Wait a moment; if it stays so, restart it."),
    ),
    "restarted_screen": Reason(
        _("The screen of the desktop crashed and its session was started again: programs that were open are gone."),
        _("Your saved files are safe. If this happens again, ask an administrator to look at the log."),
    ),
    "volume_going": Reason(
        _("Somebody deleted the home folder of this desktop in the cluster. It goes when the desktop stops."),
        _("Copy what you need to another place before you stop the desktop."),
    ),
    "restarted_memory": Reason(
        _("The desktop needed more memory than it has and was started anew: what was not saved is lost."),
        _LARGER,
    ),
    "restarted_crash": Reason(
        _("The desktop ended unexpectedly and was started anew: what was not saved is lost."),
        _("If this happens again, ask an administrator to look at the log."),
    ),
}

ENDED = {
    "screen_crashed": Reason(_("The screen of the desktop crashed again and again."), _ASK_ADMIN),
    "session_crashed": Reason(_("The desktop ended unexpectedly."), _START_AGAIN),
    "vanished": Reason(_("The desktop is no longer there: it was ended from outside."), _START_AGAIN),
    "out_of_memory": Reason(
        _("The desktop needed more memory than it has, and was ended."),
        _LARGER,
    ),
    "crash_loop": Reason(_("The desktop ended again and again right after its start."), _ASK_ADMIN),
    "evicted": Reason(_("The machine it ran on ran out of memory or disk and ended it."), _START_AGAIN),
    "temporary_full": Reason(
        _("Its temporary files, such as those in /tmp, took more room than a desktop may have, so it was ended."),
        _("Start it again; your files are there. Keep large files in your home folder instead."),
    ),
    "preempted": Reason(_("The cluster needed its room for something more important and ended it."), _START_AGAIN),
    "node_shutdown": Reason(_("The machine it ran on was shut down."), _START_AGAIN),
    "node_lost": Reason(_("The machine it ran on is no longer there."), _START_AGAIN),
}

REFUSED = {
    "disk_full": Reason(
        _("The desktop could not start because the disk is full."),
        _("Ask an administrator to make room, then try again."),
    ),
    "program_missing": Reason(_("A program that desktops need is not installed on the server."), _ASK_ADMIN),
    "account_missing": Reason(_("The account that desktops run under does not exist on the server."), _ASK_ADMIN),
    "path_too_long": Reason(_("The folder where desktops are kept has too long a path."), _ASK_ADMIN),
    "dir_unusable": Reason(_("The server cannot write to the folder where desktops are kept."), _ASK_ADMIN),
    "name_taken": Reason(_("Another installation already uses the desktop's name."), _ASK_ADMIN),
    "image_not_found": Reason(_("Its image does not exist, or its name is wrong."), _ASK_ADMIN),
    "image_denied": Reason(_("The image registry refused to give out its image."), _ASK_ADMIN),
    "namespace_quota": Reason(
        _("All desktops together have reached what the cluster allows them."),
        _("Try again when others have stopped theirs, or ask an administrator for a larger quota of the namespace."),
        exactly=_(
            "All desktops together have reached what the cluster allows them: %(used)s of %(limit)s %(what)s are in"
            " use, and this desktop needs %(asked)s."
        ),
    ),
    "above_limit": Reason(
        _("This desktop asks for more than the cluster allows one desktop."),
        _OTHER_SIZE,
        exactly=_("This desktop asks for %(asked)s %(what)s, and the cluster allows one desktop at most %(limit)s."),
    ),
    "below_limit": Reason(
        _("This desktop asks for less than the cluster demands of one desktop."),
        _OTHER_SIZE,
        exactly=_("This desktop asks for %(asked)s %(what)s, and the cluster demands at least %(limit)s."),
    ),
    "admission_denied": Reason(
        _("The cluster's rules do not admit this desktop."),
        _("Ask an administrator to change the cluster's rule or this kind of desktop; your files are safe."),
        exactly=_("The cluster's rules do not admit this desktop: %(words)s"),
    ),
    "cluster_forbids": Reason(_("The portal lacks a right in the cluster that it needs for this."), _ASK_ADMIN),
    "namespace_missing": Reason(_("The place in the cluster where desktops live does not exist."), _ASK_ADMIN),
    "no_port_left": Reason(
        _("All ports for direct connections are taken."), _("Try again when others have stopped their desktops.")
    ),
    "start_timeout": Reason(
        _("The desktop did not become ready in time."), _("Try again; if it happens twice, ask an administrator.")
    ),
    "start_failed": Reason(_("The desktop could not be started."), _ASK_ADMIN),
}

REASONS = ASKED_FOR | WAITING | RUNNING | ENDED | REFUSED
UNKNOWN = Reason(_("The desktop ended for a reason that is not known."), _ASK_ADMIN)


# The cluster's words for amounts, as people say them; others stay as they are.
_AMOUNTS: dict[str, Text] = {
    "cpu": _("CPU cores"),
    "memory": _("memory"),
    "storage": _("storage"),
    "pods": _("desktops (pods)"),
}


def reason(slug: str) -> Reason:
    return REASONS.get(slug, UNKNOWN)


def sentence(slug: str, facts: Mapping[str, str]) -> str:
    """Return the reason's sentence, with the numbers or words in `facts` where they are known."""
    why = reason(slug)
    named = {**facts, "what": str(_AMOUNTS.get(facts.get("what", ""), facts.get("what", "")))}
    try:
        return str(why.exactly) % named if facts and why.exactly else str(why.sentence)
    except KeyError:  # they are another reason's
        return str(why.sentence)
