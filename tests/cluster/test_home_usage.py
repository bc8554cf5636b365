"""A desktop in a pod measures its home folder and warns before it is full. Only the log carries the figure."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktops.runtimes.home_usage import HomeUsage, last_measurement
from tests.cluster.conftest import IMAGE
from tests.support.cluster.image_pods import Keys, Pod
from tests.support.running_podesk import wait_for

pytestmark = pytest.mark.cluster
MIB = 2**20


@pytest.fixture(scope="module")
def small_disk() -> Iterator[str]:
    """Return a file system of 64 MiB on the node, which is this machine, with one file of 55 MiB."""
    with tempfile.TemporaryDirectory(prefix="podesk-nearly-full-", dir="/tmp") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,uid=1000,gid=1000", "none", folder], check=True)
        try:
            (Path(folder) / "film.mkv").write_bytes(bytes(55 * MIB))
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture(scope="module")
def pods(kube, small_disk) -> Iterator[dict[str, Pod]]:
    keys = Keys()
    wanted = [
        Pod(kube, "of-its-own", IMAGE, keys, home={"hostPath": {"path": small_disk}}),
        Pod(kube, "shared", IMAGE, keys),
    ]
    kube.apply(*(manifest for pod in wanted for manifest in pod.manifests()))
    kube("wait", "pod", *(pod.name for pod in wanted), "--for=condition=Ready", "--timeout=170s")
    yield {pod.name: pod for pod in wanted}
    keys.close()


def measured(pod: Pod) -> HomeUsage:
    wait_for(lambda: last_measurement(pod.kube("logs", pod.name)), seconds=120)
    found = last_measurement(pod.kube("logs", pod.name))
    assert found
    return found


def test_a_folder_with_a_file_system_of_its_own_is_nearly_full_and_its_owner_is_warned(pods):
    pod = pods["of-its-own"]
    found = measured(pod)
    assert 55 * MIB < found.used_bytes < 60 * MIB
    assert found.usable_bytes == 64 * MIB
    wait_for(lambda: pod.pid("xfce4-notifyd"), seconds=60)  # D-Bus starts it for the first notice


def test_on_a_shared_file_system_the_figure_is_that_of_the_folder(pods):
    pod = pods["shared"]
    found = measured(pod)
    assert found.used_bytes < 20 * MIB
    assert found.usable_bytes > 2**30  # of the node's disk, most of which other folders use
    assert pod.pid("xfce4-panel")
    assert not pod.pid("xfce4-notifyd")


def test_the_measurement_has_the_lowest_priority(pods):
    pod = pods["shared"]
    script = pod.exec("sh", "-c", "cat /opt/podesk/session/home-usage")
    assert "nice -n 19 ionice -t -c 3" in script
    assert pod.exec("nice", "-n", "19", "ionice", "-t", "-c", "3", "sh", "-c", "nice; ionice") == "19\nidle\n"
