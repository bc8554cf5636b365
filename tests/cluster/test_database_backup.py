"""The part `backup` on the cluster: the database is lost and restored, as docs/operations.md describes it."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from podesk_cli.folders import CHECKOUT
from tests.support.cluster.deployed_podesk import clear, wait_status
from tests.support.cluster.kubectl import Kube
from tests.support.kustomize import kubectl
from tests.support.operations_page import commands, typed
from tests.support.page_client import Visitor
from tests.support.running_podesk import wait_for

pytestmark = pytest.mark.cluster
TABLES = ("desktops_desktop", "desktops_volume", "accounts_sessiontoken", "accounts_auditevent", "accounts_user")
MAKE_TOKEN = """
from accounts import tokens
from accounts.models import User
print(tokens.issue(User.objects.get(), scope=tokens.TokenScope(session_id=tokens.fresh_session_id())))
"""


@pytest.fixture(scope="module")
def secrets(tmp_path_factory) -> Path:
    """Return a folder with podesk-backup.env, made as the page says."""
    return tmp_path_factory.mktemp("secrets")


@pytest.fixture(scope="module")
def part(deployed, secrets, tmp_path_factory) -> Iterator[None]:
    """Add the part to the deployed overlay, with a repository on a volume."""
    make_env, make_secret, *_ = commands("Back up the database each night")
    for command in (make_env, make_secret):
        typed(command, secrets)
    added = [each for each in built(tmp_path_factory.mktemp("overlay")) if "backup" in json.dumps(each["metadata"])]
    deployed.system.apply(*added)
    yield
    for each in added:
        deployed.system("delete", each["kind"], each["metadata"]["name"], "--wait=false")
    deployed.system("delete", "secret", "podesk-backup")


def built(folder: Path) -> list[dict]:
    """Build the overlay with the part. The cluster's version decides the version of its CronJobs."""
    shutil.copytree(CHECKOUT / "k8s", folder / "k8s")
    overlay = folder / "k8s/overlays/mine"
    overlay.mkdir()
    chosen = {"resources": ["../dev", "../../parts/backup"], "components": ["../../parts/backup-volume"]}
    kind = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(kind | chosen))
    text = subprocess.run([kubectl(), "kustomize", overlay], capture_output=True, text=True, check=True).stdout
    made = list(yaml.safe_load_all(text))
    versions = Kube("")("api-versions").split()
    known = subprocess.run(
        ["kubectl", "get", "--raw", "/apis/batch/v1"], capture_output=True, text=True, check=True
    ).stdout
    for each in made:
        if each["kind"] == "CronJob" and '"CronJob"' not in known:
            assert "batch/v1beta1" in versions
            each["apiVersion"] = "batch/v1beta1"
    return made


def sql(deployed, *statements: str, database: str = "podesk") -> str:
    asked = [word for statement in statements for word in ("--command", statement)]
    return deployed.system.exec(
        "podesk-postgres-0", "psql", "--username=podesk", "--no-align", "--tuples-only", database, *asked
    )


def contents(deployed) -> dict[str, str]:
    return {table: sql(deployed, f"SELECT * FROM {table} ORDER BY id") for table in TABLES}


def manage(deployed, part: str, *arguments: str) -> str:
    return deployed.system("exec", f"deployment/podesk-{part}", "--", "python", "manage.py", *arguments)


@pytest.fixture
def person(deployed) -> Iterator[Visitor]:
    person = deployed.person()
    yield person
    deployed.desktops("delete", "pvc", "home-orphan", "--ignore-not-found")
    clear(deployed.person(), deployed)


def test_lost_database_is_restored_with_everything_in_it(deployed, part, person, tmp_path):
    desktop = person.launch()
    wait_status(person, deployed, desktop, "running")
    pod = deployed.pod(desktop)
    token = manage(deployed, "web", "shell", "--no-imports", "-c", MAKE_TOKEN).split()[-1]
    *_, first, wait, log = commands("Back up the database each night")
    deployed.system("scale", "deployment/podesk-controller", "--replicas=0")  # it would change rows after the dump
    before = contents(deployed)
    said = [typed(command, tmp_path) for command in (first, wait, log)]
    assert "podesk-database" in said[2]
    keys_are_in_it(deployed, tmp_path)
    orphan(deployed)

    sql(deployed, "DROP DATABASE podesk WITH (FORCE)", "CREATE DATABASE podesk", database="postgres")
    stop, restore, wait, delete_job, delete_migrate, apply = commands("Restore the database")[3:9]
    for command in (stop, restore, wait):
        typed(command, tmp_path)
    assert contents(deployed) == before
    for command in (delete_job, delete_migrate, apply.replace("overlays/site", "overlays/dev")):
        typed(command, CHECKOUT)
    for name in ("web", "worker", "controller", "proxy"):
        deployed.rolled_out(name)

    again = deployed.person()
    wait_status(again, deployed, desktop, "running")
    assert deployed.pod(desktop) == pod
    assert again.http.get("/api/v1/pods", headers={"X-User-Token": token}).status_code == 200
    wait_for(lambda: "home-orphan" in manage(deployed, "controller", "list_orphans"))


def keys_are_in_it(deployed, folder: Path) -> None:
    """Copy the repository out of the cluster, and restore the keys on this machine as the page says."""
    repository = folder / "repository"
    repository.mkdir()
    copy_repository(deployed, repository)
    secret = deployed.system.get("secret", "podesk-backup")["data"]
    passphrase = subprocess.run(
        ["base64", "-d"], input=secret["RESTIC_PASSWORD"], capture_output=True, text=True, check=True
    ).stdout
    env = os.environ | {"RESTIC_REPOSITORY": str(repository), "RESTIC_PASSWORD": passphrase}
    fetch = commands("Restore the database")[0]
    subprocess.run(["bash", "-c", fetch], cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
    data = (deployed.system.get("secret", "podesk-keys") or {})["data"]
    found = {path.name: path.read_bytes() for path in (folder / "restored/work/keys").iterdir()}
    assert found.keys() == data.keys()
    made = deployed.system(
        *("create", "secret", "generic", "podesk-keys", "--dry-run=client", "-o", "json"),
        f"--from-file={folder}/restored/work/keys",
    )
    assert json.loads(made)["data"] == data


def copy_repository(deployed, into: Path) -> None:
    """Read the volume through a pod that mounts it."""
    job = deployed.system.list("pods", "job-name=first-backup")[0]["spec"]
    container = job["initContainers"][2] | {"command": ["sleep", "120"], "envFrom": []}
    spec = job | {"initContainers": [], "containers": [container], "terminationGracePeriodSeconds": 0}
    spec = {key: value for key, value in spec.items() if key != "nodeName"}
    deployed.system.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "repository"}, "spec": spec})
    try:
        deployed.system("wait", "--for=condition=Ready", "pod/repository", "--timeout=60s")
        command = "kubectl -n vnc-system exec repository -- tar -C /repository -cf - . | tar -xf -"
        subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=into, check=True)
    finally:
        deployed.system("delete", "pod", "repository", "--wait=false")


def orphan(deployed) -> None:
    """Leave the home folder of a desktop that was created after the dump."""
    claim = deployed.desktops.get("pvc", deployed.claims()[0])
    kept = {key: claim["metadata"][key] for key in ("labels", "annotations")}
    spec = {key: claim["spec"][key] for key in ("accessModes", "resources")}
    meta = kept | {"name": "home-orphan"}
    deployed.desktops.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec})
