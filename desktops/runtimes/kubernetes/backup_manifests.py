"""Build the Kubernetes objects of one backup task: its Job, the Secret with the task, its NetworkPolicy. Pure."""

from dataclasses import dataclass
from ipaddress import ip_address

from desktops.runtimes.backups.base import RepositoryAccess, TaskKind, TaskSpec
from desktops.runtimes.backups.repository_address import RepositoryAddress, address_of
from desktops.runtimes.backups.task_files import write_task
from desktops.runtimes.kubernetes.cluster_settings import Cluster
from desktops.runtimes.kubernetes.manifests import HOME, USER, VOLUME, Body

# Not the label of desktops' objects: whatever lists those takes each for a desktop.
BACKUPS, TASK = "podesk/backups", "podesk/task"
TASK_FILE, TASK_FOLDER = "TASK.json", "/run/podesk/task"
RESULT_FILE = "/dev/termination-log"
CONTAINER = "restic"
RESTORE_TRIES = 3
_TEMPORARY = "/tmp"  # noqa: S108 - a mount point  # nosec B108
# Little is asked for, so that desktops keep the room; the limits are for repositories with millions of files.
_REQUESTS = {"cpu": "50m", "memory": "128Mi"}
_LIMITS = {"cpu": "1", "memory": "2Gi"}
_TEMPORARY_SIZE = "8Gi"  # restic's cache, and the file that a verification restores
_HOST_BITS = {4: 32, 6: 128}


@dataclass(frozen=True)
class BackupJobSettings:
    """The settings of backups in a cluster, the same for all tasks."""

    image: str  # has restic and this program
    deadline: int  # seconds until the cluster ends a task
    networks: tuple[str, ...]  # CIDRs of the repository that desktops cannot reach


def object_name(task_id: str) -> str:
    """Return the name of all objects of a task."""
    return f"backup-{task_id}"


def secret(task: TaskSpec, cluster: Cluster) -> Body:
    text = write_task(task, HOME if task.volume else "").decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(task, cluster),
        "type": "Opaque",
        "stringData": {TASK_FILE: text},
    }


def network_policy(task: TaskSpec, cluster: Cluster, settings: BackupJobSettings) -> Body:
    """Return the policy of the task's pod: no connections to it; from it to name servers and the repository only."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(task, cluster),
        "spec": {
            "podSelector": {"matchLabels": {TASK: task.id}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [],
            "egress": [_to_name_servers(cluster), _to_repository(task.repository, cluster, settings)],
        },
    }


def job(task: TaskSpec, cluster: Cluster, settings: BackupJobSettings) -> Body:
    meta = _metadata(task, cluster)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta,
        "spec": {
            # A restore that was killed while it exchanged the files is finished by the next pod.
            "backoffLimit": RESTORE_TRIES if task.kind is TaskKind.RESTORE else 0,
            "activeDeadlineSeconds": settings.deadline,
            "template": {"metadata": {"labels": _pod_labels(task, meta)}, "spec": _pod(task, cluster, settings)},
        },
    }


# --- metadata ---------------------------------------------------------------------------------------------------------


def _metadata(task: TaskSpec, cluster: Cluster) -> Body:
    labels = {
        BACKUPS: cluster.installation,
        TASK: task.id,
        "app.kubernetes.io/name": "podesk-backup",
        "app.kubernetes.io/instance": object_name(task.id),
        "app.kubernetes.io/component": task.kind.value,
        "app.kubernetes.io/part-of": "podesk",
        "app.kubernetes.io/managed-by": "podesk",
    }
    return {"name": object_name(task.id), "labels": labels}


def _pod_labels(task: TaskSpec, meta: Body) -> dict[str, str]:
    labels: dict[str, str] = meta["labels"]
    return labels | ({VOLUME: task.volume} if task.volume else {})


# --- the pod ----------------------------------------------------------------------------------------------------------


def _pod(task: TaskSpec, cluster: Cluster, settings: BackupJobSettings) -> Body:
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 60 if task.kind is TaskKind.RESTORE else 10,  # to exchange the files
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "affinity": _affinity(task, cluster),
        "containers": [_container(task, cluster, settings)],
        "volumes": _volumes(task),
        **_placement(task, cluster),
    }


def _container(task: TaskSpec, cluster: Cluster, settings: BackupJobSettings) -> Body:
    # Only the mount is read-only. A read-only claim would fail beside a desktop that has it mounted to write.
    home = {"name": "home", "mountPath": HOME, "readOnly": task.kind is not TaskKind.RESTORE}
    return {
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": cluster.pull_policy,
        "command": ["python", "-m", "desktops.runtimes.backups.run", f"{TASK_FOLDER}/{TASK_FILE}", RESULT_FILE],
        "env": [{"name": "HOME", "value": _TEMPORARY}],
        "terminationMessagePath": RESULT_FILE,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {"requests": dict(_REQUESTS), "limits": dict(_LIMITS)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "task", "mountPath": TASK_FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": _TEMPORARY},
            *([home] if task.volume else []),
        ],
    }


def _volumes(task: TaskSpec) -> list[Body]:
    home = {"name": "home", "persistentVolumeClaim": {"claimName": task.volume}}
    return [
        {"name": "task", "secret": {"secretName": object_name(task.id), "defaultMode": 0o440}},
        {"name": "tmp", "emptyDir": {"sizeLimit": _TEMPORARY_SIZE}},
        *([home] if task.volume else []),
    ]


def _affinity(task: TaskSpec, cluster: Cluster) -> Body:
    # A Job replaces a pod that is ending. Only one of them may be on all Linux nodes together, so no task runs twice
    # at the same time.
    alone = {"labelSelector": {"matchLabels": {TASK: task.id}}, "topologyKey": "kubernetes.io/os"}
    affinity: Body = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [alone]}}
    if task.volume and cluster.access_mode != "ReadWriteMany":
        # One node has the volume. The pod itself has the label too: without a desktop that runs, any node will do.
        beside = {"labelSelector": {"matchLabels": {VOLUME: task.volume}}, "topologyKey": "kubernetes.io/hostname"}
        affinity["podAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": [beside]}
    return affinity


def _placement(task: TaskSpec, cluster: Cluster) -> Body:
    wishes = {
        "nodeSelector": task.placement.node_selector if task.volume else {},
        "tolerations": task.placement.tolerations if task.volume else [],
        "imagePullSecrets": [{"name": cluster.pull_secret}] if cluster.pull_secret else [],
    }
    return {key: wish for key, wish in wishes.items() if wish}


# --- the network ------------------------------------------------------------------------------------------------------


def _to_name_servers(cluster: Cluster) -> Body:
    names: list[Body] = [
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}},
        *({"ipBlock": {"cidr": cidr}} for cidr in cluster.name_servers),
    ]
    return {"to": names, "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}


def _to_repository(access: RepositoryAccess, cluster: Cluster, settings: BackupJobSettings) -> Body:
    where = address_of(access)
    ports = [{"protocol": "TCP", "port": port} for port in where.ports]
    return {"to": _networks(where, cluster, settings), "ports": ports}


def _networks(where: RepositoryAddress, cluster: Cluster, settings: BackupJobSettings) -> list[Body]:
    """Return exactly the address if the location contains one, else what desktops reach and the site's networks."""
    own: list[Body] = [{"ipBlock": {"cidr": cidr}} for cidr in settings.networks]
    try:
        address = ip_address(where.host)
    except ValueError:
        except_4 = [cidr for cidr in cluster.egress_except if ":" not in cidr]
        return [{"ipBlock": {"cidr": "0.0.0.0/0", "except": except_4}}, *own]
    return [{"ipBlock": {"cidr": f"{address}/{_HOST_BITS[address.version]}"}}, *own]
