"""Settings are read from the environment or a file, refused in one sentence, and all documented."""

import os
import re
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from portal import env

pytestmark = pytest.mark.once


@pytest.fixture
def given(monkeypatch):
    def give(value: str) -> None:
        monkeypatch.setenv("A_SETTING", value)

    return give


def test_every_setting_is_documented_and_nothing_else():
    code = "".join(each.read_text() for each in sorted((settings.BASE_DIR / "portal").glob("*settings.py")))
    read = re.findall(r'env\.\w+\(\s*"(\w+)"', code)
    documented = re.findall(r"^\| `(\w+)`", (settings.BASE_DIR / "docs/settings.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(read)


def test_file_wins_and_its_last_newline_is_not_part_of_it(given, monkeypatch, tmp_path):
    (tmp_path / "secret").write_text("from the file\n")
    given("from the environment")
    monkeypatch.setenv("A_SETTING_FILE", str(tmp_path / "secret"))
    assert env.text("A_SETTING") == "from the file"


def test_folder_of_secrets_as_kubernetes_mounts_it(tmp_path):
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026/BACKUP_KEY").write_text("k3y\n")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "BACKUP_KEY").symlink_to("..data/BACKUP_KEY")
    assert env.folder(tmp_path) == {"BACKUP_KEY": "k3y"}
    assert env.folder(tmp_path / "none") == {}


def test_backups_take_their_secrets_from_a_folder(tmp_path):
    """The environment has precedence. What restic does not read stays out of its environment."""
    given = {"BACKUP_REPOSITORY": "rest:http://there/", "BACKUP_KEY": "k3y", "AWS_A": "1", "AWS_B": "2", "OTHER": "3"}
    for name, value in given.items():
        (tmp_path / name).write_text(value)
    code = (
        "from portal import desktop_settings as s; "
        "print(s.BACKUP_REPOSITORY, s.BACKUP_KEY, s.BACKUP_ENVIRONMENT['AWS_A'], s.BACKUP_ENVIRONMENT['AWS_B'], "
        "'OTHER' in s.BACKUP_ENVIRONMENT)"
    )
    environment = os.environ | {"BACKUP_SECRETS_DIR": str(tmp_path), "AWS_B": "of the environment"}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "rest:http://there k3y 1 of the environment False"


def test_missing_file_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("A_SETTING_FILE", str(tmp_path / "nothing"))
    with pytest.raises(ImproperlyConfigured, match=r"A_SETTING_FILE names .*/nothing, which cannot be read"):
        env.text("A_SETTING")


def test_required():
    with pytest.raises(ImproperlyConfigured, match="A_SETTING is not set"):
        env.text("A_SETTING")


@pytest.mark.parametrize(("value", "read"), [("1", True), ("Yes", True), ("off", False), ("", False)])
def test_flag(given, value, read):
    given(value)
    assert env.flag("A_SETTING", not read) is read


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda: env.flag("A_SETTING", False), "maybe"),
        (lambda: env.integer("A_SETTING", 5), "-1"),
        (lambda: env.integer("A_SETTING", 5), "five"),
        (lambda: env.integer("A_SETTING", 5), "²"),
        (lambda: env.integer("A_SETTING", 5, minimum=2), "1"),
        (lambda: env.integer("A_SETTING", 5, maximum=65535), "65536"),
        (lambda: env.choice("A_SETTING", "a", ("a", "b")), "c"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(given, read, value):
    given(value)
    with pytest.raises(ImproperlyConfigured, match=rf"^A_SETTING is '{value}'; expected [^\n]+\.$"):
        read()


def test_listing(given):
    given(" a, b ,,c")
    assert env.listing("A_SETTING") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("LOG_LEVEL", "loud", "LOG_LEVEL is 'loud'; expected one of: DEBUG, INFO, WARNING, ERROR."),
        ("TIME_ZONE", "Mars/Olympus", "TIME_ZONE is 'Mars/Olympus'; expected a name such as UTC or Europe/Berlin."),
        ("DATABASE_URL", "mysql://x", "DATABASE_URL begins with none of: sqlite:, postgres:, postgresql:."),
        ("REDIS_URL", "http://x", "REDIS_URL begins with none of: redis:, rediss:, unix:."),
        ("API_RATE_READ", "-1", "API_RATE_READ is '-1'; expected a whole number, 0 or more."),
        ("SECRET_KEY", "short", "SECRET_KEY has 5 characters; expected 50 or more random ones."),
        ("SECRET_KEY", "", "SECRET_KEY has 0 characters; expected 50 or more random ones."),
        ("SECRET_KEY_FILE", "/missing", "SECRET_KEY_FILE names /missing, which cannot be read:"),
    ],
)
def test_a_command_prints_one_sentence_for_an_invalid_setting(name, value, sentence):
    _refused(name, value, sentence)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root chooses the account of desktops")
@pytest.mark.parametrize("value", ["no-such-account", "root"])
def test_account_of_desktops_must_exist_and_be_unprivileged(value):
    _refused(
        "LOCAL_DESKTOP_USER",
        value,
        f"LOCAL_DESKTOP_USER is '{value}'; expected an unprivileged account of this machine. Create one with: ",
    )


def _refused(name, value, sentence):
    command = [sys.executable, "manage.py", "migrate", "--check"]
    given = os.environ | {name: value}
    ended = subprocess.run(command, cwd=settings.BASE_DIR, env=given, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(sentence)
    assert ended.stderr.count("\n") == 1
