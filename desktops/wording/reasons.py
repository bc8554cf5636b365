"""A table of all slugs of Desktop.reason, with their meaning for people."""

from collections.abc import Mapping
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


class Reason(NamedTuple):
    sentence: Text  # after it has ended or failed for this reason
    next_step: Text = ""
    waiting: Text = ""  # while a start waits for this reason
    exactly: Text = ""  # used if its facts are known; %(…)s names them
    timeout: int = 0  # seconds that a start may wait for this reason in total


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
    "restart": Reason(_("It is being restarted."), _("Wait a moment; it starts again automatically.")),
    "idle": Reason(_("It was stopped because it was idle for too long."), _START_AGAIN),
    "expired": Reason(_("It was stopped because it reached its time limit."), _START_AGAIN),
    "account_disabled": Reason(_("It was stopped because your account was disabled."), _START_AGAIN),
    "logged_out_inside": Reason(_("You logged out inside the desktop."), _START_AGAIN),
}

# A start waits for these reasons. After the timeout, it fails for the same reason.
WAITING = {
    "unschedulable": Reason(
        _("The cluster had no room for it."),
        _SMALLER,
        _("The cluster has no room for it at present. It starts automatically when others stop or a machine is added."),
        timeout=600,
    ),
    "no_matching_node": Reason(
        _("The cluster has no machine of the kind that this desktop needs."),
        _(
            "Ask an administrator. For another kind of desktop, delete this one, keep its files, and launch one that"
            " uses them."
        ),
        _("No machine of the kind that this desktop needs is available at present."),
        timeout=300,
    ),
    "scheduling_gated": Reason(
        _("Another part of the cluster did not allow it to start in time."),
        _LATER_OR_ASK,
        _("Another part of the cluster decides when it may start, and has not allowed it yet."),
        timeout=600,
    ),
    "machine_coming": Reason(
        _("The cluster had no room for it, and no new machine became available in time."),
        _LATER_OR_ASK,
        _("The cluster has no room for it at present and is adding a machine. This takes a few minutes."),
        timeout=1200,
    ),
    "no_machine_coming": Reason(
        _("The cluster had no room for it and could not add a machine."),
        _SMALLER,
        _(
            "The cluster has no room for it at present and cannot add a machine. It starts automatically when"
            " others stop."
        ),
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
        _("The cluster is providing storage for its home folder."),
        timeout=120,
    ),
    "volume_lost": Reason(
        _("Its home folder is no longer in storage."),
        _("Start with new files, or ask an administrator to restore it."),
        _("Its home folder cannot be found in storage. The portal tries again."),
        timeout=20,
    ),
    "container_refused": Reason(
        _("The cluster could not start it because of its configuration."),
        _ASK_ADMIN,
        _("The cluster could not start it yet. It tries again."),
        timeout=60,
    ),
    "restarting_container": Reason(
        _("It ended repeatedly while it was starting."),
        _ASK_ADMIN,
        _("It ended while it was starting, and is being started again."),
        timeout=120,
    ),
    "still_stopping": Reason(
        _("Its previous run did not end."),
        _LATER_OR_ASK,
        _("Its previous run is still ending. It starts automatically after that."),
        timeout=420,  # after five minutes the controller gives up a pod on a dead machine
    ),
    "admission_away": Reason(
        _("A part of the cluster that must admit each new desktop did not answer."),
        _LATER_OR_ASK,
        _("A part of the cluster that must admit each new desktop does not answer at present. Trying again."),
        timeout=120,
    ),
}
# Reported by the start itself, before the runtime has anything to observe.
UNSEEN = frozenset({"still_stopping", "admission_away"})

# Reasons of a running desktop.
RUNNING = {
    "not_answering": Reason(
        _("The desktop does not answer at present. Nothing is lost, and the portal keeps checking."),
        _("Wait a moment. If nothing changes, restart it."),
    ),
    "restarting_session": Reason(
        _("The desktop crashed and is being started again. Open programs were closed; your files are safe."),
        _("Wait a moment. If nothing changes, restart it."),
    ),
    "restarted_screen": Reason(
        _("The screen of the desktop crashed and its session was started again. Open programs were closed."),
        _("Your saved files are safe. If this happens again, ask an administrator to look at the log."),
    ),
    "parts_missing": Reason(
        _("A part of the desktop was deleted in the cluster. It is being created again."),
        _("Wait a moment. If nothing changes, restart the desktop."),
    ),
    "parts_lost": Reason(
        _("A part of the desktop was deleted in the cluster and cannot be created again while the desktop runs."),
        _("Save your work and restart the desktop. A restart creates all parts again."),
    ),
    "parts_refused": Reason(
        _("A part of the desktop was deleted in the cluster and cannot be created again at present."),
        _(
            "Keep it running: a restart would fail for the same reason. Ask an administrator; the portal tries again"
            " automatically."
        ),
        exactly=_("A part of the desktop was deleted in the cluster and cannot be created again at present. %(why)s"),
    ),
    "unreachable": Reason(
        _("The portal cannot reach this desktop at present. Nothing is lost, and the portal keeps checking."),
        _("Wait a moment. If nothing changes, restart it or ask an administrator."),
    ),
    "volume_going": Reason(
        _("The home folder of this desktop was deleted in storage. It will be removed when the desktop stops."),
        _("Copy the files that you need to another place before you stop the desktop."),
    ),
    "restarted_memory": Reason(
        _("The desktop ran out of memory and was restarted. Unsaved work is lost."),
        _LARGER,
    ),
    "restarted_crash": Reason(
        _("The desktop ended unexpectedly and was restarted. Unsaved work is lost."),
        _("If this happens again, ask an administrator to look at the log."),
    ),
}

ENDED = {
    "screen_crashed": Reason(_("The screen of the desktop crashed repeatedly."), _ASK_ADMIN),
    "session_crashed": Reason(_("The desktop ended unexpectedly."), _START_AGAIN),
    "vanished": Reason(_("The desktop no longer exists: it was ended from outside."), _START_AGAIN),
    "out_of_memory": Reason(
        _("The desktop ran out of memory and was ended."),
        _LARGER,
    ),
    "crash_loop": Reason(_("The desktop ended repeatedly right after its start."), _ASK_ADMIN),
    "evicted": Reason(_("The machine that it ran on ran out of memory or disk space and ended it."), _START_AGAIN),
    "temporary_full": Reason(
        _("It was ended because its temporary files, such as those in /tmp, exceeded the limit for a desktop."),
        _("Start it again; your files are there. Keep large files in your home folder instead."),
    ),
    "preempted": Reason(_("The cluster ended it to make room for something more important."), _START_AGAIN),
    "node_shutdown": Reason(_("The machine that it ran on was shut down."), _START_AGAIN),
    "node_lost": Reason(_("The machine that it ran on no longer exists."), _START_AGAIN),
}

REFUSED = {
    "disk_full": Reason(
        _("The desktop could not start because the disk is full."),
        _("Ask an administrator to free disk space, then try again."),
    ),
    "program_missing": Reason(_("A program that desktops need is not installed on the server."), _ASK_ADMIN),
    "account_missing": Reason(_("The account that desktops run under does not exist on the server."), _ASK_ADMIN),
    "path_too_long": Reason(_("The path of the folder for desktops is too long."), _ASK_ADMIN),
    "dir_unusable": Reason(_("The server cannot write to the folder for desktops."), _ASK_ADMIN),
    "name_taken": Reason(
        _("Something has the name of this desktop or of its files, but is not labelled as a part of it."),
        _("Ask an administrator to look at it, and to give it its labels back if it belongs to this desktop."),
    ),
    "image_not_found": Reason(_("Its image does not exist, or its name is wrong."), _ASK_ADMIN),
    "image_denied": Reason(_("The image registry denied access to its image."), _ASK_ADMIN),
    "namespace_quota": Reason(
        _("All desktops together have reached the limit that the cluster sets."),
        _("Try again when others have stopped their desktops, or ask an administrator to raise the namespace's quota."),
        exactly=_(
            "All desktops together have reached the limit that the cluster sets: %(used)s of %(limit)s %(what)s are"
            " in use, and this desktop needs %(asked)s."
        ),
    ),
    "above_limit": Reason(
        _("This desktop requests more than the cluster allows for one desktop."),
        _OTHER_SIZE,
        exactly=_(
            "This desktop requests %(asked)s %(what)s, and the cluster allows at most %(limit)s for one desktop."
        ),
    ),
    "below_limit": Reason(
        _("This desktop requests less than the cluster requires for one desktop."),
        _OTHER_SIZE,
        exactly=_("This desktop requests %(asked)s %(what)s, and the cluster requires at least %(limit)s."),
    ),
    "admission_denied": Reason(
        _("The cluster's rules do not admit this desktop."),
        _("Ask an administrator to change the cluster's rule or this kind of desktop; your files are safe."),
        exactly=_("The cluster's rules do not admit this desktop: %(words)s"),
    ),
    "stop_refused": Reason(
        _("The portal cannot end this desktop."),
        _("Ask an administrator to remove the cause. The portal tries again automatically."),
        exactly=_("The portal cannot end this desktop. %(why)s"),
    ),
    "cluster_forbids": Reason(_("The portal lacks a permission in the cluster that it needs for this."), _ASK_ADMIN),
    "namespace_missing": Reason(_("The namespace for desktops does not exist in the cluster."), _ASK_ADMIN),
    "no_port_left": Reason(
        _("All ports for direct connections are in use."), _("Try again when others have stopped their desktops.")
    ),
    "start_timeout": Reason(
        _("The desktop did not become ready in time."), _("Try again. If this happens again, ask an administrator.")
    ),
    "start_failed": Reason(_("The desktop could not be started."), _ASK_ADMIN),
}

REASONS = ASKED_FOR | WAITING | RUNNING | ENDED | REFUSED
UNKNOWN = Reason(_("The desktop ended for an unknown reason."), _ASK_ADMIN)


# Kubernetes resource names as words for people. Other names are shown unchanged.
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
    if fault := facts.get("fault"):  # this reason has another one behind it, to which the facts belong
        named["why"] = sentence(fault, {name: fact for name, fact in facts.items() if name != "fault"})
    try:
        return str(why.exactly) % named if facts and why.exactly else str(why.sentence)
    except KeyError:  # the facts belong to another reason
        return str(why.sentence)
