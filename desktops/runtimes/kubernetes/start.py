"""Create the objects of one desktop, in an order that allows a start to be interrupted and repeated at any point."""

from datetime import UTC, datetime, timedelta

import structlog

from desktops.runtimes.base import Deadline, DesktopSpec, RuntimeFault
from desktops.runtimes.kubernetes import manifests, network_manifests, pod_disruption, pod_state
from desktops.runtimes.kubernetes.cluster_settings import Cluster
from desktops.runtimes.kubernetes.manifests import DESKTOP, INSTALLATION, OWNER
from desktops.runtimes.kubernetes.operations import Body, NamespaceOperations

log = structlog.get_logger("podesk.kubernetes")
# In addition to a pod's own grace period: the node is not there to end it.
DEAD_NODE = timedelta(minutes=5)
LOST_NODE = timedelta(seconds=30)  # for a pod that the cluster has already given up, after minutes
MOMENT = 1.5  # seconds that one start may wait in total for ending objects; a usual restart needs less


class SupersededRun(Exception):
    """A later run has already started, so this one is no longer wanted."""


class DesktopCreation:
    """One start.

    The ConfigMap is created first and owns the other objects. The pod is created last and then owns the ConfigMap.

    So if the pod exists, everything exists; when it is gone, the cluster removes the rest.
    """

    def __init__(self, spec: DesktopSpec, cluster: Cluster, calls: NamespaceOperations) -> None:
        self.spec, self.cluster, self.calls = spec, cluster, calls
        self._moment = Deadline.after(MOMENT)

    def run(self) -> None:
        self._volume()
        try:
            if config_map := self._config_map():
                self._rest(config_map)
        except SupersededRun:
            return

    # --- the home ---------------------------------------------------------------------------------------------------

    def _volume(self) -> None:
        if self.spec.volume_used:
            there = self._claim()
            if not there or is_ending(there):
                raise RuntimeFault("volume_lost", f"no claim {self.spec.volume} in {self.cluster.namespace}")
            return
        while not self._new_claim():
            self._wait(f"{self.spec.volume} to be gone")

    def _new_claim(self) -> bool:
        """Create the claim or find ours. Returns False while an old claim of that name is being deleted."""
        if self.calls.create(manifests.volume_claim(self.spec, self.cluster)):
            return True
        there = self._claim()
        return bool(there and not is_ending(there))

    def _claim(self) -> Body | None:
        """Return the claim of this desktop's owner. Another desktop of the owner may have used it."""
        there = self.calls.get("PersistentVolumeClaim", self.spec.volume)
        if there and not _bears(there, {INSTALLATION: self.spec.installation, OWNER: self.spec.owner_id}):
            raise RuntimeFault("name_taken", f"PersistentVolumeClaim {self.spec.volume} is not ours")
        return there

    # --- the ConfigMap ----------------------------------------------------------------------------------------------

    def _config_map(self) -> Body | None:
        """Return the ConfigMap of this run, or None if the whole run already exists."""
        body = manifests.config_map(self.spec, self.cluster)
        while not (config_map := self.calls.create(body)):
            there, pod = self._ours("ConfigMap"), self._ours("Pod")
            # first, because the objects around a pod must stay until it has ended
            if pod and (self._is_older(pod) or is_ending(pod)):
                end_pod(pod, self.calls)
                self._wait("the pod of an earlier run to end")
            elif there and is_ending(there):
                self._wait("an earlier ConfigMap to be gone")
            elif there and not self._is_older(there) and not owners(there):
                return there
            elif there and not self._is_older(there) and pod and pod["metadata"]["uid"] in owners(there):
                return None
            elif there:  # from an earlier run, or from a lost pod; the cluster would remove it soon
                self.calls.delete(there)
        return config_map

    # --- the rest ---------------------------------------------------------------------------------------------------

    def _rest(self, config_map: Body) -> None:
        for body in self._parts():
            self._ensure(manifests.owned(body, by=config_map))
        service = self._ensure(manifests.owned(network_manifests.service(self.spec, self.cluster), by=config_map))
        pod = self._ensure(manifests.pod(self.spec, self.cluster, service=service))
        if not set_owner(pod, config_map, self.calls):  # a concurrent stop saw no pod and left this one
            self.calls.delete(pod)

    def _parts(self) -> list[Body]:
        """Build what the ConfigMap owns, except the Service."""
        make = [manifests.secret, network_manifests.network_policy]
        if self.cluster.exposure == "ingress":
            make.append(network_manifests.ingress)
        return [body(self.spec, self.cluster) for body in make]

    def _create(self, body: Body) -> Body | None:
        return self.calls.create(body)

    def _ensure(self, body: Body) -> Body:
        """Create the object or return the existing one of this run."""
        kind = body["kind"]
        while not (made := self._create(body)):
            there = self._ours(kind)
            if there and is_ending(there):
                self._wait(f"an earlier {kind} to be gone")
            elif there and not self._is_older(there) and owners(there) == owners(body):
                return there
            elif there:
                self.calls.delete(there)
        return made

    def _wait(self, what: str) -> None:
        """Wait a moment. Raises a RuntimeFault that is not permanent once the total is used up, to free the worker."""
        if not self._moment.remaining:
            raise RuntimeFault("still_stopping", f"waited for {what}", permanent=False)
        self.calls.pause(what)

    def _ours(self, kind: str) -> Body | None:
        """Return the existing object of this desktop.

        Raises RuntimeFault if it belongs to something else, and SupersededRun if a later run created it.
        """
        there = self.calls.get(kind, self.spec.name)
        if not there:
            return None
        if not _bears(there, {INSTALLATION: self.spec.installation, DESKTOP: self.spec.desktop_id}):
            raise RuntimeFault("name_taken", f"{kind} {self.spec.name} is not ours")
        if _run(there) > self.spec.run:
            raise SupersededRun
        return there

    def _is_older(self, body: Body) -> bool:
        return _run(body) < self.spec.run


def set_owner(pod: Body, config_map: Body, calls: NamespaceOperations) -> bool:
    """Make the pod the owner of the ConfigMap, so that everything is deleted with the pod.

    Returns False if it is gone.
    """
    change = {"metadata": {"ownerReferences": [manifests.reference(pod)]}}
    return calls.patch("ConfigMap", config_map["metadata"]["name"], change) is not None


def end_pod(pod: Body, calls: NamespaceOperations) -> None:
    """Begin to end the pod. If its node does not end it in time, remove it from the API by force."""
    if not is_ending(pod):
        calls.delete(pod)
    elif _is_overdue(pod):
        log.warning("pod_forced", name=pod["metadata"]["name"], node=pod["spec"].get("nodeName"))
        calls.delete(pod, at_once=True)


def _is_overdue(pod: Body) -> bool:
    """Say whether the pod should have ended. Its deletionTimestamp already includes the grace period."""
    limit = LOST_NODE if pod_disruption.is_lost(pod) else DEAD_NODE
    return datetime.now(UTC) - datetime.fromisoformat(pod["metadata"]["deletionTimestamp"]) > limit


def is_ending(body: Body) -> bool:
    return "deletionTimestamp" in body["metadata"]


def _bears(body: Body, labels: dict[str, str]) -> bool:
    worn: Body = body["metadata"].get("labels", {})
    return labels.items() <= worn.items()


def _run(body: Body) -> int:
    return pod_state.run_of(body["metadata"])


def owners(body: Body) -> set[str]:
    return {owner["uid"] for owner in body["metadata"].get("ownerReferences", [])}
