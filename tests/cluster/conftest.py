"""Fixtures on the real cluster that KUBECONFIG names. Each test module gets a namespace, deleted afterwards."""

import os
import secrets
import subprocess
from collections.abc import Iterator

import pytest

from podesk_cli.folders import CHECKOUT
from tests.support.cluster.deployed_podesk import Deployed
from tests.support.cluster.kubectl import Kube
from tests.support.kustomize import put_into_path

IMAGE = os.environ.get("DESKTOP_IMAGE", "vnc/void-desktop:dev")
KEEP = bool(os.environ.get("KEEP_DEPLOYED"))  # use the existing deployment, and keep it

BUILT = (("vnc/manager-api:dev", "Dockerfile"), ("vnc/void-desktop:dev", "Dockerfile.vnc"))
PUBLIC = ("postgres:15", "redis:7", "nginx:1.27")  # the cluster may not reach a registry


@pytest.fixture(scope="module")
def kube() -> Iterator[Kube]:
    kube = Kube(f"test-{secrets.token_hex(4)}")
    kube.make_namespace()
    yield kube
    kube.forget_namespace()


@pytest.fixture(scope="session")
def images() -> None:
    """Load the images of this checkout and the public ones that it needs into the cluster."""
    for tag, file in BUILT:
        cluster_tool("image", tag, "-f", f"docker/{file}", ".")
    for name in PUBLIC:
        cluster_tool("load", name)


@pytest.fixture(scope="session")
def bare() -> str:
    """Return an image of a desktop without any programs."""
    cluster_tool("image", "podesk-test/bare:1", "tests/cluster/bare")
    return "podesk-test/bare:1"


def cluster_tool(*arguments: str) -> None:
    """Run the program named by PODESK_CLUSTER, which builds images and loads them into the cluster."""
    tool = os.environ.get("PODESK_CLUSTER")
    assert tool, "Set PODESK_CLUSTER to the program that builds an image and loads it into the cluster."
    done = subprocess.run(
        [tool, *arguments], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.fixture(scope="session")
def kubectl_in_path(tmp_path_factory) -> Iterator[None]:
    """Put a kubectl into PATH that can build the overlays, as the documentation requires."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        put_into_path(tmp_path_factory.mktemp("kubectl"), monkeypatch)
        yield


@pytest.fixture(scope="session")
def deployed(images, kubectl_in_path) -> Iterator[Deployed]:
    """Return a deployment of all of Podesk in the cluster."""
    made = Deployed()
    there = [kube.namespace for kube in (made.system, made.desktops) if kube.get("namespace", kube.namespace)]
    assert KEEP or not there, f"{there} exist, and this test would remove them. KEEP_DEPLOYED=1 takes and leaves them."
    try:
        made.apply()
        yield made
    finally:
        if not KEEP:
            made.remove()
