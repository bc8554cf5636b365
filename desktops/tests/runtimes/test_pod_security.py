"""Desktops follow the Pod Security standard `restricted`, which the test cluster is too old to enforce.

The rules are those of https://kubernetes.io/docs/concepts/security/pod-security-standards/, `baseline` first. `null`
and a missing field are the same.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from desktops.runtimes.base import NodePorts, Placement
from desktops.runtimes.kubernetes import manifests, network_manifests
from desktops.tests.runtimes.test_manifests import EXPOSURES, cluster, spec

Body = dict[str, Any]

PLACEMENTS = {
    "plain": Placement(),
    "all an image may ask for": Placement(
        node_selector={"gpu": "a100"},
        tolerations=[{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
        priority_class="desktops",
        pull_secret="registry-key",
        gpu_resource="amd.com/gpu",
    ),
}
SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def containers(pod: Body) -> list[Body]:
    kinds = ("containers", "initContainers", "ephemeralContainers")
    return [each for kind in kinds for each in pod["spec"].get(kind) or ()]


def contexts(pod: Body) -> list[Body]:
    """Return the security contexts of the pod and of its containers."""
    return [part.get("securityContext") or {} for part in (pod["spec"], *containers(pod))]


def effective(pod: Body, field: str) -> list[Any]:
    """Return the effective value for each container: its own, or else the pod's."""
    of_pod, *of_containers = contexts(pod)
    return [own.get(field, of_pod.get(field)) for own in of_containers]


def actions(pod: Body) -> Iterator[Body]:
    """Yield the actions of probes and of lifecycle hooks."""
    for each in containers(pod):
        yield from (each.get(probe) or {} for probe in PROBES)
        yield from (hook or {} for hook in (each.get("lifecycle") or {}).values() if not isinstance(hook, str))


def violations(pod: Body) -> list[str]:
    """Return the names of the violated rules."""
    return [rule for rule, broken in (*baseline(pod), *restricted(pod)) if broken]


def baseline(pod: Body) -> Iterator[tuple[str, bool]]:
    every = contexts(pod)
    annotations = pod["metadata"].get("annotations") or {}
    yield "HostProcess", any((each.get("windowsOptions") or {}).get("hostProcess") for each in every)
    yield "Host Namespaces", any(pod["spec"].get(each) for each in ("hostNetwork", "hostPID", "hostIPC"))
    yield "Privileged Containers", any(each.get("privileged") for each in every)
    yield "HostPath Volumes", any("hostPath" in volume for volume in pod["spec"].get("volumes") or ())
    yield "Host Ports", any(port.get("hostPort") for each in containers(pod) for port in each.get("ports") or ())
    asks = [action.get(way) or {} for action in actions(pod) for way in ("httpGet", "tcpSocket")]
    yield "Host Probes / Lifecycle Hooks", any(each.get("host") for each in asks)
    armour = {(each.get("appArmorProfile") or {}).get("type") for each in every}
    noted = {value for key, value in annotations.items() if key.startswith("container.apparmor.security.beta.")}
    noted = {value for value in noted if value not in ("", "runtime/default") and not value.startswith("localhost/")}
    yield "AppArmor", bool(armour - {None, "RuntimeDefault", "Localhost"} or noted)
    linux = [each.get("seLinuxOptions") or {} for each in every]
    yield (
        "SELinux",
        any(each.get("type", "") not in SELINUX_TYPES or each.get("user") or each.get("role") for each in linux),
    )
    yield "/proc Mount Type", any(each.get("procMount") not in (None, "Default") for each in every)
    asked = {each["name"] for context in every for each in context.get("sysctls") or ()}
    yield "Sysctls", not asked <= SYSCTLS


def restricted(pod: Body) -> Iterator[tuple[str, bool]]:
    volumes = [set(volume) - {"name"} for volume in pod["spec"].get("volumes") or ()]
    yield "Volume Types", any(len(kinds) != 1 or not kinds <= VOLUMES for kinds in volumes)
    own = contexts(pod)[1:]
    yield "Privilege Escalation", any(each.get("allowPrivilegeEscalation") is not False for each in own)
    yield "Running as Non-root", any(value is not True for value in effective(pod, "runAsNonRoot"))
    yield "Running as Non-root user", any(each.get("runAsUser") == 0 for each in contexts(pod))
    profiles = [(value or {}).get("type") for value in effective(pod, "seccompProfile")]
    stated = {(each.get("seccompProfile") or {}).get("type") for each in contexts(pod)}
    yield "Seccomp", not {*profiles, *(stated - {None})} <= {"RuntimeDefault", "Localhost"}
    powers = [each.get("capabilities") or {} for each in own]
    yield "Capabilities", any("ALL" not in (each.get("drop") or ()) for each in powers)
    yield "Capabilities added", any(set(each.get("add") or ()) - {"NET_BIND_SERVICE"} for each in powers)


def made(exposure: str = "proxy", placement: Placement = PLACEMENTS["plain"]) -> Body:
    ports = NodePorts(30001, 30002, 31001) if exposure == "nodeport" else None
    wanted, place = spec(ports=ports, placement=placement, gpu=1), cluster(exposure=exposure, pull_secret="of-all")
    service = network_manifests.service(wanted, place)
    service["spec"]["clusterIP"] = "10.96.1.2"
    return manifests.pod(wanted, place, service=service)


@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS)
@pytest.mark.parametrize("exposure", EXPOSURES)
def test_a_desktop_breaks_no_rule(exposure, placement):
    assert violations(made(exposure, placement)) == []


BROKEN = [
    ("HostProcess", "pod", {"windowsOptions": {"hostProcess": True}}),
    ("Host Namespaces", "spec", {"hostNetwork": True}),
    ("Host Namespaces", "spec", {"hostPID": True}),
    ("Host Namespaces", "spec", {"hostIPC": True}),
    ("Privileged Containers", "container", {"privileged": True}),
    ("HostPath Volumes", "spec", {"volumes": [{"name": "home", "hostPath": {"path": "/"}}]}),
    ("Host Ports", "body", {"ports": [{"containerPort": 5901, "hostPort": 5901}]}),
    ("Host Probes / Lifecycle Hooks", "body", {"livenessProbe": {"httpGet": {"host": "192.0.2.1", "port": 80}}}),
    ("Host Probes / Lifecycle Hooks", "body", {"lifecycle": {"preStop": {"tcpSocket": {"host": "192.0.2.1"}}}}),
    ("AppArmor", "container", {"appArmorProfile": {"type": "Unconfined"}}),
    ("AppArmor", "annotations", {"container.apparmor.security.beta.kubernetes.io/desktop": "unconfined"}),
    ("SELinux", "pod", {"seLinuxOptions": {"type": "spc_t"}}),
    ("SELinux", "container", {"seLinuxOptions": {"user": "system_u"}}),
    ("/proc Mount Type", "container", {"procMount": "Unmasked"}),
    ("Sysctls", "pod", {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}),
    ("Volume Types", "spec", {"volumes": [{"name": "home", "nfs": {"server": "192.0.2.1", "path": "/"}}]}),
    ("Privilege Escalation", "container", {"allowPrivilegeEscalation": None}),
    ("Running as Non-root", "container", {"runAsNonRoot": False}),
    ("Running as Non-root", "pod", {"runAsNonRoot": None}),
    ("Running as Non-root user", "container", {"runAsUser": 0}),
    ("Seccomp", "container", {"seccompProfile": {"type": "Unconfined"}}),
    ("Seccomp", "pod", {"seccompProfile": None}),
    ("Capabilities", "container", {"capabilities": {"drop": ["NET_RAW"]}}),
    ("Capabilities added", "container", {"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}}),
]


@pytest.mark.parametrize(("rule", "where", "change"), BROKEN)
def test_each_rule_is_seen_broken(rule, where, change):
    """This shows that the test above can fail."""
    pod = deepcopy(made())
    [container] = pod["spec"]["containers"]
    places = {
        "annotations": pod["metadata"]["annotations"],
        "spec": pod["spec"],
        "pod": pod["spec"]["securityContext"],
        "body": container,
        "container": container["securityContext"],
    }
    places[where].update(change)
    assert rule in violations(pod)


def test_the_standard_holds_for_init_containers_too():
    pod = made()
    pod["spec"]["initContainers"] = [{"name": "before", "image": "any"}]
    assert violations(pod) == ["Privilege Escalation", "Capabilities"]
