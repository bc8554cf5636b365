"""Translate a cluster's refusals into runtime faults. Pure."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from desktops.runtimes.base import RuntimeFault, RuntimeUnknown
from desktops.runtimes.kubernetes import admission
from desktops.runtimes.kubernetes.client import WEBHOOK_AWAY, ApiRefused

_PORT_TAKEN = re.compile(r"Invalid value: (\d+): provided port is already allocated")
_DENIED = re.compile("denied (the )?request")

# The first text found in the message of a 403 or a webhook decides. All are Kubernetes' own texts.
_FORBIDDEN = (
    ("because it is being terminated", "namespace_missing"),
    ("exceeded quota", "namespace_quota"),
    ("denied the request", "admission_denied"),  # a webhook
    ("denied request", "admission_denied"),  # a ValidatingAdmissionPolicy, with status 422; from 1.26 on
    ("violates PodSecurity", "admission_denied"),
    (" cannot ", "cluster_forbids"),  # RBAC: User "…" cannot create resource "…"
    ("", "admission_denied"),  # priority classes and other admission plug-ins
)
_FACTS = {
    "namespace_quota": admission.quota_reached,
    "admission_denied": admission.rule_broken,
}
# Messages about a quota or service account that the cluster has not processed yet.
_SOON_BETTER = ("status unknown for quota", "error looking up service account")


def fault(refused: ApiRefused) -> RuntimeFault:
    """Return the fault for a refused create or delete call."""
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
    """Raise a refusal of a writing call as RuntimeFault."""
    try:
        yield
    except ApiRefused as refused:
        raise fault(refused) from refused


@contextmanager
def reading() -> Iterator[None]:
    """Raise a refusal of a reading call as RuntimeUnknown, because the state of desktops is then unknown."""
    try:
        yield
    except ApiRefused as refused:
        raise RuntimeUnknown(str(refused), refused=refused.status in (401, 403, 404)) from refused
