"""Create random secrets for an installation, in the cluster or a folder: `python -m portal.keys`. Needs no settings."""

import argparse
import base64
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.fernet import Fernet
from kubernetes import client, config
from urllib3.exceptions import HTTPError

from accounts.keys import new_pem

_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_MAKERS: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(50),
    "SECRETS_KEYS": lambda: Fernet.generate_key().decode(),
    "TOKEN_SIGNING_KEY": new_pem,
    "TOKEN_VERIFY_KEYS": lambda: "",
    "BACKUP_KEY": lambda: secrets.token_urlsafe(50),
    "ADMIN_PASSWORD": lambda: secrets.token_urlsafe(12),
    "POSTGRES_PASSWORD": lambda: secrets.token_urlsafe(24),  # needs no escaping in a URL
    "REDIS_PASSWORD": lambda: secrets.token_urlsafe(24),
}


def completed(given: Mapping[str, str]) -> dict[str, str]:
    """Return `given`, with a new value for each key that is missing."""
    values = {name: make() for name, make in _MAKERS.items() if name not in given} | dict(given)
    addresses = {
        "DATABASE_URL": f"postgres://podesk:{values['POSTGRES_PASSWORD']}@podesk-postgres/podesk",
        "REDIS_URL": f"redis://:{values['REDIS_PASSWORD']}@podesk-redis:6379/0",
    }
    return addresses | values


def into_folder(folder: Path) -> None:
    """Write one private file per key. Existing files stay unchanged."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = {path.name: path.read_text().strip() for path in folder.iterdir()}
    for name, value in completed(there).items():
        if name not in there:
            path = folder / name
            path.touch(mode=0o600)
            path.write_text(value)


def into_cluster(name: str) -> None:
    """Create the Secret in this pod's namespace, or add missing keys to it. Raises ApiException, HTTPError."""
    config.load_incluster_config()
    api, namespace = client.CoreV1Api(), _NAMESPACE.read_text()
    labels = {"app.kubernetes.io/name": "podesk", "app.kubernetes.io/part-of": "podesk"}
    secret = client.V1Secret(metadata=client.V1ObjectMeta(name=name, labels=labels), string_data=completed({}))
    try:
        api.create_namespaced_secret(namespace, secret)
    except client.ApiException as error:
        if error.status != 409:
            raise
        _add_missing(api, namespace, name)


def _add_missing(api: client.CoreV1Api, namespace: str, name: str) -> None:
    data = api.read_namespaced_secret(name, namespace).data or {}
    there = {key: base64.b64decode(value).decode() for key, value in data.items()}
    missing = {key: value for key, value in completed(there).items() if key not in there}
    if missing:
        api.patch_namespaced_secret(name, namespace, {"stringData": missing})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m portal.keys", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--secret", metavar="NAME", help="make or complete this Secret; in a pod, in its own namespace")
    where.add_argument("--folder", type=Path, help="write one file for each into this folder")
    chosen = parser.parse_args()
    if chosen.folder:
        into_folder(chosen.folder)
        return
    try:
        into_cluster(chosen.secret)
    except config.ConfigException:
        sys.exit("This is no pod of a cluster. Use --folder here.")
    except client.ApiException as error:
        sys.exit(f"The cluster refused to make Secret {chosen.secret}: {error.status} {error.reason}.")
    except HTTPError as error:
        sys.exit(f"The cluster does not answer: {error}")


if __name__ == "__main__":
    main()
