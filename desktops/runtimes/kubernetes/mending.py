"""Find objects that are missing around a running pod, and create them again without restarting it."""

from datetime import UTC, datetime, timedelta

import structlog

from desktops.runtimes.base import Names
from desktops.runtimes.kubernetes import manifests, network_manifests, pod_state
from desktops.runtimes.kubernetes.client import ApiRefused
from desktops.runtimes.kubernetes.manifests import ENDPOINT, INSTALLATION, RUN
from desktops.runtimes.kubernetes.operations import Bodies, Body, NamespaceOperations
from desktops.runtimes.kubernetes.start import DesktopCreation, SupersededRun, is_ending, owners, set_owner

log = structlog.get_logger("podesk.kubernetes")
# The kubelet reports a missing Secret of a running pod about every two minutes.
_RECENT = timedelta(minutes=3)
Parts = dict[str, dict[str, Body]]  # by kind and name


def list_parts(calls: NamespaceOperations, installation: str, exposure: str) -> Parts:
    """List the objects around pods, except Secrets: the right to list them is the right to read all of them.

    A kind that the portal has no right to list is left out and is never reported as missing.
    """
    found: Parts = {}
    for kind in ("ConfigMap", "Service", "NetworkPolicy", *(["Ingress"] if exposure == "ingress" else [])):
        try:
            bodies = calls.list(kind, labelSelector=f"{INSTALLATION}={installation}")
        except ApiRefused as refused:
            if refused.status != 403 or kind == "ConfigMap":
                raise
            log.warning("kind_not_compared", kind=kind, error=str(refused))
        else:
            found[kind] = {body["metadata"]["name"]: body for body in bodies}
    return found


def missing(pod: Body, parts: Parts) -> tuple[str, ...]:
    """Return the kinds of which there is no object of the pod's own run. `parts` were listed before the pod."""
    meta = pod["metadata"]
    return tuple(kind for kind, bodies in parts.items() if not _is_of(bodies.get(meta["name"]), meta))


def secret_is_missing(pod: Body, events: Bodies) -> bool:
    """Say whether the kubelet has recently reported that the Secret of this pod is missing."""
    since = (datetime.now(UTC) - _RECENT).isoformat()
    return any(
        pod_state.about(event).get("uid") == pod["metadata"]["uid"]
        and event.get("reason") == "FailedMount"
        and f'secret "{pod["metadata"]["name"]}" not found' in (event.get("message") or "")
        and pod_state.event_time(event) > since
        for event in events
    )


class Mend(DesktopCreation):
    """Create the missing objects of a running pod, as its start did."""

    def mend(self) -> Names:
        """Create what is missing and return its kinds. Raises ApiRefused, RuntimeFault, RuntimeUnknown."""
        self.made: Names = []
        try:
            pod = self._ours("Pod")
            if pod and not self._is_older(pod) and not is_ending(pod):
                self._around(pod)
        except SupersededRun:
            pass
        return self.made

    def _around(self, pod: Body) -> None:
        config_map = self._config_map_of(pod)
        for body in self._parts():
            self._ensure(manifests.owned(body, by=config_map))
        # The row and the pod's annotation name the old address, so the Service gets it again.
        service = network_manifests.service(self.spec, self.cluster)
        address = pod["metadata"].get("annotations", {}).get(ENDPOINT, "").rpartition(":")[0].strip("[]")
        if address:
            service["spec"]["clusterIP"] = address
        self._ensure(manifests.owned(service, by=config_map))

    def _config_map_of(self, pod: Body) -> Body:
        there = self._ours("ConfigMap")
        if there and not is_ending(there) and not self._is_older(there) and not owners(there):
            set_owner(pod, there, self.calls)  # its start was interrupted just before the end
            return there
        return self._ensure(manifests.owned(manifests.config_map(self.spec, self.cluster), by=pod))

    def _create(self, body: Body) -> Body | None:
        if made := super()._create(body):
            self.made.append(body["kind"])
        return made


def _is_of(body: Body | None, meta: Body) -> bool:
    return bool(body) and body["metadata"].get("labels", {}).get(RUN) == meta.get("labels", {}).get(RUN)  # type: ignore[index]
