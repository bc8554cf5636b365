"""`./podesk backup` and `./podesk restore` with a repository on a server: SFTP by OpenSSH, and S3."""

import os
import pwd
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import repository_servers
from tests.support.repository_servers import RepositoryServer, needs_sshd
from tests.support.running_podesk import podesk

pytestmark = pytest.mark.once


@pytest.fixture
def data(tmp_path) -> Path:
    """Return a data folder with a database and a home folder."""
    folder = tmp_path / "data"
    (folder / "local/volumes/home-1").mkdir(parents=True)
    (folder / "local/volumes/home-1/report").write_text("as it was")
    with closing(sqlite3.connect(folder / "podesk.sqlite3")) as database:
        database.execute("CREATE TABLE of_podesk (row)")
    return folder


def ask(verb: str, server: RepositoryServer, data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    settings = server.environment | {"BACKUP_PASSPHRASE": "correct horse battery"} | settings
    return podesk(verb, f"{server.location}/podesk", "--data", str(data), **settings)


def saves_and_restores(server: RepositoryServer, data: Path) -> None:
    for _ in range(2):  # creates the repository, and uses it
        said = ask("backup", server, data)
        assert said.returncode == 0, said.stderr
    new = data.with_name("new")
    said = ask("restore", server, new)
    assert said.returncode == 0, said.stderr
    assert (new / "local/volumes/home-1/report").read_text() == "as it was"
    assert (new / "podesk.sqlite3").exists()


@needs_sshd
def test_sftp_and_a_key_that_the_server_does_not_know(data, tmp_path):
    served = tmp_path / "served"
    served.mkdir()
    with repository_servers.sftp(served, pwd.getpwuid(os.geteuid()).pw_name) as server:
        saves_and_restores(server, data)
        (served / "authorized").unlink()
        said = ask("backup", server, data)
    assert said.returncode == 1
    assert f"The repository {server.location}/podesk cannot be used." in said.stderr
    assert "unable to start the sftp session" in said.stderr


def test_s3_and_a_wrong_secret(data, tmp_path):
    served = tmp_path / "served"
    served.mkdir()
    with repository_servers.s3(served) as server:
        saves_and_restores(server, data)
        said = ask("backup", server, data, AWS_SECRET_ACCESS_KEY="wrong")
    assert said.returncode == 1
    assert f"The repository {server.location}/podesk cannot be used." in said.stderr
    assert "signature" in said.stderr
