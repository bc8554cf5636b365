"""Runs backup tasks as Jobs of a cluster. Keeps no state: the Jobs show it."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from desktops.runtimes.backups.base import ObservedTask, TaskSpec
from desktops.runtimes.base import Deadline, RuntimeFault
from desktops.runtimes.kubernetes import backup_manifests
from desktops.runtimes.kubernetes.backup_job_state import observed
from desktops.runtimes.kubernetes.backup_manifests import BACKUPS, TASK, BackupJobSettings, object_name
from desktops.runtimes.kubernetes.client import ApiClient
from desktops.runtimes.kubernetes.cluster_settings import Cluster
from desktops.runtimes.kubernetes.errors import reading, writing
from desktops.runtimes.kubernetes.manifests import INSTALLATION, home_claim, owned, reference
from desktops.runtimes.kubernetes.operations import Body, NamespaceOperations
from desktops.runtimes.kubernetes.start import is_ending, owners
from desktops.runtimes.names import check

LOOK_SECONDS = 10.0
_MOMENT = 2.0  # seconds that a worker waits for a task to end
_OURS_TO_SAY = ("volume_gone", "name_taken", "bad_name", "still_stopping")


class KubernetesBackupEngine:
    """Each task has a Job, a Secret and a NetworkPolicy of the same name.

    The Job is created last, so its pod has both. Then it becomes the owner of the Secret, which owns the policy: when
    somebody deletes the Job, the cluster removes the rest.
    """

    def __init__(self, cluster: Cluster, settings: BackupJobSettings, api: ApiClient | None = None) -> None:
        self.cluster, self.settings, self.api = cluster, settings, api or ApiClient()
        self._ours = {"labelSelector": f"{BACKUPS}={cluster.installation}"}

    def begin(self, task: TaskSpec, *, deadline: Deadline) -> None:
        calls = self._calls(deadline)
        with _in_words_of_backups(), writing():
            if task.volume:
                self._have_claim(task, calls)
            secret = self._ensure(backup_manifests.secret(task, self.cluster), calls)
            policy = backup_manifests.network_policy(task, self.cluster, self.settings)
            self._ensure(owned(policy, by=secret), calls)
            job = self._ensure(backup_manifests.job(task, self.cluster, self.settings), calls)
            if not owners(secret):
                change = {"metadata": {"ownerReferences": [reference(job)]}}
                calls.patch("Secret", object_name(task.id), change)

    def observe(self) -> list[ObservedTask]:
        calls = self._calls(Deadline.after(LOOK_SECONDS))
        with reading():
            jobs, pods = calls.list("Job", **self._ours), calls.list("Pod", **self._ours)
        by_task: dict[str, list[Body]] = defaultdict(list)
        for pod in pods:
            by_task[pod["metadata"]["labels"].get(TASK, "")].append(pod)
        return [observed(job, by_task[job["metadata"]["labels"][TASK]]) for job in jobs if _is_task(job)]

    def remove(self, task_id: str, *, deadline: Deadline) -> None:
        """Delete the Job and wait a moment for its pod to end, then delete what its owner would have taken along."""
        calls, name = self._calls(deadline), object_name(check(task_id))
        moment = Deadline.after(min(_MOMENT, deadline.remaining))
        with writing():
            while job := self._get("Job", name, calls):
                if not is_ending(job):
                    # The Job is there until its pod has ended.
                    calls.delete(job, propagation="Foreground")
                elif not moment.remaining:
                    raise RuntimeFault("still_stopping", f"{name} has not ended yet", permanent=False)
                else:
                    calls.pause(f"{name} to end")
            for kind in ("Secret", "NetworkPolicy"):
                if left := self._get(kind, name, calls):
                    calls.delete(left)

    # --- helpers ----------------------------------------------------------------------------------------------------

    def _calls(self, deadline: Deadline) -> NamespaceOperations:
        return NamespaceOperations(self.api, self.cluster.namespace, deadline)

    def _have_claim(self, task: TaskSpec, calls: NamespaceOperations) -> None:
        """Find the claim of the home folder, or make the new one of a restore."""
        new, claim = task.new_volume, calls.get("PersistentVolumeClaim", check(task.volume))
        if not claim and new:
            claim = calls.create(home_claim(task.volume, new, self.cluster))
            claim = claim or calls.get("PersistentVolumeClaim", task.volume)
        if not claim or is_ending(claim):
            raise RuntimeFault("volume_gone", f"no claim {task.volume} in {self.cluster.namespace}")
        if claim["metadata"].get("labels", {}).get(INSTALLATION) != self.cluster.installation:
            raise RuntimeFault("name_taken", f"PersistentVolumeClaim {task.volume} is not ours")

    def _ensure(self, body: Body, calls: NamespaceOperations) -> Body:
        """Create the object, or return the one that an interrupted call created."""
        kind, name = body["kind"], body["metadata"]["name"]
        while not (made := calls.create(body)):
            there = calls.get(kind, name)
            if there and not self._is_ours(there):
                raise RuntimeFault("name_taken", f"{kind} {name} is not ours")
            if there and not is_ending(there):
                return there
            calls.pause(f"an earlier {kind} to be gone")
        return made

    def _get(self, kind: str, name: str, calls: NamespaceOperations) -> Body | None:
        found = calls.get(kind, name)
        return found if found and self._is_ours(found) else None

    def _is_ours(self, body: Body) -> bool:
        worn: dict[str, str] = body["metadata"].get("labels", {})
        return worn.get(BACKUPS) == self.cluster.installation


def _is_task(job: Body) -> bool:
    return TASK in job["metadata"]["labels"]


@contextmanager
def _in_words_of_backups() -> Iterator[None]:
    """Give what the cluster refuses the one reason that backups have for it."""
    try:
        yield
    except RuntimeFault as fault:
        if fault.reason in _OURS_TO_SAY:
            raise
        raise RuntimeFault("cluster_refused", str(fault), permanent=fault.permanent, facts=fault.facts) from fault
