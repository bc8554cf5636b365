"""Fixtures for the tests of runtimes. Every desktop here is a real one."""

import os
import pwd
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from desktops.tests.support.backup_tasks import BackupHarness
from desktops.tests.support.runtime_specs import ACCOUNT, LocalHarness
from tests.cluster.conftest import IMAGE, kube  # noqa: F401 - a fixture

# Mounts disks and tests the change of accounts, which needs root.
collect_ignore = [] if os.geteuid() == 0 else ["test_runtime_local_root.py"]


@pytest.hookimpl(tryfirst=True)  # before pytest selects tests by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these tests once, and not again for each database: runtimes do not use one."""
    for item in items:
        if item.nodeid.startswith("desktops/tests/runtimes/"):
            item.add_marker(pytest.mark.once)


@pytest.fixture(scope="session")
def account() -> None:
    """Create the account that runs desktops when root runs the tests."""
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        if os.geteuid() == 0:
            # Two test processes may do this at once. The second one finds the account.
            subprocess.run(["useradd", "--system", "--user-group", ACCOUNT], check=False)
            pwd.getpwnam(ACCOUNT)


@pytest.fixture
def harness(account) -> Iterator[LocalHarness]:
    harness = LocalHarness()
    yield harness
    harness.close()


@pytest.fixture
def backups(account) -> Iterator[BackupHarness]:
    harness = BackupHarness()
    yield harness
    harness.close()


@pytest.fixture
def kube_harness(kube) -> Iterator[Any]:  # noqa: F811 - the fixture
    # Imported here, because the cluster's client is slow to import and most tests do not need it.
    from desktops.tests.support.kubernetes_namespace import KubeHarness

    harness = KubeHarness(kube, IMAGE)
    yield harness
    harness.close()
