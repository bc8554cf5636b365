"""Build the Kubernetes objects of one desktop. Pure: takes a spec and returns dicts."""

from decimal import Decimal
from typing import Any

from desktops.runtimes.backups.base import NewVolume
from desktops.runtimes.base import DesktopSpec
from desktops.runtimes.kubernetes.cluster_settings import Cluster
from desktops.runtimes.names import display

Body = dict[str, Any]

INSTALLATION, DESKTOP, OWNER, RUN = "podesk/installation", "podesk/desktop", "podesk/owner", "podesk/run"
VOLUME = "podesk/volume"  # label of the pods that use a home folder, so that the cluster can put them on one node
# annotations of the pod, so that reading the pod is enough
ENDPOINT, NODE_PORTS = "podesk/endpoint", "podesk/node-ports"
CONTAINER = "desktop"
VNC, NOVNC, SSH = 5901, 6080, 2222  # container ports; those below 1024 need a privilege
SSH_OUTSIDE = 22
USER = 1000  # uid and gid of `void`
HOME, SECRETS = "/home/void/workspace", "/run/podesk/secret"


def volume_claim(spec: DesktopSpec, cluster: Cluster) -> Body:
    """Return the claim of the home folder. It outlives all runs and may be used by another desktop of its owner."""
    return home_claim(spec.volume, NewVolume(spec.owner_id, spec.owner_name, spec.storage_gib), cluster)


def home_claim(name: str, new: NewVolume, cluster: Cluster) -> Body:
    labels = {INSTALLATION: cluster.installation, OWNER: new.owner_id} | _application(name, "home")
    wanted: Body = {
        "accessModes": [cluster.access_mode],
        "resources": {"requests": {"storage": f"{new.storage_gib}Gi"}},
    }
    if cluster.storage_class:
        wanted["storageClassName"] = cluster.storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "labels": labels, "annotations": annotations(new)},
        "spec": wanted,
    }


def config_map(spec: DesktopSpec, cluster: Cluster) -> Body:
    """Return the ConfigMap, which is created first and owns the other objects, so that they are deleted with it."""
    data = {
        "USER_ID": spec.owner_id,
        "USER_NAME": display(spec.owner_name),
        "DISPLAY": ":1",
        "VNC_RESOLUTION": spec.resolution,
        "LANGUAGE_CODE": spec.language,
        "TZ": spec.time_zone,
        "PODESK_STORAGE_GIB": str(spec.storage_gib),
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(spec), "data": data}


def secret(spec: DesktopSpec, cluster: Cluster) -> Body:
    data = {
        "vnc-password": spec.vnc_password,
        "ssh_host_ed25519_key": spec.host_key,
        "authorized_keys": spec.authorized_keys,
    }
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata(spec), "type": "Opaque", "stringData": data}


def pod(spec: DesktopSpec, cluster: Cluster, *, service: Body) -> Body:
    """Return the pod. `service` is its Service as returned by the API; the pod's annotations repeat its address."""
    meta = metadata(spec)
    meta["labels"][VOLUME] = spec.volume
    address = service["spec"]["clusterIP"]
    meta["annotations"][ENDPOINT] = f"[{address}]:{VNC}" if ":" in address else f"{address}:{VNC}"
    if spec.ports:
        given = {port["name"]: str(port["nodePort"]) for port in service["spec"]["ports"]}
        meta["annotations"][NODE_PORTS] = ",".join(given[name] for name in ("vnc", "novnc", "ssh"))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {
            "restartPolicy": "OnFailure",  # a logout ends the pod; a crash restarts its container
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,  # otherwise the environment lists all other desktops
            "terminationGracePeriodSeconds": 10,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",  # do not walk through a large home at each start
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_container(spec, cluster)],
            "volumes": _volumes(spec),
            **_placement(spec, cluster),
        },
    }


def owned(body: Body, *, by: Body) -> Body:
    """Return the object with `by` as its owner, so that it is deleted with it. `by` is as returned by the API."""
    return body | {"metadata": body["metadata"] | {"ownerReferences": [reference(by)]}}


def reference(owner: Body) -> Body:
    meta = owner["metadata"]
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"]}


# --- metadata of all objects ------------------------------------------------------------------------------------------


def metadata(spec: DesktopSpec) -> Body:
    labels = {
        INSTALLATION: spec.installation,
        DESKTOP: spec.desktop_id,
        OWNER: spec.owner_id,
        RUN: str(spec.run),
    }
    return {
        "name": spec.name,
        "labels": labels | _application(spec.name, "desktop"),
        "annotations": annotations(spec),
    }


def _application(name: str, component: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "podesk-desktop",
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "podesk",
        "app.kubernetes.io/managed-by": "podesk",
    }


def annotations(spec: DesktopSpec | NewVolume) -> dict[str, str]:
    return {"podesk/owner-name": display(spec.owner_name)}


# --- the pod's parts --------------------------------------------------------------------------------------------------


def _container(spec: DesktopSpec, cluster: Cluster) -> Body:
    return {
        "name": CONTAINER,
        "image": spec.image,
        "imagePullPolicy": cluster.pull_policy,
        "envFrom": [{"configMapRef": {"name": spec.name}}],
        "ports": [
            {"name": "vnc", "containerPort": VNC, "protocol": "TCP"},
            {"name": "novnc", "containerPort": NOVNC, "protocol": "TCP"},
            {"name": "ssh", "containerPort": SSH, "protocol": "TCP"},
        ],
        "resources": _resources(spec, cluster.cpu_request_percent),
        # The period also delays the first probe, so it adds to each launch. A short period would cost the node more
        # than the desktop does; therefore the probe, once it has succeeded, takes 20 s for each answer.
        "readinessProbe": {
            "exec": {"command": ["/opt/podesk/ready"]},
            "periodSeconds": 1,
            "timeoutSeconds": 30,
            "failureThreshold": 2,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "home", "mountPath": HOME},
            {"name": "secret", "mountPath": SECRETS, "readOnly": True},
            {"name": "session", "mountPath": "/run/podesk-session"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a mount point  # nosec B108
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - a mount point  # nosec B108
        ],
    }


def _resources(spec: DesktopSpec, cpu_request_percent: int) -> dict[str, dict[str, str]]:
    """Return equal requests and limits, except of CPU: a pod that may exceed its memory request is evicted first."""
    limits = {"cpu": _millicores(spec.cpu), "memory": f"{spec.memory_mib}Mi"}
    if spec.gpu:
        limits[spec.placement.gpu_resource] = str(spec.gpu)
    return {"requests": limits | {"cpu": _millicores(spec.cpu * cpu_request_percent / 100)}, "limits": limits}


def _millicores(cores: Decimal) -> str:
    return f"{max(int(cores * 1000), 1)}m"


def _volumes(spec: DesktopSpec) -> list[Body]:
    return [
        {"name": "home", "persistentVolumeClaim": {"claimName": spec.volume}},
        {"name": "secret", "secret": {"secretName": spec.name, "defaultMode": 0o440}},
        {"name": "session", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "4Gi"}},  # one desktop must not fill the node's disk
        # Browsers crash with a container's default of 64 MiB. It is part of the desktop's memory.
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{spec.memory_mib // 2}Mi"}},
    ]


def _placement(spec: DesktopSpec, cluster: Cluster) -> Body:
    wanted, pull_secret = spec.placement, spec.placement.pull_secret or cluster.pull_secret
    wishes = {
        "affinity": _beside_its_backup(spec, cluster),
        "nodeSelector": wanted.node_selector,
        "tolerations": wanted.tolerations,
        "priorityClassName": wanted.priority_class,
        "imagePullSecrets": [{"name": pull_secret}] if pull_secret else [],
    }
    return {key: wish for key, wish in wishes.items() if wish}


def _beside_its_backup(spec: DesktopSpec, cluster: Cluster) -> Body:
    """Prefer the node where a backup of the home folder runs, because another node would have to wait for its end."""
    if cluster.access_mode == "ReadWriteMany":
        return {}
    backup = {"labelSelector": {"matchLabels": {VOLUME: spec.volume}}, "topologyKey": "kubernetes.io/hostname"}
    wish = {"weight": 100, "podAffinityTerm": backup}
    return {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [wish]}}
