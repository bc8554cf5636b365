"""Find out why a pod has no node yet, from schedulers of Kubernetes 1.20 to 1.36 and from autoscalers. Pure."""

from desktops.runtimes.base import Phase
from desktops.runtimes.kubernetes.pod_verdict import Body, Verdict, condition, matches

# Events of a pod without a node, written by a cluster autoscaler.
MACHINES = {"TriggeredScaleUp": "machine_coming", "NotTriggerScaleUp": "no_machine_coming"}
# Events of the home folder's claim if no volume is created. If the storage class waits for a node, the pod itself does
# not mention the problem.
CLAIM_FAILS = ("ProvisioningFailed", "FailedBinding")

_CLAIM_MISSING = r'persistentvolumeclaim "[^"]*" not found'
_CLAIM_UNBOUND = (
    "unbound immediate persistentvolumeclaims|bound to non-existent|is being deleted|waiting for first consumer|"
    "no available persistent volumes|didn't find available|enough free storage|binding volumes"
)
# For a node that is cordoned, not ready or short of resources, the scheduler names the taint, until 1.34.
_MAY_FIT_LATER = r"insufficient|too many pods|free ports|volume|were unschedulable|taint \{node\.\S*kubernetes\.io/"
_NEVER_FITS = "didn't match|had taint|had untolerated taint|no nodes available|0/0 nodes"
_ABOUT_PREEMPTION = " preemption: "  # from 1.22 on; the text after it is about ending other pods


def unplaced(status: Body, events: list[Body], of_claim: list[Body]) -> Verdict | None:
    """Return the verdict on a pod without a node. `events` and `of_claim` are oldest first."""
    why = condition(status, "PodScheduled")
    if why.get("status") == "True":
        return None
    found = _no_node(why, events) if why.get("status") == "False" else None
    if found and found.reason != "volume_unbound":
        return found
    return _claim_fails(of_claim) or found


def _claim_fails(of_claim: list[Body]) -> Verdict | None:
    if of_claim and of_claim[-1]["reason"] in CLAIM_FAILS:
        return Verdict(Phase.CREATED, "volume_unbound", of_claim[-1]["message"])
    return None


def _no_node(why: Body, events: list[Body]) -> Verdict:
    message = why.get("message", "")
    if why.get("reason") == "SchedulingGated":
        return Verdict(Phase.CREATED, "scheduling_gated", message)
    if matches(message, _CLAIM_MISSING):
        # Not permanent: right after an outage of the API, the scheduler may not know the claim yet.
        return Verdict(Phase.CREATED, "volume_lost", message)
    if matches(message, _CLAIM_UNBOUND):
        return Verdict(Phase.CREATED, "volume_unbound", message)
    if newest := next((event for event in reversed(events) if event["reason"] in MACHINES), None):
        slug = MACHINES[newest["reason"]]
        return Verdict(Phase.CREATED, slug, newest["message"])
    return Verdict(Phase.CREATED, "no_matching_node" if _never_fits(message) else "unschedulable", message)


def _never_fits(message: str) -> bool:
    of_nodes = message.partition(_ABOUT_PREEMPTION)[0]
    return matches(of_nodes, _NEVER_FITS) and not matches(of_nodes, _MAY_FIT_LATER)
