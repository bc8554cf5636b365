"""What a cluster's refusals mean for a desktop. Pure."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from desktops.runtimes.base import RuntimeFault, RuntimeUnknown
from desktops.runtimes.kubernetes import admission
from desktops.runtimes.kubernetes.client import WEBHOOK_AWAY, ApiRefused

_PORT_TAKEN = re.compile(r"Invalid value: (\d+): provided port is already allocated")
_DENIED = re.compile("denied (the )?request")

# The first that is found in the message of a 403 or of a webhook says the reason; all are words of Kubernetes itself.
_FORBIDDEN = (
    ("because it is being terminated", "namespace_missing"),
    ("exceeded quota", "namespace_quota"),
    ("denied the request", "admission_denied"),  # a webhook
    ("denied request", "admission_denied"),  # a ValidatingAdmissionPolicy, from 1.26 on: with status 422
    ("violates PodSecurity", "admission_denied"),
    (" cannot ", "cluster_forbids"),  # RBAC: User "…" cannot create resource "…"
    ("", "admission_denied"),  # priority classes, what else an admission plug-in may say
)
_FACTS = {
    "namespace_quota": admission.quota_reached,
    "admission_denied": admission.rule_broken,
}
# Of a quota or an account that the cluster has not looked at yet.
_SOON_BETTER = ("status unknown for quota", "error looking up service account")


def fault(refused: ApiRefused) -> RuntimeFault:
    """Of a call that was to make or end something."""
    message = refused.message
    if taken := _PORT_TAKEN.search(message):
        return RuntimeFault("port_taken", taken[1], permanent=False)
    if WEBHOOK_AWAY in message:
        return RuntimeFault("admission_away", message, permanent=False)
    if any(words in message for words in _SOON_BETTER):
        return RuntimeFault("start_failed", str(refused), permanent=False)
    if refused.status == 404 and refused.details.get("kind") == "namespaces":
        return RuntimeFault("namespace_missing", message)
    if refused.status in (401, 403) or _DENIED.search(message):
        return _forbidden(refused)
    return RuntimeFault("start_failed", str(refused))


def _forbidden(refused: ApiRefused) -> RuntimeFault:
    message = refused.message
    if refused.status == 401:
        return RuntimeFault("cluster_forbids", message or str(refused))
    if limit := admission.limit_broken(message):
        slug, facts = limit
    else:
        slug = next(slug for words, slug in _FORBIDDEN if words in message)
        facts = _FACTS[slug](message) if slug in _FACTS else {}
    return RuntimeFault(slug, message or str(refused), facts=facts)


@contextmanager
def writing() -> Iterator[None]:
    """A refusal is a fault, in the runtime's words."""
    try:
        yield
    except ApiRefused as refused:
        raise fault(refused) from refused


@contextmanager
def reading() -> Iterator[None]:
    """Who may not look knows nothing of any desktop."""
    try:
        yield
    except ApiRefused as refused:
        raise RuntimeUnknown(str(refused)) from refused
