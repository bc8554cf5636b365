"""Each process has exactly the permissions in the cluster that it uses. The cluster itself is asked both ways."""

import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import yaml

from desktops.runtimes.backups.base import RepositoryAccess, TaskKind, TaskState
from desktops.runtimes.base import DesktopSpec, Phase, RuntimeUnknown
from desktops.runtimes.kubernetes import manifests
from desktops.runtimes.kubernetes.client import ApiClient, ApiRequest
from desktops.tests.support.backup_jobs import BackupHarness
from desktops.tests.support.kubernetes_namespace import KubeHarness, SharedRuntime
from desktops.tests.support.runtime_specs import soon, until
from podesk_cli.folders import CHECKOUT
from tests.support.cluster.kubectl import Kube
from tests.support.cluster.service_accounts import accounts_in

pytestmark = pytest.mark.cluster

EXPOSURES = ("proxy", "ingress", "loadbalancer")  # nodeport needs the same as proxy
MADE = ("pods", "services", "configmaps", "secrets", "persistentvolumeclaims", "networkpolicies.networking.k8s.io")
Rights = set[tuple[str, str]]  # (verb, resource)
BASE: dict[str, Rights] = {
    "podesk-worker": {(verb, kind) for kind in (*MADE, "jobs.batch") for verb in ("create", "get", "delete")}
    | {("patch", "configmaps"), ("patch", "secrets"), ("get", "pods/log")},
    "podesk-controller": {
        ("get", "pods"),
        ("list", "pods"),
        ("watch", "pods"),
        ("list", "events"),
        ("watch", "events"),
        ("list", "configmaps"),
        ("list", "services"),
        ("list", "networkpolicies.networking.k8s.io"),
        ("list", "persistentvolumeclaims"),
        ("list", "jobs.batch"),
        ("list", "resourcequotas"),
        ("list", "pods.metrics.k8s.io"),
    },
    "podesk-web": {("get", "pods"), ("get", "pods/log"), ("get", "pods.metrics.k8s.io")},
    "podesk": set(),
}
MORE: dict[str, dict[str, Rights]] = {
    "ingress": {
        "podesk-worker": {(verb, "ingresses.networking.k8s.io") for verb in ("create", "get", "delete")},
        "podesk-controller": {("list", "ingresses.networking.k8s.io")},
    },
    "loadbalancer": {"podesk-controller": {("get", "services")}},
}
ACCOUNTS = ("podesk-worker", "podesk-controller", "podesk-web")  # in the order of SharedRuntime.apis
FORBIDDEN = [
    "podesk-worker list secrets",
    "podesk-worker list jobs.batch",
    "podesk-worker patch jobs.batch",
    "podesk-worker create cronjobs.batch",
    "podesk-controller create jobs.batch",
    "podesk-controller delete jobs.batch",
    "podesk-web list jobs.batch",
    "podesk-worker watch secrets",
    "podesk-worker update secrets",
    "podesk-worker deletecollection secrets",
    "podesk-worker list ingresses.networking.k8s.io",
    "podesk-worker create pods/exec",
    "podesk-worker deletecollection persistentvolumeclaims",
    "podesk-worker create rolebindings",
    "podesk-worker create serviceaccounts/token",
    "podesk-controller get secrets",
    "podesk-controller delete pods",
    "podesk-controller patch pods",
    "podesk-controller patch services",
    "podesk-controller create pods/exec",
    "podesk-web list pods",
    "podesk-web list pods.metrics.k8s.io",
    "podesk-controller get pods.metrics.k8s.io",
    "podesk-web get secrets",
    "podesk-web delete pods",
    "podesk-web create pods/exec",
    "podesk-web create pods/portforward",
    "podesk get pods",
    "podesk create pods",
]
ELSEWHERE = ("vnc-system", "default", "kube-system")


def used_by(account: str, exposure: str) -> Rights:
    """Return the permissions that the process uses with that exposure."""
    return BASE[account] | MORE.get(exposure, {}).get(account, set())


@pytest.fixture(scope="module", params=EXPOSURES)
def exposure(request) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def rights(exposure) -> Iterator[Kube]:
    """Yield a namespace with the accounts and roles of an installation with that exposure."""
    kube = Kube(f"test-{secrets.token_hex(4)}")
    kube.make_namespace()
    accounts_in(kube.namespace, exposure)
    yield kube
    kube.forget_namespace()


def allowed(kube: Kube, account: str, namespace: str) -> Rights:
    """Return all (verb, resource) that the cluster allows the account there, except what it allows all accounts."""
    said = kube.run(
        *("auth", "can-i", "--list", "--no-headers", "--namespace", namespace),
        f"--as=system:serviceaccount:{kube.namespace}:{account}",
    ).stdout
    rows = re.findall(r"^(\S+) .*\[([^][]*)\]$", said, re.MULTILINE)
    assert rows, said
    everybodys = {"selfsubjectaccessreviews.authorization.k8s.io", "selfsubjectrulesreviews.authorization.k8s.io"}
    return {(verb, kind) for kind, verbs in rows for verb in verbs.split() if kind not in everybodys}


@pytest.mark.parametrize("account", BASE)
def test_account_may_do_exactly_what_it_uses(rights, account, exposure):
    assert allowed(rights, account, rights.namespace) == used_by(account, exposure)


class Lives:
    """Records the calls of each account while desktops are started and stopped."""

    def __init__(self, kube: Kube, image: str) -> None:
        self.kube, self.image = kube, image
        self.used: dict[str, Rights] = {account: set() for account in BASE}

    def begun_again(self, exposure: str) -> None:
        """Start again after the ConfigMap that owns all objects was deleted during a start. All are replaced."""
        with self._harness(exposure) as harness:
            spec = harness.spec()
            harness.runtime.start(spec, deadline=soon())
            self.kube("delete", "configmap", spec.name, "--cascade=orphan")
            harness.runtime.start(spec, deadline=soon())
            harness.wait(spec.name, Phase.READY)
            list(harness.runtime.watch(timeout=3))
            harness.runtime.renew_keys(spec.name, "ssh-ed25519 AAAA", deadline=soon())
            self._read_all(harness.runtime, spec)
            harness.runtime.stop(spec.name, deadline=soon())
            harness.delete_home(spec)

    def _read_all(self, runtime: SharedRuntime, spec: DesktopSpec) -> None:
        """Make each call that only reads. Those with a short deadline are repeated, as pages and controller do."""
        assert runtime.list()
        assert runtime.volumes() == [spec.volume]
        of_all = (runtime.quota_use, runtime.usage_of_all)
        of_one = (runtime.usage, runtime.logs, runtime.worker.logs, runtime.home_usage)  # worker: of a failed desktop
        for call in (*of_all, *(partial(each, spec.name) for each in of_one)):
            until(partial(_answers, call), what=f"{call} to be answered", every=1)

    def cut_off(self, exposure: str) -> None:
        """Stop a desktop of which only the ConfigMap exists, so that no owner deletes it."""
        with self._harness(exposure) as harness:
            spec = harness.spec()
            self.kube.apply(manifests.config_map(spec, harness.runtime.cluster))
            harness.runtime.stop(spec.name, deadline=soon())

    def backed_up(self) -> None:
        """Begin and remove a task. The image does not have its program, so it fails."""
        backups = BackupHarness(self.kube, image=self.image)
        seen = backups.ended(backups.begin(backups.task(TaskKind.VERIFY, RepositoryAccess("b2:x", "s3cret"))))
        assert seen.state is TaskState.FAILED
        for process, api in backups.apis.items():
            self.used[f"podesk-{process}"] |= api.used

    @contextmanager
    def _harness(self, exposure: str) -> Iterator[KubeHarness]:
        harness = KubeHarness(self.kube, self.image, exposure=exposure)
        try:
            yield harness
            for account, api in zip(ACCOUNTS, harness.runtime.apis, strict=True):
                self.used[account] |= api.used
        finally:
            harness.close()


def _answers(call: Callable[[], object]) -> bool:
    try:
        call()
    except RuntimeUnknown:
        return False
    return True


def test_each_right_is_used(rights, bare, exposure):
    """A permission that none of these steps uses should not be granted."""
    lives = Lives(rights, bare)
    lives.begun_again(exposure)
    lives.cut_off(exposure)
    lives.backed_up()
    assert lives.used == {account: used_by(account, exposure) for account in BASE}


@pytest.mark.parametrize("account", BASE)
@pytest.mark.parametrize("namespace", ELSEWHERE)
def test_elsewhere_it_may_do_nothing(rights, account, namespace):
    assert allowed(rights, account, namespace) == set()


def can(kube: Kube, account: str, verb: str, resource: str, *options: str) -> bool:
    """Ask the cluster. `resource` may be "secrets/a-name"; subresources are an option, as in kubectl."""
    who = f"--as=system:serviceaccount:{kube.namespace}:{account}"
    said = kube.run("auth", "can-i", verb, resource, who, *options, check=False).stdout.split()
    assert said, (account, verb, resource)
    return said[-1] == "yes"


@pytest.mark.parametrize(("account", "verb", "resource"), [each.split() for each in FORBIDDEN], ids=FORBIDDEN)
def test_forbidden(rights, account, verb, resource):
    kind, _, part = resource.partition("/")
    assert not can(rights, account, verb, kind, *([f"--subresource={part}"] if part else []))


@pytest.mark.parametrize("account", BASE)
def test_nothing_of_the_whole_cluster(rights, account):
    api, user = ApiClient(), f"system:serviceaccount:{rights.namespace}:{account}"
    groups = {"clusterroles": "rbac.authorization.k8s.io", "storageclasses": "storage.k8s.io"}
    for kind in ("nodes", "namespaces", "persistentvolumes", *groups):
        for verb in ("get", "list", "watch", "create", "update", "patch", "delete"):
            asked = {"verb": verb, "resource": kind, "group": groups.get(kind, "")}
            review = {"kind": "SubjectAccessReview", "spec": {"user": user, "resourceAttributes": asked}}
            path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
            answer = api.call(ApiRequest("POST", path, body={"apiVersion": "authorization.k8s.io/v1"} | review), soon())
            assert not answer["status"]["allowed"], asked


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
