"""What each process may do in the cluster: exactly what it does. Asked of the cluster itself, both ways."""

import json
import re
from collections.abc import Iterator

import pytest
import yaml

from frontdoor.place import CHECKOUT
from tests.cluster.kube import Kube

pytestmark = pytest.mark.cluster

MADE = ("pods", "services", "configmaps", "secrets", "persistentvolumeclaims")
NETWORK = ("networkpolicies.networking.k8s.io", "ingresses.networking.k8s.io")
USED = {
    "podesk-worker": {(verb, kind) for kind in (*MADE, *NETWORK) for verb in ("create", "get", "delete")}
    | {("patch", "configmaps"), ("patch", "secrets"), ("get", "pods/log")},
    "podesk-controller": {
        ("get", "pods"),
        ("list", "pods"),
        ("watch", "pods"),
        ("list", "events"),
        ("watch", "events"),
        ("list", "configmaps"),
        ("list", "persistentvolumeclaims"),
        ("get", "services"),
        ("list", "services"),
    },
    "podesk-web": {("get", "pods"), ("get", "pods/log"), ("get", "pods.metrics.k8s.io")},
    "podesk": set(),
}
FORBIDDEN = [
    "podesk-worker list secrets",
    "podesk-worker create pods/exec",
    "podesk-worker deletecollection persistentvolumeclaims",
    "podesk-worker create rolebindings",
    "podesk-worker create serviceaccounts/token",
    "podesk-controller get secrets",
    "podesk-controller delete pods",
    "podesk-controller patch pods",
    "podesk-controller create pods/exec",
    "podesk-web list pods",
    "podesk-web get secrets",
    "podesk-web delete pods",
    "podesk-web create pods/exec",
    "podesk-web create pods/portforward",
    "podesk get pods",
    "podesk create pods",
]
ELSEWHERE = ("vnc-system", "default", "kube-system")


@pytest.fixture(scope="module")
def rights(kube) -> Iterator[Kube]:
    """Base's accounts and roles, with that namespace in the place of both of theirs."""
    kinds = ("ServiceAccount", "Role", "RoleBinding")
    files = ("accounts.yaml", "rights.yaml")
    found = [each for file in files for each in yaml.safe_load_all((CHECKOUT / "k8s/base" / file).read_text())]
    assert {each["kind"] for each in found} == set(kinds)
    kube.apply(*json.loads(re.sub(r"vnc-(system|pods)", kube.namespace, json.dumps(found))))
    return kube


def allowed(kube: Kube, account: str, namespace: str) -> set[tuple[str, str]]:
    """All (verb, resource) that the cluster allows it there, but for what it allows everybody."""
    said = kube.run(
        *("auth", "can-i", "--list", "--no-headers", "--namespace", namespace),
        f"--as=system:serviceaccount:{kube.namespace}:{account}",
    ).stdout
    rows = re.findall(r"^(\S+) .*\[([^][]*)\]$", said, re.MULTILINE)
    assert rows, said
    everybodys = {"selfsubjectaccessreviews.authorization.k8s.io", "selfsubjectrulesreviews.authorization.k8s.io"}
    return {(verb, kind) for kind, verbs in rows for verb in verbs.split() if kind not in everybodys}


@pytest.mark.parametrize("account", USED)
def test_account_may_do_exactly_what_it_uses(rights, account):
    assert allowed(rights, account, rights.namespace) == USED[account]


@pytest.mark.parametrize("account", USED)
@pytest.mark.parametrize("namespace", ELSEWHERE)
def test_elsewhere_it_may_do_nothing(rights, account, namespace):
    assert allowed(rights, account, namespace) == set()


def can(kube: Kube, account: str, verb: str, resource: str, *options: str) -> bool:
    """`resource` may be "secrets/a-name"; a part of a resource is an option, as kubectl has it."""
    who = f"--as=system:serviceaccount:{kube.namespace}:{account}"
    said = kube.run("auth", "can-i", verb, resource, who, *options, check=False).stdout.split()
    assert said, (account, verb, resource)
    return said[-1] == "yes"


@pytest.mark.parametrize(("account", "verb", "resource"), [each.split() for each in FORBIDDEN], ids=FORBIDDEN)
def test_forbidden(rights, account, verb, resource):
    kind, _, part = resource.partition("/")
    assert not can(rights, account, verb, kind, *([f"--subresource={part}"] if part else []))


@pytest.mark.parametrize("account", USED)
def test_nothing_of_the_whole_cluster(rights, account):
    for kind in ("nodes", "namespaces", "persistentvolumes", "clusterroles", "storageclasses"):
        for verb in ("get", "list", "delete"):
            assert not can(rights, account, verb, kind, "--all-namespaces")


def test_keys_job_makes_secrets_and_reads_its_own_alone(rights):
    found = yaml.safe_load_all((CHECKOUT / "k8s/parts/keys/keys.yaml").read_text())
    ours = [each for each in found if each["kind"] != "Job"]
    rights.apply(*json.loads(json.dumps(ours).replace("vnc-system", rights.namespace)))
    assert can(rights, "podesk-keys", "create", "secrets")
    assert can(rights, "podesk-keys", "get", "secrets/podesk-keys")
    assert can(rights, "podesk-keys", "patch", "secrets/podesk-keys")
    assert not can(rights, "podesk-keys", "get", "secrets/another")
    assert not can(rights, "podesk-keys", "list", "secrets")
    assert not can(rights, "podesk-keys", "delete", "secrets/podesk-keys")
    assert not can(rights, "podesk-keys", "get", "pods")
