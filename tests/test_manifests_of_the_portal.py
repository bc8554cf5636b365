"""The manifests of `kubectl apply -k` are valid for the schemas of Kubernetes and follow the project's rules."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from podesk_cli.folders import CHECKOUT
from tests.support.kustomize import kubectl, kubectls

pytestmark = pytest.mark.cluster  # which needs a kubectl as well

OVERLAYS = ("dev", "site", "site-vnc")
MONITORED = "site with Prometheus and backups"  # as the comments in that overlay say
OLDEST_SCHEMA = "1.26"
Manifest = dict[str, Any]


def kubectls_to_try() -> tuple[str, str]:
    """Return the oldest and the newest available kubectl."""
    programs = [*kubectls().values()]
    return programs[0], programs[-1]


def build(folder: str, program: str = "") -> list[Manifest]:
    """Return the applied manifests. Fail if kustomize refuses them or warns."""
    command = [program or kubectl(), "kustomize", str(CHECKOUT / "k8s" / folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    return [each for each in yaml.safe_load_all(said.stdout) if each]


@pytest.fixture(scope="module", params=[*OVERLAYS, MONITORED])
def manifests(request) -> list[Manifest]:
    return request.getfixturevalue("monitored") if request.param == MONITORED else build(f"overlays/{request.param}")


@pytest.fixture(scope="module")
def monitored(tmp_path_factory) -> list[Manifest]:
    copied = tmp_path_factory.mktemp("monitored") / "k8s"
    subprocess.run(["cp", "-r", str(CHECKOUT / "k8s"), str(copied)], check=True)
    overlay = copied / "overlays/site/kustomization.yaml"
    chosen = overlay.read_text()
    for part in ("prometheus", "backup"):
        assert f"# - ../../parts/{part}\n" in chosen
        chosen = chosen.replace(f"# - ../../parts/{part}\n", f"- ../../parts/{part}\n")
    overlay.write_text(chosen + "components:\n- ../../parts/backup-volume\n")
    oldest, newest = (build(str(overlay.parent), program) for program in kubectls_to_try())
    assert oldest == newest
    return newest


def title(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def settings_of(manifests: list[Manifest]) -> dict[str, str]:
    return next(each["data"] for each in manifests if each["metadata"]["name"].startswith("podesk-settings-"))


def templates(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield the pod templates, with their labels."""
    for manifest in manifests:
        spec = manifest.get("spec", {})
        if template := spec.get("jobTemplate", {}).get("spec", spec).get("template"):
            yield title(manifest), template


def containers(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    for owner, template in templates(manifests):
        for container in [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]:
            yield f"{owner}: {container['name']}", container


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items()
    among = selector.get("matchExpressions", [])
    return wanted <= labels.items() and all(labels.get(each["key"]) in each["values"] for each in among)


# --- kustomize and the schemas ---


@pytest.mark.parametrize("version", [OLDEST_SCHEMA, kubernetes_validate.latest_version()])
def test_every_manifest_is_valid_and_has_no_unknown_field(manifests, version):
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_oldest_and_newest_kubectl_build_the_same_without_a_warning(overlay):
    oldest, newest = kubectls_to_try()
    assert build(f"overlays/{overlay}", oldest) == build(f"overlays/{overlay}", newest) != []


def test_no_kustomization_uses_a_field_that_is_deprecated():
    """Components that no overlay uses are included. A current kubectl warns of these fields on every apply."""
    deprecated = {"bases", "patchesStrategicMerge", "patchesJson6902", "commonLabels", "vars", "imageTags"}
    files = list((CHECKOUT / "k8s").rglob("kustomization.yaml"))
    assert len(files) > 8
    assert [file for file in files if yaml.safe_load(file.read_text()).keys() & deprecated] == []


def test_test_cluster_gets_only_what_kubernetes_1_20_knows():
    later = {"policy/v1", "autoscaling/v2"}
    kinds = {each["apiVersion"] for each in build("overlays/dev")}
    assert not kinds & later
    assert later <= {each["apiVersion"] for each in build("overlays/site")}


def test_own_secrets_take_the_place_of_the_job(tmp_path):
    """Use a folder of values, and an overlay that names the component, as an operator does."""
    copied = tmp_path / "k8s"
    subprocess.run(["cp", "-r", str(CHECKOUT / "k8s"), str(copied)], check=True)
    values = copied / "parts/own-keys/values"
    subprocess.run(
        [str(CHECKOUT / ".venv/bin/python"), "-m", "portal.keys", "--folder", str(values)], cwd=CHECKOUT, check=True
    )
    overlay = copied / "overlays/dev/kustomization.yaml"
    overlay.write_text(overlay.read_text().replace("parts/keys", "parts/own-keys"))
    built = {title(each): each for each in build(str(copied / "overlays/dev"))}
    assert "Job podesk-keys" not in built
    used = {item["key"] for _, template in templates(list(built.values())) for item in _items(template)}
    assert "BACKUP_KEY" in used
    assert used <= built["Secret podesk-keys"]["data"].keys()


@pytest.mark.parametrize(
    ("exposure", "rights"),
    [
        ("ingress", {("podesk-worker-ingress", "ingresses"), ("podesk-controller-ingress", "ingresses")}),
        ("loadbalancer", {("podesk-controller-loadbalancer", "services")}),
    ],
)
def test_rights_of_an_exposure_come_with_it_alone(exposure, rights, tmp_path):
    """Set the exposure with one line in the overlay, as an operator does. It adds what the exposure needs."""
    copied = tmp_path / "k8s"
    subprocess.run(["cp", "-r", str(CHECKOUT / "k8s"), str(copied)], check=True)
    overlay = copied / "overlays/site/kustomization.yaml"
    overlay.write_text(overlay.read_text() + f"components:\n- ../../parts/exposure-{exposure}\n")
    usual = build("overlays/site")
    for program in kubectls_to_try():
        built = build(str(copied / "overlays/site"), program)
        assert granted(built) - granted(usual) == rights
        assert settings_of(built) == settings_of(usual) | {"DESKTOP_EXPOSURE": exposure}
        bindings = [title(each) for each in built if each["kind"] == "RoleBinding"]
        assert [bindings.count(f"RoleBinding {role}") for role, _ in rights] == [1] * len(rights)


def test_nodes_may_be_listed_with_their_component_alone(tmp_path):
    copied = tmp_path / "k8s"
    subprocess.run(["cp", "-r", str(CHECKOUT / "k8s"), str(copied)], check=True)
    overlay = copied / "overlays/site/kustomization.yaml"
    overlay.write_text(overlay.read_text() + "components:\n- ../../parts/node-capacity\n")
    for program in kubectls_to_try():
        built = build(str(copied / "overlays/site"), program)
        role, binding = (each for each in built if each["kind"].startswith("ClusterRole"))
        assert role["rules"] == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]
        assert binding["roleRef"]["name"] == role["metadata"]["name"]
        assert [each["name"] for each in binding["subjects"]] == ["podesk-controller"]
        for manifest in (role, binding):
            kubernetes_validate.validate(manifest, OLDEST_SCHEMA, strict=True)


def granted(manifests: list[Manifest]) -> set[tuple[str, str]]:
    """Return each Role with each resource that it grants."""
    roles = [each for each in manifests if each["kind"] == "Role"]
    return {(role["metadata"]["name"], kind) for role in roles for rule in role["rules"] for kind in rule["resources"]}


def _items(template: Manifest) -> list[Manifest]:
    volumes = template["spec"]["volumes"]
    parts = [source for volume in volumes for source in volume.get("projected", {}).get("sources", [volume])]
    return [item for part in parts for item in part.get("secret", {}).get("items", [])]


# --- rules of the project ---


def test_every_container_says_what_it_takes(manifests):
    for name, container in containers(manifests):
        for kind in ("requests", "limits"):
            assert container["resources"][kind].keys() >= {"cpu", "memory"}, name


def test_what_may_take_long_to_start_says_at_once_that_it_has(manifests):
    """A kubelet of 1.20 checks a pod when its readiness changes, else once a minute, which delayed roll-outs."""
    slow = [(name, each) for name, each in containers(manifests) if "startupProbe" in each]
    assert len(slow) >= 6
    assert [name for name, each in slow if "readinessProbe" not in each] == []


def test_every_pod_is_restricted_and_writes_no_root_file_system(manifests):
    for name, template in templates(manifests):
        context = template["spec"]["securityContext"]
        assert context["runAsNonRoot"], name
        assert context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
    for name, container in containers(manifests):
        context = dict(container["securityContext"])
        assert context.pop("runAsUser", 1) > 0, name
        assert context == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name


def test_both_namespaces_enforce_it(manifests):
    for namespace in (each for each in manifests if each["kind"] == "Namespace"):
        labels = namespace["metadata"]["labels"]
        for mode in ("enforce", "audit", "warn"):
            assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


def test_every_image_has_a_tag_that_stays(manifests):
    for name, container in containers(manifests):
        assert re.search(r":(?!latest$)[\w.-]+$", container["image"]), name


def test_backups_have_the_image_of_the_portal(manifests):
    images = {name: container["image"] for name, container in containers(manifests)}
    assert settings_of(manifests)["BACKUP_IMAGE"] == images["Deployment podesk-worker: worker"]


def test_backups_take_their_secrets_from_where_they_are_mounted(manifests):
    where = settings_of(manifests)["BACKUP_SECRETS_DIR"]
    mounted = {
        name
        for name, container in containers(manifests)
        if where in {mount["mountPath"] for mount in container.get("volumeMounts", [])}
    }
    processes = {name for name in mounted if not name.endswith(": wait")}
    assert processes == {f"Deployment podesk-{each}: {each}" for each in ("web", "worker", "controller")}


@pytest.mark.parametrize(
    ("overlay", "registry"), [("site", "registry.example.org"), ("site-vnc", "192.168.10.252:31832")]
)
def test_site_takes_every_image_from_its_own_registry(overlay, registry, monitored):
    site = [*build(f"overlays/{overlay}"), *(monitored if overlay == "site" else [])]
    assert settings_of(site)["DESKTOP_IMAGE"].startswith(f"{registry}/")
    assert [name for name, container in containers(site) if not container["image"].startswith(f"{registry}/")] == []


@pytest.mark.parametrize("overlay", ["site", "site-vnc"])
def test_site_has_one_host_and_names_a_port_in_its_address_alone(overlay):
    site = build(f"overlays/{overlay}")
    settings = settings_of(site)
    (ingress,) = (each["spec"] for each in site if each["kind"] == "Ingress")
    host = urlsplit(settings["PUBLIC_URL"]).hostname
    assert {rule["host"] for rule in ingress["rules"]} == {settings["DESKTOP_INGRESS_HOST"]} == {host}
    assert ingress["tls"][0]["hosts"] == [host]


def test_the_overlay_of_one_site_is_what_that_site_has():
    """The node ports, the storage class and the registry of the site are in no other overlay."""
    site = build("overlays/site-vnc")
    assert settings_of(site)["PUBLIC_URL"].endswith(":30843")
    assert settings_of(site)["DESKTOP_STORAGE_CLASS"] == "183nfs"
    claims = [claim for each in site for claim in each.get("spec", {}).get("volumeClaimTemplates", [])]
    assert {claim["spec"]["storageClassName"] for claim in claims} == {"183nfs"}
    others = json.dumps([build("overlays/dev"), build("overlays/site")])
    assert [word for word in ("183nfs", "192.168.10.", "30843", "31290") if word in others] == []


def test_only_who_has_rights_carries_a_token(manifests):
    bound = {
        subject["name"] for each in manifests if each["kind"] == "RoleBinding" for subject in each.get("subjects", [])
    }
    for name, template in templates(manifests):
        assert template["spec"]["automountServiceAccountToken"] is (template["spec"]["serviceAccountName"] in bound), (
            name
        )
    accounts = {each["metadata"]["name"] for each in manifests if each["kind"] == "ServiceAccount"}
    assert {template["spec"]["serviceAccountName"] for _, template in templates(manifests)} == accounts
    assert not [title(each) for each in manifests if each["kind"].startswith("ClusterRole")]


def test_secrets_come_as_files(manifests):
    for name, container in containers(manifests):
        assert not [each for each in container.get("env", []) if "valueFrom" in each], name
        assert not [each for each in container.get("envFrom", []) if "secretRef" in each], name


def test_every_selector_finds_a_pod(manifests):
    pods = [template["metadata"]["labels"] for _, template in templates(manifests)]
    for manifest in (each for each in manifests if each["metadata"].get("namespace") != "vnc-pods"):
        for selector in _selectors(manifest):
            assert any(selects(selector, labels) for labels in pods), title(manifest)


def _selectors(manifest: Manifest) -> list[Manifest]:
    spec = manifest.get("spec", {})
    if manifest["kind"] == "Service":
        return [{"matchLabels": spec["selector"]}]
    if manifest["kind"] == "NetworkPolicy":
        ends = [end for way in ("ingress", "egress") for rule in spec.get(way, []) for end in _ends(rule)]
        return [spec["podSelector"], *(end["podSelector"] for end in ends if "podSelector" in end)]
    return [spec["selector"]] if manifest["kind"] == "PodDisruptionBudget" else []


def _ends(rule: Manifest) -> list[Manifest]:
    return [*rule.get("from", []), *rule.get("to", [])]


def test_every_setting_exists(manifests):
    known = set(re.findall(r"`([A-Z0-9_]{4,})`", (CHECKOUT / "docs/settings.md").read_text()))
    for manifest in manifests:
        if manifest["metadata"]["name"].startswith(("podesk-settings-", "podesk-files-")):
            assert {name.removesuffix("_FILE") for name in manifest["data"]} <= known


def test_roll_out_never_leaves_fewer_than_before(manifests):
    served = [each for each in manifests if each["kind"] == "Deployment" and "portal.server" in json.dumps(each)]
    assert len(served) == 2
    for deployment in served:
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        template = deployment["spec"]["template"]["spec"]
        pause = int(template["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
        environment = {each["name"]: each["value"] for each in template["containers"][0].get("env", [])}
        assert pause + int(environment.get("SHUTDOWN_GRACE", 5)) < template["terminationGracePeriodSeconds"]


def test_the_keys_job_reaches_the_api_wherever_it_usually_listens(manifests):
    """Otherwise nothing would start, because all pods wait for the Secret that the Job makes."""
    (labels,) = (template["metadata"]["labels"] for name, template in templates(manifests) if name == "Job podesk-keys")
    ports = {
        port["port"]
        for each in manifests
        if each["kind"] == "NetworkPolicy" and each["metadata"]["namespace"] == "vnc-system"
        if selects(each["spec"]["podSelector"], labels)
        for rule in each["spec"].get("egress", [])
        for port in rule["ports"]
    }
    assert {443, 6443, 8443, 16443} <= ports


# --- metrics ---

MEASURED = ("web", "proxy", "worker", "controller")


def test_each_process_has_a_port_for_its_metrics(manifests):
    port = int(settings_of(manifests)["METRICS_PORT"])
    found = {title(each): each for each in manifests}
    for name in MEASURED:
        ports = container_of(found[f"Deployment podesk-{name}"])["ports"]
        assert {"name": "metrics", "containerPort": port} in ports


def test_metrics_are_reached_from_labelled_namespaces_and_by_no_service_or_ingress(manifests):
    port = int(settings_of(manifests)["METRICS_PORT"])
    (policy,) = [each for each in manifests if title(each) == "NetworkPolicy metrics"]
    chosen = {"namespaceSelector": {"matchLabels": {"podesk/metrics": "podesk"}}}
    assert policy["spec"]["ingress"] == [{"from": [chosen], "ports": [{"protocol": "TCP", "port": port}]}]
    assert [name for name in MEASURED if not selects(policy["spec"]["podSelector"], labels_of(manifests, name))] == []
    others = [each for each in manifests if each["kind"] == "NetworkPolicy" and each is not policy]
    rules = [rule for each in others for rule in each["spec"].get("ingress", [])]
    assert rules
    assert [rule for rule in rules if _opens(rule, port)] == []
    services = [each for each in manifests if each["kind"] == "Service"]
    targets = {target.get("targetPort", target["port"]) for each in services for target in each["spec"]["ports"]}
    assert not targets & {port, "metrics"}


def _opens(rule: Manifest, port: int) -> bool:
    """Return whether a rule opens the port: by its number, by its name, or because it names none."""
    return not rule.get("ports") or any(each.get("port") in (port, "metrics", None) for each in rule["ports"])


def labels_of(manifests: list[Manifest], name: str) -> dict[str, str]:
    (labels,) = (
        template["metadata"]["labels"]
        for owner, template in templates(manifests)
        if owner == f"Deployment podesk-{name}"
    )
    return dict(labels)


def test_no_namespace_but_that_of_prometheus_has_the_label_of_those_who_may_read_metrics(manifests):
    """Otherwise an operator sets it. Desktops in particular must not have it."""
    labels = {each["metadata"]["name"]: each["metadata"]["labels"] for each in manifests if each["kind"] == "Namespace"}
    assert {name for name, each in labels.items() if "podesk/metrics" in each} <= {"vnc-monitoring"}


# --- docs/monitoring.md ---


def blocks(kind: str) -> list[str]:
    """Return the blocks of code of this kind in docs/monitoring.md."""
    return re.findall(rf"```{kind}\n(.*?)```", (CHECKOUT / "docs/monitoring.md").read_text(), re.DOTALL)


def test_overlay_of_the_page_adds_what_an_operator_reads_and_receivers(tmp_path):
    """Write the overlay with the lines of the page."""
    copied = tmp_path / "k8s"
    subprocess.run(["cp", "-r", str(CHECKOUT / "k8s"), str(copied)], check=True)
    overlay = copied / "overlays/mine"
    overlay.mkdir()
    lines = [each for block in blocks("yaml") if isinstance(each := yaml.safe_load(block), dict)]  # a list is a rule
    resources = [name for each in lines for name in each.get("resources", [])]
    assert resources == ["../../parts/monitoring", "../../parts/prometheus"]
    merged = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": resources}
    merged |= {key: value for each in lines for key, value in each.items() if key in ("patches", "configMapGenerator")}
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(merged))
    (overlay / "alertmanager.yml").write_text("route: {receiver: mine}\nreceivers: [{name: mine}]\n")
    for program in kubectls_to_try():
        built = {title(each): each for each in build(str(overlay), program)}
        labels = [built[f"{kind} podesk"]["metadata"]["labels"] for kind in ("PodMonitor", "PrometheusRule")]
        assert [each["release"] for each in labels] == ["monitoring", "monitoring"]
        (config,) = [each["data"] for name, each in built.items() if "ConfigMap podesk-alertmanager-" in name]
        assert "receiver: mine" in config["alertmanager.yml"]


def test_addresses_in_a_secret_are_where_the_page_says():
    (example,) = [block for block in blocks("yaml") if "receivers:" in block]
    (command,) = [line for block in blocks("sh") for line in block.splitlines() if "podesk-receivers" in line]
    folder = mounts_of_alertmanager()[command.split()[command.split().index("generic") + 1]]
    named = re.findall(r"_file: (\S+)", example)
    assert named == [f"{folder}/{file}" for file in re.findall(r"--from-file=(\w+)", command)]


def mounts_of_alertmanager() -> dict[str, str]:
    """Return the folder at which each Secret is mounted."""
    (workload,) = [each for each in build("parts/prometheus") if title(each) == "StatefulSet podesk-alertmanager"]
    paths = {each["name"]: each["mountPath"] for each in container_of(workload)["volumeMounts"]}
    volumes = workload["spec"]["template"]["spec"]["volumes"]
    return {each["secret"]["secretName"]: paths[each["name"]] for each in volumes if "secret" in each}


# --- the database ---

SPARE = 20  # connections for the superuser, backups and people


def test_all_pods_at_their_most_fit_into_the_database(manifests):
    """The autoscaler adds pods when the database is busiest. A roll-out adds one more of each kind."""
    found = {title(each): each for each in manifests}
    limit = container_of(found["StatefulSet podesk-postgres"])["args"]
    allowed = int(dict(part.split("=") for part in limit if "=" in part)["max_connections"])
    shared = settings_of(manifests)
    wanted = 0
    for deployment in (each for name, each in found.items() if name.startswith("Deployment podesk-")):
        if "DATABASE_URL" not in json.dumps(deployment):
            continue
        environment = {each["name"]: each["value"] for each in container_of(deployment).get("env", [])}
        pool = int((shared | environment)["DATABASE_POOL_SIZE"])
        surge = deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        wanted += pool * (most(deployment, found) + surge)
    assert wanted > 0
    assert wanted + SPARE <= allowed


def container_of(workload: Manifest) -> Manifest:
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    return container


def most(deployment: Manifest, found: dict[str, Manifest]) -> int:
    scaler = found.get(f"HorizontalPodAutoscaler {deployment['metadata']['name']}")
    return scaler["spec"]["maxReplicas"] if scaler else deployment["spec"].get("replicas", 1)
