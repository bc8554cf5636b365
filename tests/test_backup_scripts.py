"""The scripts of the part `backup` with a real restic: what they save can be read, and each fault ends them.

tests/cluster/test_database_backup.py runs all of them in the cluster, with PostgreSQL.
"""

import os
import subprocess
from pathlib import Path

import pytest

from podesk_cli.folders import CHECKOUT
from tests.support.running_podesk import wait_for

pytestmark = pytest.mark.once
SCRIPTS = CHECKOUT / "k8s/parts/backup"
KEYS = {"SECRET_KEY": "one", "DATABASE_URL": "postgres://podesk:secret@podesk-postgres/podesk"}


@pytest.fixture
def pod(tmp_path) -> Path:
    """Return a folder with what the pod mounts. The scripts are copied with this folder in front of each path."""
    for folder in ("run/podesk/scripts", "run/podesk/backup", "run/podesk/keys", "work/keys"):
        (tmp_path / folder).mkdir(parents=True)
    for script in SCRIPTS.glob("*.sh"):
        text = script.read_text().replace("/work", f"{tmp_path}/work").replace("/run/podesk", f"{tmp_path}/run/podesk")
        (tmp_path / "run/podesk/scripts" / script.name).write_text(text)
    for name, value in KEYS.items():
        (tmp_path / "run/podesk" / name).write_text(value)
        (tmp_path / "run/podesk/keys" / name).symlink_to(f"../{name}")  # as in a mounted Secret
    (tmp_path / "run/podesk/backup/RESTIC_REPOSITORY").write_text(f"{tmp_path}/repository")
    (tmp_path / "run/podesk/backup/RESTIC_PASSWORD").write_text("correct horse battery\n")
    (tmp_path / "work/podesk.dump").write_bytes(os.urandom(100_000))
    return tmp_path


def run(pod: Path, script: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(pod / "run/podesk/scripts" / script)]
    return subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False, timeout=60)


def restic(pod: Path, *arguments: str) -> str:
    env = os.environ | {"RESTIC_REPOSITORY": f"{pod}/repository", "RESTIC_PASSWORD": "correct horse battery"}
    return subprocess.run(["restic", *arguments], env=env, capture_output=True, text=True, check=True).stdout


def snapshots(pod: Path) -> set[str]:
    return {path.name for path in (pod / "repository/snapshots").iterdir()}


def test_dump_and_keys_are_saved_and_read_back(pod):
    said = run(pod, "save.sh")
    assert said.returncode == 0, said.stderr
    dump = (pod / "work/podesk.dump").read_bytes()
    assert (pod / f"work/read-back{pod}/work/podesk.dump").read_bytes() == dump
    for name, value in KEYS.items():
        assert restic(pod, "dump", "latest", f"{pod}/work/keys/{name}") == value
        assert value not in said.stdout + said.stderr
    assert list((pod / "work/keys").iterdir()) == []
    said = run(pod, "fetch.sh", SNAPSHOT="latest")
    assert said.returncode == 0, said.stderr


def test_wrong_passphrase_ends_it_and_changes_nothing(pod):
    assert run(pod, "save.sh").returncode == 0
    before = snapshots(pod)
    (pod / "run/podesk/backup/RESTIC_PASSWORD").write_text("another")
    said = run(pod, "save.sh")
    assert said.returncode != 0
    assert "wrong password" in said.stderr
    assert snapshots(pod) == before


def test_flipped_byte_ends_it(pod):
    assert run(pod, "save.sh").returncode == 0
    for pack in [path for path in (pod / "repository/data").rglob("*") if path.is_file()]:
        pack.chmod(0o600)
        content = bytearray(pack.read_bytes())
        content[len(content) // 3] ^= 1
        pack.write_bytes(content)
    assert run(pod, "save.sh").returncode != 0  # the same dump is already there, so the damaged data is read back
    assert run(pod, "fetch.sh", SNAPSHOT="latest").returncode != 0


def locks(pod: Path) -> list[Path]:
    return [path for path in (pod / "repository/locks").iterdir() if "tmp" not in path.name]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have another host name")
def test_run_waits_until_the_lock_of_a_killed_pod_has_ended(pod):
    assert run(pod, "save.sh").returncode == 0
    kill_with_a_lock(pod)
    with subprocess.Popen(
        ["bash", pod / "run/podesk/scripts/save.sh"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as waiting:
        assert any("The repository is locked." in line for line in waiting.stdout)
        (lock,) = locks(pod)
        lock.unlink()  # restic does this after half an hour
        waiting.stdout.read()
    assert waiting.returncode == 0
    assert len(snapshots(pod)) == 2
    assert locks(pod) == []


def kill_with_a_lock(pod: Path) -> None:
    """Kill a backup in a pod of another name while it reads its input."""
    env = os.environ | {"RESTIC_REPOSITORY": f"{pod}/repository", "RESTIC_PASSWORD": "correct horse battery"}
    command = "hostname another-pod; exec restic backup --stdin"
    with subprocess.Popen(["unshare", "--uts", "sh", "-c", command], env=env, stdin=-1, stdout=-1) as killed:
        wait_for(lambda: locks(pod))
        killed.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_full_repository_ends_it_and_the_next_run_works_once_there_is_room(pod):
    small = pod / "repository"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], check=True)
    try:
        said = run(pod, "save.sh")
        assert said.returncode != 0
        assert "no space left" in said.stderr
        subprocess.run(["mount", "-o", "remount,size=16m", small], check=True)
        said = run(pod, "save.sh")
        assert said.returncode == 0, said.stderr
        assert len(snapshots(pod)) == 1
    finally:
        subprocess.run(["umount", small], check=True)
