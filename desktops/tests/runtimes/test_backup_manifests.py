"""The complete objects of a backup task, exactly as the cluster gets them."""

import json
from typing import Any

import kubernetes_validate
import pytest

from desktops.runtimes.backups.base import RepositoryAccess, TaskKind, TaskSpec
from desktops.runtimes.backups.repository_address import RepositoryAddress, address_of, is_on_network
from desktops.runtimes.base import Placement
from desktops.runtimes.kubernetes import backup_manifests
from desktops.runtimes.kubernetes.backup_manifests import BackupJobSettings
from desktops.tests.runtimes.test_manifests import cluster

ID = "3f2b8c1d-9e4a-4c0b-8a55-000000000001"
NAME, HOME = f"backup-{ID}", "home-ada-3f2b8c1d9e4a"
ACCESS = RepositoryAccess("rest:https://u:hidden-1@backup.example.org:8000/homes/7", "hidden-2", {"AWS_X": "hidden-3"})
SETTINGS = BackupJobSettings(image="vnc/manager-api:1", deadline=21600, networks=("192.168.7.0/24",))
LABELS = {
    "podesk/backups": "site-1",
    "podesk/task": ID,
    "app.kubernetes.io/name": "podesk-backup",
    "app.kubernetes.io/instance": NAME,
    "app.kubernetes.io/component": "backup",
    "app.kubernetes.io/part-of": "podesk",
    "app.kubernetes.io/managed-by": "podesk",
}


def task(**changes: Any) -> TaskSpec:
    usual: dict[str, Any] = {"id": ID, "kind": TaskKind.BACKUP, "repository": ACCESS, "volume": HOME}
    return TaskSpec(**(usual | changes))


def job(**changes: Any) -> dict[str, Any]:
    access_mode = changes.pop("access_mode", "ReadWriteOnce")
    return backup_manifests.job(task(**changes), cluster(access_mode=access_mode), SETTINGS)


def pod(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = job(**changes)["spec"]["template"]["spec"]
    return found


def near(topology: str, **labels: str) -> dict[str, Any]:
    return {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": labels}, "topologyKey": f"kubernetes.io/{topology}"}
        ]
    }


def test_job():
    assert job() == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": NAME, "labels": LABELS},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": 21600,
            "template": {
                "metadata": {"labels": LABELS | {"podesk/volume": HOME}},
                "spec": {
                    "restartPolicy": "Never",
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
                    "affinity": {
                        "podAntiAffinity": near("os", **{"podesk/task": ID}),
                        "podAffinity": near("hostname", **{"podesk/volume": HOME}),
                    },
                    "containers": [CONTAINER],
                    "volumes": [
                        {"name": "task", "secret": {"secretName": NAME, "defaultMode": 0o440}},
                        {"name": "tmp", "emptyDir": {"sizeLimit": "8Gi"}},
                        {"name": "home", "persistentVolumeClaim": {"claimName": HOME}},
                    ],
                },
            },
        },
    }


CONTAINER = {
    "name": "restic",
    "image": "vnc/manager-api:1",
    "imagePullPolicy": "IfNotPresent",
    "command": [
        *("python", "-m", "desktops.runtimes.backups.run"),
        *("/run/podesk/task/TASK.json", "/dev/termination-log"),
    ],
    "env": [{"name": "HOME", "value": "/tmp"}],
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "FallbackToLogsOnError",
    "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "2Gi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
    "volumeMounts": [
        {"name": "task", "mountPath": "/run/podesk/task", "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},
        {"name": "home", "mountPath": "/home/void/workspace", "readOnly": True},
    ],
}


def test_a_restore_alone_may_write_into_the_home_folder():
    homes = {kind: pod(kind=kind)["containers"][0]["volumeMounts"][-1]["readOnly"] for kind in TaskKind}
    assert [kind for kind, read_only in homes.items() if not read_only] == [TaskKind.RESTORE]


def test_a_restore_has_time_and_further_tries_to_finish_the_exchange_of_files():
    restore = job(kind=TaskKind.RESTORE)["spec"]
    assert (restore["backoffLimit"], restore["template"]["spec"]["terminationGracePeriodSeconds"]) == (3, 60)


def test_a_check_of_the_repository_has_no_home_folder_and_any_node_will_do():
    found = pod(kind=TaskKind.VERIFY, volume="", placement=Placement(node_selector={"gpu": "yes"}))
    assert [volume["name"] for volume in found["volumes"]] == ["task", "tmp"]
    assert [mount["name"] for mount in found["containers"][0]["volumeMounts"]] == ["task", "tmp"]
    assert found["affinity"].keys() == {"podAntiAffinity"}
    assert "nodeSelector" not in found


def test_a_shared_volume_is_backed_up_on_any_node():
    assert pod(access_mode="ReadWriteMany")["affinity"].keys() == {"podAntiAffinity"}
    assert pod(access_mode="ReadWriteOncePod")["affinity"].keys() == {"podAntiAffinity", "podAffinity"}


def test_it_may_run_where_the_desktop_may():
    taints = [{"key": "gpu", "operator": "Exists"}]
    found = pod(placement=Placement(node_selector={"gpu": "yes"}, tolerations=taints))
    assert (found["nodeSelector"], found["tolerations"]) == ({"gpu": "yes"}, taints)


def test_the_registry_s_secret_is_that_of_desktops():
    found = backup_manifests.job(task(), cluster(pull_secret="registry"), SETTINGS)
    assert found["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "registry"}]


def test_password_and_credentials_are_in_the_secret_alone():
    secret = backup_manifests.secret(task(), cluster())
    content = json.loads(secret["stringData"]["TASK.json"])
    spec, home = content["task"], content["home"]
    assert spec["repository"] == {
        "location": ACCESS.location,
        "password": "hidden-2",
        "environment": {"AWS_X": "hidden-3"},
        "used": False,
    }
    assert home == "/home/void/workspace"
    assert (spec["id"], spec["kind"], spec["volume"]) == (ID, "backup", HOME)
    others = json.dumps([job(), backup_manifests.network_policy(task(), cluster(), SETTINGS), secret["metadata"]])
    assert "hidden" not in others


def policy_of(location: str, **changes: Any) -> dict[str, Any]:
    access = RepositoryAccess(location, "", {"OS_AUTH_URL": "https://id.example.org:5000/v3"})
    return backup_manifests.network_policy(task(repository=access), cluster(**changes), SETTINGS)


def test_network_policy():
    assert policy_of("rest:https://backup.example.org:8000/homes/7", egress_except=("10.0.0.0/8", "fd00::/8")) == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": NAME, "labels": LABELS},
        "spec": {
            "podSelector": {"matchLabels": {"podesk/task": ID}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [],
            "egress": [
                {
                    "to": [
                        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}},
                        {"ipBlock": {"cidr": "169.254.20.10/32"}},
                        {"ipBlock": {"cidr": "169.254.25.10/32"}},
                    ],
                    "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
                },
                {
                    "to": [
                        {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}},
                        {"ipBlock": {"cidr": "192.168.7.0/24"}},
                    ],
                    "ports": [{"protocol": "TCP", "port": 8000}],
                },
            ],
        },
    }


@pytest.mark.parametrize(
    ("location", "cidr"),
    [("rest:http://10.1.2.3:8000/x", "10.1.2.3/32"), ("s3:https://[fd00::7]:9000/bucket", "fd00::7/128")],
)
def test_an_address_opens_itself_and_the_site_s_networks(location, cidr):
    to = policy_of(location)["spec"]["egress"][1]["to"]
    assert to == [{"ipBlock": {"cidr": cidr}}, {"ipBlock": {"cidr": "192.168.7.0/24"}}]


@pytest.mark.parametrize(
    ("location", "host", "ports"),
    [
        ("rest:http://backup.example.org/homes", "backup.example.org", (80,)),
        ("rest:https://user:pass@backup.example.org/homes", "backup.example.org", (443,)),
        ("s3:s3.amazonaws.com/bucket/homes", "s3.amazonaws.com", (443,)),
        ("s3:http://minio.storage.svc:9000/bucket", "minio.storage.svc", (9000,)),
        ("s3:minio:9000/bucket", "minio", (9000,)),
        ("b2:bucket:homes", "", (443,)),
        ("azure:container:/homes", "", (443,)),
        ("gs:bucket:/homes", "", (443,)),
        ("swift:container:/homes", "", (443, 5000)),
    ],
)
def test_address_of_a_repository(location, host, ports):
    access = RepositoryAccess(location, "", {"OS_AUTH_URL": "https://id.example.org:5000/v3"})
    assert address_of(access) == RepositoryAddress(host, ports)
    assert is_on_network(location)


@pytest.mark.parametrize("location", ["/srv/backups", "local:/srv/backups", "sftp:user@host:/srv", "rclone:remote:x"])
def test_what_needs_files_of_one_machine_is_not_on_the_network(location):
    assert not is_on_network(location)


@pytest.mark.parametrize("version", ["1.26", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("kind", TaskKind)
def test_valid_for_the_schemas_of_kubernetes(version, kind):
    spec = task(kind=kind, volume="" if kind in (TaskKind.VERIFY, TaskKind.FORGET) else HOME)
    for body in (
        backup_manifests.secret(spec, cluster()),
        backup_manifests.network_policy(spec, cluster(), SETTINGS),
        backup_manifests.job(spec, cluster(), SETTINGS),
    ):
        kubernetes_validate.validate(body, version, strict=True)
