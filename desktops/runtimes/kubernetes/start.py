"""How the objects of one desktop come to exist, in an order that lets it be cut off anywhere and begun again."""

from datetime import UTC, datetime, timedelta

import structlog

from desktops.runtimes.base import Deadline, DesktopSpec, RuntimeFault
from desktops.runtimes.kubernetes import manifests, network_manifests, pod_disruption, pod_state
from desktops.runtimes.kubernetes.cluster_settings import Cluster
from desktops.runtimes.kubernetes.manifests import DESKTOP, INSTALLATION, OWNER
from desktops.runtimes.kubernetes.operations import Body, NamespaceOperations

log = structlog.get_logger("podesk.kubernetes")
# Beyond a pod's own grace: nobody is there to end it.
DEAD_NODE = timedelta(minutes=5)
LOST_NODE = timedelta(seconds=30)  # of a pod that the cluster itself has given up, which took it minutes
MOMENT = 1.5  # seconds that all of one start may wait for what is ending: a usual restart needs less


class WaitedTooLong(Exception):
    """A later run is there already: nothing of this one is wanted any more."""


class DesktopCreation:
    """One start. The ConfigMap comes first and owns the rest; the pod comes last, and then owns the ConfigMap.

    So where the pod is, everything is, and when it is gone the cluster collects the rest.
    """

    def __init__(self, spec: DesktopSpec, cluster: Cluster, calls: NamespaceOperations) -> None:
        self.spec, self.cluster, self.calls = spec, cluster, calls
        self._moment = Deadline.after(MOMENT)

    def run(self) -> None:
        self._volume()
        try:
            if anchor := self._anchor():
                self._rest(anchor)
        except WaitedTooLong:
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
        """Made or there, and ours. False while one of that name is on its way out."""
        if self.calls.create(manifests.volume_claim(self.spec, self.cluster)):
            return True
        there = self._claim()
        return bool(there and not is_ending(there))

    def _claim(self) -> Body | None:
        """Another desktop of the same owner may have worked in it."""
        there = self.calls.get("PersistentVolumeClaim", self.spec.volume)
        if there and not _bears(there, {INSTALLATION: self.spec.installation, OWNER: self.spec.owner_id}):
            raise RuntimeFault("name_taken", f"PersistentVolumeClaim {self.spec.volume} is not ours")
        return there

    # --- the anchor -------------------------------------------------------------------------------------------------

    def _anchor(self) -> Body | None:
        """The ConfigMap of this run; None when the whole run is there already."""
        body = manifests.config_map(self.spec, self.cluster)
        while not (anchor := self.calls.create(body)):
            there, pod = self._ours("ConfigMap"), self._ours("Pod")
            if pod and (self._is_older(pod) or is_ending(pod)):  # first: what is around a pod stays until it has ended
                end_pod(pod, self.calls)
                self._wait("the pod of an earlier run to end")
            elif there and is_ending(there):
                self._wait("an earlier ConfigMap to be gone")
            elif there and not self._is_older(there) and not owners(there):
                return there
            elif there and not self._is_older(there) and pod and pod["metadata"]["uid"] in owners(there):
                return None
            elif there:  # of an earlier run, or of a pod that is gone: then the cluster is about to collect it
                self.calls.delete(there)
        return anchor

    # --- the rest ---------------------------------------------------------------------------------------------------

    def _rest(self, anchor: Body) -> None:
        make = [manifests.secret, network_manifests.network_policy]
        if self.cluster.exposure == "ingress":
            make.append(network_manifests.ingress)
        for body in make:
            self._ensure(manifests.owned(body(self.spec, self.cluster), by=anchor))
        service = self._ensure(manifests.owned(network_manifests.service(self.spec, self.cluster), by=anchor))
        pod = self._ensure(manifests.pod(self.spec, self.cluster, service=service))
        if not give_to(pod, anchor, self.calls):  # a stop came between: it saw no pod, so it left us this one
            self.calls.delete(pod)

    def _ensure(self, body: Body) -> Body:
        """The object as it is in the cluster: made now, or there and of this very run."""
        kind = body["kind"]
        while not (made := self.calls.create(body)):
            there = self._ours(kind)
            if there and is_ending(there):
                self._wait(f"an earlier {kind} to be gone")
            elif there and not self._is_older(there) and owners(there) == owners(body):
                return there
            elif there:
                self.calls.delete(there)
        return made

    def _wait(self, what: str) -> None:
        """Raises RuntimeFault, to be begun again later, when the moment is over: others need the worker."""
        if not self._moment.remaining:
            raise RuntimeFault("still_stopping", f"waited for {what}", permanent=False)
        self.calls.pause(what)

    def _ours(self, kind: str) -> Body | None:
        """Raises RuntimeFault when it belongs to somebody else, Late when a later run made it."""
        there = self.calls.get(kind, self.spec.name)
        if not there:
            return None
        if not _bears(there, {INSTALLATION: self.spec.installation, DESKTOP: self.spec.desktop_id}):
            raise RuntimeFault("name_taken", f"{kind} {self.spec.name} is not ours")
        if _run(there) > self.spec.run:
            raise WaitedTooLong
        return there

    def _is_older(self, body: Body) -> bool:
        return _run(body) < self.spec.run


def give_to(pod: Body, anchor: Body, calls: NamespaceOperations) -> bool:
    """Let the anchor, and all that it owns, go when the pod goes. False when the anchor is gone."""
    change = {"metadata": {"ownerReferences": [manifests.reference(pod)]}}
    return calls.patch("ConfigMap", anchor["metadata"]["name"], change) is not None


def end_pod(pod: Body, calls: NamespaceOperations) -> None:
    """Begin to end it; one whose machine does not do so is taken out of the cluster's books."""
    if not is_ending(pod):
        calls.delete(pod)
    elif _is_overdue(pod):
        log.warning("pod_forced", name=pod["metadata"]["name"], node=pod["spec"].get("nodeName"))
        calls.delete(pod, at_once=True)


def _is_overdue(pod: Body) -> bool:
    """The API's deletionTimestamp has the grace in it already."""
    patience = LOST_NODE if pod_disruption.is_lost(pod) else DEAD_NODE
    return datetime.now(UTC) - datetime.fromisoformat(pod["metadata"]["deletionTimestamp"]) > patience


def is_ending(body: Body) -> bool:
    return "deletionTimestamp" in body["metadata"]


def _bears(body: Body, labels: dict[str, str]) -> bool:
    worn: Body = body["metadata"].get("labels", {})
    return labels.items() <= worn.items()


def _run(body: Body) -> int:
    return pod_state.run_of(body["metadata"])


def owners(body: Body) -> set[str]:
    return {owner["uid"] for owner in body["metadata"].get("ownerReferences", [])}
