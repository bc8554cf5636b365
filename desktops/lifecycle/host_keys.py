"""The SSH host key of a desktop.

Created once and stored encrypted, so that clients recognize the desktop after a restart.
"""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core import encryption
from desktops.models import Desktop


def new_host_key() -> str:
    """Return a new encrypted key in OpenSSH format."""
    private = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return encryption.encrypt(private.decode())


def host_key_of(desktop: Desktop) -> str:
    """Return the host key in OpenSSH format.

    Creates one for an old row without a key; call this under the desktop's lock.
    """
    if not desktop.host_key_sealed:
        desktop.host_key_sealed = new_host_key()
        Desktop.objects.filter(pk=desktop.pk).update(host_key_sealed=desktop.host_key_sealed)
    return encryption.decrypt(desktop.host_key_sealed)


def public_host_key(desktop: Desktop) -> str:
    """Return the public key as in a known_hosts file, without the host name. Empty before the first start."""
    if not desktop.host_key_sealed:
        return ""
    key = serialization.load_ssh_private_key(encryption.decrypt(desktop.host_key_sealed).encode(), password=None)
    return key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
