"""Commands that start an installation: wait for its databases, create the first administrator."""

import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from accounts.models import User
from tests.support.environment import redis_unavailable


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "ADMIN_PASSWORD"
    path.write_text("correct horse battery staple\n")
    return path


def test_first_administrator_gets_the_given_password_and_nobody_reads_it(db, secret, capsys):
    call_command("ensure_admin", password_file=secret)
    assert User.objects.get().check_password("correct horse battery staple")
    assert capsys.readouterr().out == "Username: admin\n"


def test_an_administrators_password_is_not_changed(admin, secret):
    call_command("ensure_admin", password_file=secret)
    assert User.objects.get().check_password("admin's password")


@pytest.mark.parametrize("text", ["", " \n", None])
def test_without_a_password_there_is_no_administrator(db, secret, text):
    secret.write_text(text) if text is not None else secret.unlink()
    with pytest.raises(CommandError, match="ADMIN_PASSWORD"):
        call_command("ensure_admin", password_file=secret)
    assert not User.objects.exists()


@pytest.mark.once  # on a database of its own
def test_waits_for_the_migrations_then_for_redis(tmp_path):
    environment = os.environ | {"DATABASE_URL": f"sqlite:///{tmp_path}/new.sqlite3", "PYTHONUNBUFFERED": "1"}
    manage = [sys.executable, "manage.py"]
    command = [*manage, "wait_for_services"]
    with (
        subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment, stdout=subprocess.PIPE, text=True) as waiting,
        redis_unavailable(),
    ):
        assert "migrations: the job podesk-migrate applies them" in waiting.stdout.readline()
        subprocess.run([*manage, "migrate", "--verbosity", "0"], cwd=settings.BASE_DIR, env=environment, check=True)
        assert "Waiting for Redis" in waiting.stdout.readline()
        assert waiting.poll() is None
    assert waiting.returncode == 0
