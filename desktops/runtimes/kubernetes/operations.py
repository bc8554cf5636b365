"""Operations on the objects of one namespace. All calls of one instance share a deadline."""

import random
import time
from typing import Any

from desktops.runtimes.base import Deadline, RuntimeFault
from desktops.runtimes.kubernetes.client import ApiClient, ApiRefused, ApiRequest

Body = dict[str, Any]
Bodies = list[Body]  # needed because `list` is a method here

_GROUPS = {
    "ConfigMap": ("api/v1", "configmaps"),
    "Event": ("api/v1", "events"),
    "Ingress": ("apis/networking.k8s.io/v1", "ingresses"),
    "Job": ("apis/batch/v1", "jobs"),
    "NetworkPolicy": ("apis/networking.k8s.io/v1", "networkpolicies"),
    "Node": ("api/v1", "nodes"),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims"),
    "Pod": ("api/v1", "pods"),
    "PodMetrics": ("apis/metrics.k8s.io/v1beta1", "pods"),
    "ResourceQuota": ("api/v1", "resourcequotas"),
    "Secret": ("api/v1", "secrets"),
    "Service": ("api/v1", "services"),
}
_WITHOUT_NAMESPACE = frozenset({"Node"})
_PAGE = 500
_LOG_BYTES = 1 << 20


def path(kind: str, namespace: str, *more: str) -> str:
    group, plural = _GROUPS[kind]
    space = () if kind in _WITHOUT_NAMESPACE else ("namespaces", namespace)
    return "/".join(("", group, *space, plural, *more))


class NamespaceOperations:
    """All methods raise ApiRefused unless they treat it as success, and RuntimeUnknown if there is no answer."""

    def __init__(self, api: ApiClient, namespace: str, deadline: Deadline) -> None:
        self.api, self.namespace, self.deadline = api, namespace, deadline

    def get(self, kind: str, name: str) -> Body | None:
        try:
            return self._call("GET", path(kind, self.namespace, name))
        except ApiRefused as refused:
            if refused.status == 404:
                return None
            raise

    def list(self, kind: str, **query: str) -> Bodies:
        """Return all objects of a kind, page by page. Starts over if the API no longer has the rest of the list."""
        while True:
            try:
                return self._pages(kind, query)
            except ApiRefused as refused:
                if refused.status != 410:
                    raise
                self.pause(f"a list of {kind} that stays whole")

    def create(self, body: Body) -> Body | None:
        """Create an object and return it, or None if one of that name already exists."""
        while True:
            try:
                return self._call("POST", path(body["kind"], self.namespace), body=body)
            except ApiRefused as refused:
                if refused.reason == "AlreadyExists":
                    return None
                # A full quota or used node port is reported before an existing name.
                if refused.status in (403, 422) and self.get(body["kind"], body["metadata"]["name"]):
                    return None
                if refused.status != 409:
                    raise
            self.pause(f"a quota that others use at this moment, to make {body['kind']}")

    def delete(self, body: Body, *, at_once: bool = False, propagation: str = "Background") -> None:
        """Begin to delete this object. An object created later under the same name is kept.

        `propagation`: "Foreground" deletes the objects that it owns before itself.
        """
        meta = body["metadata"]
        options: Body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": meta["uid"]},
            "propagationPolicy": propagation,
        }
        if at_once:
            options["gracePeriodSeconds"] = 0
        try:
            self._call("DELETE", path(body["kind"], self.namespace, meta["name"]), body=options)
        except ApiRefused as refused:
            if refused.status not in (404, 409):
                raise

    def patch(self, kind: str, name: str, change: Body) -> Body | None:
        """Merge `change` into the object. Returns None if it is gone."""
        try:
            return self._call("PATCH", path(kind, self.namespace, name), body=change)
        except ApiRefused as refused:
            if refused.status == 404:
                return None
            raise

    def log(self, pod: str, query: Body) -> str:
        """Return a pod's log, or an empty string if no container runs."""
        try:
            return self._newest(path("Pod", self.namespace, pod, "log"), query).decode(errors="replace")
        except ApiRefused as refused:
            if refused.status in (400, 404):
                return ""
            raise

    def _newest(self, address: str, query: Body) -> bytes:
        """Return the newest lines.

        If the log exceeds the limit, the API sends its beginning, so fewer lines are requested.
        """
        lines = int(query.get("tailLines", 1))
        while True:
            asked = query | {"tailLines": lines, "limitBytes": _LOG_BYTES}
            found: bytes = self.api.call(ApiRequest("GET", address, asked), self.deadline, parse=bytes)
            if len(found) < _LOG_BYTES or lines <= 1:
                return found
            lines //= 2

    def pause(self, what: str) -> None:
        """Wait a moment for the cluster. Raises a RuntimeFault that is not permanent if the deadline has passed."""
        seconds = random.uniform(0.2, 0.5)
        if seconds >= self.deadline.remaining:
            raise RuntimeFault("still_stopping", f"waited for {what}", permanent=False)
        time.sleep(seconds)

    def _pages(self, kind: str, query: dict[str, str]) -> Bodies:
        found: Bodies = []
        more = ""
        while True:
            page = self._call("GET", path(kind, self.namespace), query=query | {"limit": _PAGE, "continue": more})
            found += page["items"]
            if not (more := page["metadata"].get("continue", "")):
                return found

    def _call(self, method: str, path: str, *, query: Body | None = None, body: Body | None = None) -> Body:
        answer: Body = self.api.call(ApiRequest(method, path, query or {}, body), self.deadline)
        return answer
