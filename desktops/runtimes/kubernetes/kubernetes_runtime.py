"""The Kubernetes runtime: one pod per desktop, with the objects around it. Keeps no state except watched events."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog

from desktops.runtimes.base import (
    Deadline,
    DeletionBegun,
    DesktopSpec,
    Exposed,
    MachineCapacity,
    Names,
    Observed,
    Phase,
    ResourceQuotaUse,
    RuntimeFault,
    RuntimeUnknown,
    StorageSpace,
    Usage,
)
from desktops.runtimes.home_usage import LOG_LINES, HomeUsage, last_measurement, without_measurements
from desktops.runtimes.kubernetes import mending, pod_state
from desktops.runtimes.kubernetes.client import ApiClient, ApiRefused
from desktops.runtimes.kubernetes.cluster_settings import Cluster
from desktops.runtimes.kubernetes.errors import reading, writing
from desktops.runtimes.kubernetes.informer import Informer
from desktops.runtimes.kubernetes.manifests import CONTAINER, INSTALLATION, NODE_PORTS, NOVNC, SSH_OUTSIDE, VNC
from desktops.runtimes.kubernetes.mending import Mend
from desktops.runtimes.kubernetes.namespace_quota import uses_of
from desktops.runtimes.kubernetes.node_capacity import capacity_of
from desktops.runtimes.kubernetes.operations import Bodies, Body, NamespaceOperations
from desktops.runtimes.kubernetes.pod_usage import usage_of, usage_of_each
from desktops.runtimes.kubernetes.start import DesktopCreation, end_pod, is_ending, owners, set_owner
from desktops.runtimes.names import check

log = structlog.get_logger("podesk.kubernetes")
LOOK_SECONDS = 10.0  # for operations without a deadline
PAGE_SECONDS = 4.0  # for operations that a page waits for
EVENTS_WANTED = timedelta(minutes=1)  # how long after readiness a pod's events are still requested
HOME_USAGE_SECONDS = 1800  # age of the oldest line that is searched for a measurement
ABANDONED = timedelta(minutes=15)  # longer than any start; a start without a pod by then is given up


class KubernetesRuntime:
    steps: tuple[str, ...] = pod_state.STEPS

    def __init__(self, cluster: Cluster, api: ApiClient | None = None) -> None:
        self.cluster, self.api = cluster, api or ApiClient()
        self._watch = Informer(self.api, cluster.namespace, cluster.installation)
        self._ours = {"labelSelector": f"{INSTALLATION}={cluster.installation}"}

    def warm_up(self) -> None:
        with suppress(RuntimeUnknown), reading():
            self._calls(Deadline.after(LOOK_SECONDS)).get("Pod", "podesk-warm-up")

    def start(self, spec: DesktopSpec, *, deadline: Deadline) -> None:
        check(spec.name)
        check(spec.volume)
        with writing():
            DesktopCreation(spec, self.cluster, self._calls(deadline)).run()

    def stop(self, name: str, *, deadline: Deadline) -> None:
        calls = self._calls(deadline)
        with writing():
            pod, config_map = self._get(calls, "Pod", check(name)), self._get(calls, "ConfigMap", name)
            if not pod and config_map:
                calls.delete(config_map)
            if not pod:
                return
            if config_map and not owners(config_map):  # its start was cut off just before the end
                set_owner(pod, config_map, calls)
            end_pod(pod, calls)

    def mend(self, spec: DesktopSpec, *, deadline: Deadline) -> Names:
        with writing():
            return Mend(spec, self.cluster, self._calls(deadline)).mend()

    def renew_keys(self, name: str, authorized_keys: str, *, deadline: Deadline) -> None:
        """Update the Secret.

        The kubelet copies it into the pod within about a minute, where sshd reads it at each login.
        """
        calls = self._calls(deadline)
        with writing():
            if self._get(calls, "Secret", check(name)):
                calls.patch("Secret", name, {"stringData": {"authorized_keys": authorized_keys}})

    def delete_volume(self, volume: str, *, deadline: Deadline) -> None:
        calls = self._calls(deadline)
        with writing():
            claim = self._get(calls, "PersistentVolumeClaim", check(volume))
            if claim and is_ending(claim):
                raise RuntimeFault("still_deleting", f"{volume} is still in the cluster", permanent=False)
            if claim:  # its finalizers keep it for a moment
                calls.delete(claim)
                raise DeletionBegun(volume)

    def observe(self, name: str) -> Observed | None:
        calls = self._look()
        with reading():
            pod = self._get(calls, "Pod", check(name))
            if not pod:
                return None
            return self._observed(pod, self._events(calls, pod), lambda: self._services(calls, name).get(name))

    def list(self) -> list[Observed]:
        calls = self._look()
        with reading():
            # Before the pods: so a pod that is there had all of them then, or something is missing.
            parts = mending.list_parts(calls, self.cluster.installation, self.cluster.exposure)
            pods = calls.list("Pod", **self._ours)
            events = calls.list("Event") if self._ask_events(pods) else None
            services, config_maps = parts.get("Service", {}), parts["ConfigMap"].values()
            seen = [
                replace(
                    self._observed(
                        pod, self._watched_events(pod) if events is None else events, partial(services.get, name)
                    ),
                    missing=mending.missing(pod, parts),
                )
                for name, pod in _by_name(pods).items()
            ]
            return seen + [
                _unfinished(config_map) for config_map in config_maps if _abandoned(config_map, _by_name(pods))
            ]

    def volumes(self) -> Names:
        calls = self._look()
        with reading():
            claims = calls.list("PersistentVolumeClaim", **self._ours)
        return [claim["metadata"]["name"] for claim in claims if not is_ending(claim)]

    def watch(self, *, timeout: float) -> Iterator[str]:
        return self._watch.names(timeout)

    def logs(self, name: str, *, lines: int = 100) -> str:
        calls = self._look(PAGE_SECONDS)
        with reading():
            pod = self._get(calls, "Pod", check(name))
            if not pod or not lines:
                return ""
            query = {"container": CONTAINER, "tailLines": lines, "previous": pod_state.waits_to_restart(pod)}
            return without_measurements(calls.log(name, query)).rstrip("\n")

    def usage(self, name: str) -> Usage | None:
        calls = self._look(PAGE_SECONDS)
        with reading():
            pod = self._get(calls, "Pod", check(name))
            if not pod or is_ending(pod):
                return None
            measured = calls.get("PodMetrics", name)
            return usage_of(pod, measured) if measured else None

    def home_usage(self, name: str) -> HomeUsage | None:
        """Read the log, which needs no other right. The session prints a measurement into it (session/home-usage)."""
        with reading():
            query = {"container": CONTAINER, "tailLines": LOG_LINES, "sinceSeconds": HOME_USAGE_SECONDS}
            return last_measurement(self._look(PAGE_SECONDS).log(check(name), query))

    def quota_use(self) -> tuple[ResourceQuotaUse, ...]:
        calls = self._look(PAGE_SECONDS)
        with reading():
            return uses_of(calls.list("ResourceQuota"))

    def storage_space(self) -> StorageSpace | None:
        return None  # the storage class hides it; the kubelet's own metrics show what its driver reports

    def capacity(self) -> MachineCapacity | None:
        with reading():
            try:
                return capacity_of(self._look(PAGE_SECONDS).list("Node"))
            except ApiRefused as refused:
                if refused.status == 403:  # the component `node-capacity` gives the right
                    return None
                raise

    def usage_of_all(self) -> dict[str, Usage]:
        with reading():
            try:
                return usage_of_each(self._look(PAGE_SECONDS).list("PodMetrics", **self._ours))
            except ApiRefused as refused:
                if refused.status == 404:  # the cluster has no metrics server
                    return {}
                raise

    def unlimited(self) -> str | None:
        return None

    def close(self) -> None:
        """End the threads of the watch."""
        self._watch.close()

    # --- asking the cluster -----------------------------------------------------------------------------------------

    def _calls(self, deadline: Deadline) -> NamespaceOperations:
        return NamespaceOperations(self.api, self.cluster.namespace, deadline)

    def _look(self, seconds: float | None = None) -> NamespaceOperations:
        return self._calls(Deadline.after(seconds or LOOK_SECONDS))

    def _get(self, calls: NamespaceOperations, kind: str, name: str) -> Body | None:
        """Return the object if it belongs to this installation, else None."""
        found = calls.get(kind, name)
        ours = found and found["metadata"].get("labels", {}).get(INSTALLATION) == self.cluster.installation
        return found if ours else None

    def _watched_events(self, pod: Body) -> Bodies:
        return self._watch.events_of(pod) or []

    def _services(self, calls: NamespaceOperations, name: str) -> dict[str, Body]:
        """Return the named Service, by name, for the address of its load balancer.

        Returns none if the portal may not read Services; desktops are still observed.
        """
        try:
            return _by_name([calls.get("Service", name) or {}])
        except ApiRefused as refused:
            if refused.status != 403:
                raise
            log.warning("services_forbidden", error=str(refused), missing="k8s/parts/exposure-loadbalancer")
            return {}

    def _events(self, calls: NamespaceOperations, pod: Body) -> Bodies:
        if not self._ask_events([pod]):
            return self._watched_events(pod)
        asked = [f"involvedObject.uid={pod['metadata']['uid']}"]
        if not pod["spec"].get("nodeName"):  # some reasons appear only in the claim's events
            asked.append(f"involvedObject.name={pod_state.claim_of(pod)}")
        return [event for each in asked for event in calls.list("Event", fieldSelector=each)]

    def _ask_events(self, pods: Bodies) -> bool:
        """Say whether events must be requested because the watch does not have them."""
        wanted = [pod for pod in pods if not _needs_no_events(pod)]
        return any(self._watch.events_of(pod) is None for pod in wanted)

    # --- what it means ----------------------------------------------------------------------------------------------

    def _observed(self, pod: Body, events: Bodies, service: Callable[[], Body | None]) -> Observed:
        """Return the state of a pod.

        If something else has changed it beyond recognition, the other pods are still reported.
        """
        meta = pod["metadata"]
        try:
            seen = pod_state.observed(pod, events)
            if seen.phase is not Phase.READY:
                return seen
            suspect = mending.secret_is_missing(pod, events)
            return replace(seen, exposed=self._exposed(pod, service), suspect=suspect)
        except (AttributeError, LookupError, TypeError, ValueError):
            log.exception("pod_not_understood", name=meta["name"])
            return Observed(phase=Phase.STOPPING if is_ending(pod) else Phase.STARTED, **pod_state.identity(meta))

    def _exposed(self, pod: Body, service: Callable[[], Body | None]) -> Exposed | None:
        if ports := pod["metadata"].get("annotations", {}).get(NODE_PORTS):
            host = self.cluster.node_address or pod["status"].get("hostIP", "")
            return Exposed(host, *map(int, ports.split(",")))
        if not self._by_load_balancer:
            return None
        status = (service() or {}).get("status", {})
        given = status.get("loadBalancer", {}).get("ingress") or [{}]
        host = given[0].get("hostname") or given[0].get("ip", "")
        return Exposed(host, VNC, NOVNC, SSH_OUTSIDE) if host else None

    @property
    def _by_load_balancer(self) -> bool:
        return self.cluster.exposure == "loadbalancer"


def _by_name(bodies: Bodies) -> dict[str, Body]:
    return {body["metadata"]["name"]: body for body in bodies if body}


def _needs_no_events(pod: Body) -> bool:
    since = pod_state.ready_since(pod)
    return since is not None and datetime.now(UTC) - since > EVENTS_WANTED


def _abandoned(config_map: Body, pods: dict[str, Body]) -> bool:
    """Say whether a start was cut off and not continued."""
    meta = config_map["metadata"]
    age = datetime.now(UTC) - datetime.fromisoformat(meta["creationTimestamp"])
    return meta["name"] not in pods and age > ABANDONED


def _unfinished(config_map: Body) -> Observed:
    return Observed(phase=Phase.CREATED, **pod_state.identity(config_map["metadata"]))
