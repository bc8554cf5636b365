"""Fixtures of the runtimes' tests. Every desktop here is a real one."""

import os
import pwd
import subprocess
from collections.abc import Iterator

import pytest

from desktops.tests.runtimes.house import ACCOUNT, LocalHouse

# Mounts disks and looks at what changes accounts.
collect_ignore = [] if os.geteuid() == 0 else ["test_runtime_local_root.py"]


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
