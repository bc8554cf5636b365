"""The checks before start report a bad key in one sentence that says what to do."""

import os
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings as real
from django.core.checks import CheckMessage, run_checks

from accounts import keys
from accounts.models import Quota


def _is_ours(message: CheckMessage) -> bool:
    return str(message.id).startswith(("accounts", "portal"))


def short_pem() -> str:
    return (
        rsa.generate_private_key(public_exponent=65537, key_size=1024)
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("TOKEN_SIGNING_KEY", "", "portal.E001"),
        ("TOKEN_SIGNING_KEY", "word", "accounts.E001"),
        ("TOKEN_SIGNING_KEY", short_pem(), "accounts.E002"),
        ("TOKEN_VERIFY_KEYS", "word", "accounts.E003"),
        ("TOKEN_VERIFY_KEYS", keys.new_pem() + "rest", "accounts.E003"),
        ("TOKEN_VERIFY_KEYS", keys.new_pem() + short_pem(), "accounts.E002"),
        ("SECRETS_KEYS", [], "portal.E001"),
        ("SECRETS_KEYS", [*real.SECRETS_KEYS, "word"], "portal.E003"),
        ("LOCAL_RUNTIME_ALLOWED", False, "portal.E002"),
        ("PUBLIC_URL", "desktops.example.org", "portal.E004"),
        ("PUBLIC_URL", "https://desktops.example.org/portal", "portal.E004"),
        ("DESKTOP_EGRESS_EXCEPT", ["10.0.0.0/8", "10.0.0.1/8"], "portal.E005"),
        ("DESKTOP_EGRESS_EXCEPT", ["metadata"], "portal.E005"),
        ("DESKTOP_DNS_CIDRS", ["10.96.0.10/32", "kube-dns"], "portal.E005"),
        ("BACKUP_EGRESS_CIDRS", ["192.168.10.20/24"], "portal.E005"),
        ("DESKTOP_EXPOSURE", "nodeport", "portal.W001"),
        ("DESKTOP_VNC_PORTS", range(30000, 31002), "portal.E006"),
    ],
)
def test_told(settings, name, value, expected):
    setattr(settings, name, value)
    (found,) = [message for message in run_checks() if _is_ours(message)]
    assert found.id == expected
    assert found.hint
    assert not value or str(value) not in found.msg or name == "PUBLIC_URL"


@pytest.mark.parametrize(
    ("runtime", "repository", "expected"),
    [
        ("local", "/srv/backups", []),
        ("kubernetes", "/srv/backups", ["portal.E008"]),
        ("kubernetes", "sftp:user@host:/srv", ["portal.E008"]),
        ("kubernetes", "rest:https://backup.example.org", []),
    ],
)
def test_a_cluster_needs_a_repository_on_the_network(settings, runtime, repository, expected):
    settings.DESKTOP_RUNTIME, settings.BACKUP_REPOSITORY, settings.BACKUP_KEY = runtime, repository, "k" * 32
    assert [message.id for message in run_checks() if _is_ours(message)] == expected


def test_nothing_to_tell():
    assert [message for message in run_checks() if _is_ours(message)] == []


def test_missing_default_quota(first_rows):
    assert run_checks(databases=["default"]) == []
    Quota.objects.all().delete()
    (found,) = run_checks(databases=["default"])
    assert (found.id, bool(found.hint)) == ("accounts.W001", True)


@pytest.mark.once
def test_production_settings_are_clean():
    """Run the real command as an administrator does."""
    environment = os.environ | {"PUBLIC_URL": "https://desktops.example.org", "SECRET_KEY": keys.new_pem()}
    completed = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=real.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (completed.returncode, completed.stdout) == (0, "System check identified no issues (1 silenced).\n"), (
        completed.stderr
    )
