"""Decide which tests run one after another in the same process of pytest-xdist."""

from xdist.scheduler import LoadFileScheduling

# Files that share something that exists only once.
TOGETHER = {
    "tests/cluster/test_api.py": "the portal in the cluster",
    "tests/cluster/test_database_backup.py": "the portal in the cluster",
    "tests/cluster/test_deployed.py": "the portal in the cluster",
    "tests/cluster/test_monitoring.py": "the portal in the cluster",
}


class Lanes(LoadFileScheduling):
    """Keeps the tests of a file and of TOGETHER in one process. xdist's own groups do nothing under pytest 9.2."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return TOGETHER.get(file, file)
