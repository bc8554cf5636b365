"""Fixtures of the runtimes' tests. Every desktop here is a real one."""

import os
import pwd
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from desktops.tests.support.runtime_specs import ACCOUNT, LocalHouse
from tests.cluster.conftest import IMAGE, kube  # noqa: F401 - a fixture

# Mounts disks and looks at what changes accounts.
collect_ignore = [] if os.geteuid() == 0 else ["test_runtime_local_root.py"]


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runtimes know no database."""
    for item in items:
        if item.nodeid.startswith("desktops/tests/runtimes/"):
            item.add_marker(pytest.mark.once)


@pytest.fixture(scope="session")
def account() -> None:
    """Desktops never run as root: a test run by root needs the account that they run as."""
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        if os.geteuid() == 0:
            # Two test processes may be here at once: whoever comes second finds it made.
            subprocess.run(["useradd", "--system", "--user-group", ACCOUNT], check=False)
            pwd.getpwnam(ACCOUNT)


@pytest.fixture
def house(account) -> Iterator[LocalHouse]:
    house = LocalHouse()
    yield house
    house.close()


@pytest.fixture
def kube_house(kube) -> Iterator[Any]:  # noqa: F811 - the fixture
    # Here, because the cluster's client takes long to import and most tests need none.
    from desktops.tests.support.kubernetes_namespace import KubeHouse

    house = KubeHouse(kube, IMAGE)
    yield house
    house.close()
