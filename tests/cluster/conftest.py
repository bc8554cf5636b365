"""A namespace of a real cluster for each module of tests, gone afterwards. KUBECONFIG says which cluster."""

import os
import secrets
from collections.abc import Iterator

import pytest

from tests.cluster.kube import Kube

IMAGE = os.environ.get("DESKTOP_IMAGE", "vnc/void-desktop:dev")


@pytest.fixture(scope="module")
def kube() -> Iterator[Kube]:
    kube = Kube(f"test-{secrets.token_hex(4)}")
    kube.make_namespace()
    yield kube
    kube.forget_namespace()
