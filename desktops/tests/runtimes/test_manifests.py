"""The complete objects of a desktop, exactly as the cluster gets them."""

from decimal import Decimal
from typing import Any

import kubernetes_validate
import pytest

from desktops.runtimes.base import NodePorts, Placement
from desktops.runtimes.kubernetes import manifests, network_manifests
from desktops.tests.support.kubernetes_namespace import a_cluster
from desktops.tests.support.runtime_specs import a_spec

ID = "3f2b8c1d-9e4a-4c0b-8a55-000000000001"
NAME, HOME = "vnc-ada-3f2b8c1d9e4a", "home-ada-3f2b8c1d9e4a"
EXPOSURES = ("proxy", "nodeport", "ingress", "loadbalancer")

METADATA = {
    "name": NAME,
    "labels": {
        "podesk/installation": "site-1",
        "podesk/desktop": ID,
        "podesk/owner": "7",
        "podesk/run": "3",
        "app.kubernetes.io/name": "podesk-desktop",
        "app.kubernetes.io/instance": NAME,
        "app.kubernetes.io/component": "desktop",
        "app.kubernetes.io/part-of": "podesk",
        "app.kubernetes.io/managed-by": "podesk",
    },
    "annotations": {"podesk/owner-name": "Ada 中文"},
}


def spec(**changes: Any):
    usual = {
        "installation": "site-1", "desktop_id": ID, "run": 3, "owner_id": "7", "owner_name": "Ada 中文",
        "image": "vnc/void-desktop:1", "host_key": "HOST KEY", "authorized_keys": "ssh-ed25519 AAAA ada\n",
        "resolution": "1920x1080", "language": "zh-hans",
        "time_zone": "Asia/Shanghai",
    }  # fmt: skip
    return a_spec(**(usual | changes))


def cluster(**changes: Any):
    return a_cluster("vnc-pods", "site-1", **changes)


def with_annotations(**more: str) -> dict[str, Any]:
    return METADATA | {"annotations": METADATA["annotations"] | more}


def test_config_map():
    assert manifests.config_map(spec(), cluster()) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": METADATA,
        "data": {
            "USER_ID": "7",
            "USER_NAME": "Ada 中文",
            "DISPLAY": ":1",
            "VNC_RESOLUTION": "1920x1080",
            "LANGUAGE_CODE": "zh-hans",
            "TZ": "Asia/Shanghai",
            "PODESK_STORAGE_GIB": "5",
        },
    }


def test_secret():
    assert manifests.secret(spec(), cluster()) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": METADATA,
        "type": "Opaque",
        "stringData": {
            "vnc-password": "s3cret-8",
            "ssh_host_ed25519_key": "HOST KEY",
            "authorized_keys": "ssh-ed25519 AAAA ada\n",
        },
    }


def test_volume_claim():
    labels = {
        "podesk/installation": "site-1",
        "podesk/owner": "7",
        "app.kubernetes.io/name": "podesk-desktop",
        "app.kubernetes.io/instance": HOME,
        "app.kubernetes.io/component": "home",
        "app.kubernetes.io/part-of": "podesk",
        "app.kubernetes.io/managed-by": "podesk",
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": HOME, "labels": labels, "annotations": {"podesk/owner-name": "Ada 中文"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}},
    }
    assert manifests.volume_claim(spec(), cluster()) == claim
    claim["spec"] |= {"accessModes": ["ReadWriteMany"], "storageClassName": "183nfs"}
    assert manifests.volume_claim(spec(), cluster(storage_class="183nfs", access_mode="ReadWriteMany")) == claim


def pod_metadata(**more: str) -> dict[str, Any]:
    return with_annotations(**more) | {"labels": METADATA["labels"] | {"podesk/volume": HOME}}


NEAR_ITS_BACKUP = {
    "weight": 100,
    "podAffinityTerm": {
        "labelSelector": {"matchLabels": {"podesk/volume": HOME}},
        "topologyKey": "kubernetes.io/hostname",
    },
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": pod_metadata(**{"podesk/endpoint": "10.96.1.2:5901"}),
    "spec": {
        "restartPolicy": "OnFailure",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "fsGroup": 1000,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "desktop",
                "image": "vnc/void-desktop:1",
                "imagePullPolicy": "IfNotPresent",
                "envFrom": [{"configMapRef": {"name": NAME}}],
                "ports": [
                    {"name": "vnc", "containerPort": 5901, "protocol": "TCP"},
                    {"name": "novnc", "containerPort": 6080, "protocol": "TCP"},
                    {"name": "ssh", "containerPort": 2222, "protocol": "TCP"},
                ],
                "resources": {
                    "requests": {"cpu": "2000m", "memory": "1024Mi"},
                    "limits": {"cpu": "2000m", "memory": "1024Mi"},
                },
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
                    {"name": "home", "mountPath": "/home/void/workspace"},
                    {"name": "secret", "mountPath": "/run/podesk/secret", "readOnly": True},
                    {"name": "session", "mountPath": "/run/podesk-session"},
                    {"name": "tmp", "mountPath": "/tmp"},
                    {"name": "shm", "mountPath": "/dev/shm"},
                ],
            }
        ],
        "volumes": [
            {"name": "home", "persistentVolumeClaim": {"claimName": HOME}},
            {"name": "secret", "secret": {"secretName": NAME, "defaultMode": 0o440}},
            {"name": "session", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "4Gi"}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "512Mi"}},
        ],
        "affinity": {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [NEAR_ITS_BACKUP]}},
    },
}


def answered(address: str) -> dict[str, Any]:
    """Return the part of a created Service that the runtime reads."""
    names = {"vnc": 30001, "novnc": 30002, "ssh": 31001}
    return {"spec": {"clusterIP": address, "ports": [{"name": name, "nodePort": at} for name, at in names.items()]}}


def test_pod():
    assert manifests.pod(spec(), cluster(), service=answered("10.96.1.2")) == POD


def test_pod_with_a_shared_volume_starts_on_any_node():
    shared = manifests.pod(spec(), cluster(access_mode="ReadWriteMany"), service=answered("10.96.1.2"))
    assert "affinity" not in shared["spec"]


def test_pod_where_an_image_asks_for_more():
    toleration = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
    placement = Placement({"gpu": "a100"}, [toleration], "desktops", "registry-key", "amd.com/gpu")
    made = manifests.pod(spec(gpu=2, placement=placement, cpu=Decimal("0.5")), cluster(), service=answered("10.96.1.2"))
    resources = {"cpu": "500m", "memory": "1024Mi", "amd.com/gpu": "2"}
    [container] = POD["spec"]["containers"]
    assert made["spec"] == POD["spec"] | {
        "containers": [container | {"resources": {"requests": resources, "limits": resources}}],
        "nodeSelector": {"gpu": "a100"},
        "tolerations": [toleration],
        "priorityClassName": "desktops",
        "imagePullSecrets": [{"name": "registry-key"}],
    }


@pytest.mark.parametrize(("cores", "percent", "reserved"), [("2", 25, "500m"), ("0.5", 33, "165m"), ("0.05", 1, "1m")])
def test_a_node_reserves_a_share_of_the_cores_and_all_other_amounts(cores, percent, reserved):
    wanted = spec(cpu=Decimal(cores), gpu=1)
    made = manifests.pod(wanted, cluster(cpu_request_percent=percent), service=answered("10.96.1.2"))
    [container] = made["spec"]["containers"]
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert requests == limits | {"cpu": reserved}
    assert limits == {"cpu": f"{int(Decimal(cores) * 1000)}m", "memory": "1024Mi", "nvidia.com/gpu": "1"}


def test_an_image_s_own_pull_secret_comes_before_the_installation_s():
    def pull_secrets(own: str) -> list[dict[str, str]]:
        wanted = spec(placement=Placement(pull_secret=own))
        return manifests.pod(wanted, cluster(pull_secret="of-all"), service=answered("1.2.3.4"))["spec"][
            "imagePullSecrets"
        ]

    assert pull_secrets("") == [{"name": "of-all"}]
    assert pull_secrets("own") == [{"name": "own"}]


def test_pod_says_how_it_is_reached():
    wanted, place = spec(ports=NodePorts(30001, 30002, 31001)), cluster(exposure="nodeport")
    service = network_manifests.service(wanted, place)
    service["spec"]["clusterIP"] = "fd00::7"
    made = manifests.pod(wanted, place, service=service)
    more = {"podesk/endpoint": "[fd00::7]:5901", "podesk/node-ports": "30001,30002,31001"}
    assert made["metadata"] == pod_metadata(**more)


def test_pod_tells_the_node_ports_that_its_service_has_whatever_was_wished():
    place = cluster(exposure="nodeport")
    service = network_manifests.service(spec(ports=NodePorts(30001, 30002, 31001)), place)
    service["spec"]["clusterIP"] = "10.96.1.2"
    made = manifests.pod(spec(ports=NodePorts(30007, 30008, 31007)), place, service=service)
    assert made["metadata"]["annotations"]["podesk/node-ports"] == "30001,30002,31001"


def test_owned():
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME, "uid": "u-1"}}
    made = manifests.owned(manifests.secret(spec(), cluster()), by=owner)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": NAME, "uid": "u-1"}
    assert made["metadata"] == METADATA | {"ownerReferences": [reference]}


@pytest.mark.parametrize("version", ["1.26", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("exposure", EXPOSURES)
def test_every_object_is_valid(exposure, version):
    placement = Placement({"gpu": "a100"}, [{"key": "gpu", "operator": "Exists"}], "desktops", "registry-key")
    ports = NodePorts(30001, 30002, 31001) if exposure == "nodeport" else None
    wanted, place = spec(placement=placement, gpu=1, ports=ports), cluster(exposure=exposure, storage_class="nfs")
    makers = (manifests.volume_claim, manifests.config_map, manifests.secret)
    network = (network_manifests.network_policy, network_manifests.service, network_manifests.ingress)
    bodies = [make(wanted, place) for make in (*makers, *network)]
    bodies.append(manifests.pod(wanted, place, service=answered("10.96.1.2")))
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME, "uid": "u"}}
    assert [refusal(each, version) for body in bodies for each in (body, manifests.owned(body, by=owner))] == [""] * 14


def refusal(body: dict, version: str) -> str:
    """Return why that version of Kubernetes refuses the object, or ""."""
    try:
        kubernetes_validate.validate(body, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{body['kind']}: {error}"
    return ""
