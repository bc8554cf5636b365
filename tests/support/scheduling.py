"""Which tests one process of pytest-xdist runs one after another."""

from xdist.scheduler import LoadFileScheduling

# Files that share what one of them starts, and what there can be only one of.
TOGETHER = {
    "tests/cluster/test_api.py": "the portal in the cluster",
    "tests/cluster/test_deployed.py": "the portal in the cluster",
}


class Lanes(LoadFileScheduling):
    """Those of a file, and of files that belong together. xdist's own groups do nothing under pytest 9.2."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return TOGETHER.get(file, file)
