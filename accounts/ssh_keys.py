"""Public keys that let people log in to their desktops by SSH."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from django.db import transaction
from django.db.models import F
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.audit import Actor, audited
from accounts.models import SSHKey, User
from core.errors import Refusal

MOST = 20  # keys per person
LONGEST = 16 * 1024  # characters
_SHORTEST_RSA = 2048  # bits
_KINDS = (
    *("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    *("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"),
)
_PRIVATE = ("PRIVATE KEY", "PuTTY-User-Key-File", "Private-Lines")
_A_PRIVATE_KEY = _(
    "This is a private key. Never paste it anywhere: anyone who has it can log in as you. It was not stored. "
    "Paste the public key instead, from the file whose name ends in .pub."
)
_DAMAGED = _("The key is damaged or incomplete. Copy the whole line again.")


class KeyRefused(Refusal):
    """`secret`: the pasted text must not be shown again."""

    slug, status_code = "ssh_key_refused", 422

    def __init__(self, message: str | Promise, *, secret: bool = False) -> None:
        super().__init__(message)
        self.secret = secret


@dataclass(frozen=True)
class PublicKey:
    kind: str
    blob: bytes
    comment: str = ""

    @classmethod
    def of(cls, kind: str, text: str, comment: str = "") -> "PublicKey":
        """Return the decoded key. Raises ValueError if the text is not base64."""
        return cls(kind, base64.b64decode(text, validate=True), comment)

    def __str__(self) -> str:
        """Return the key as in authorized_keys, without options and comment."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint as `ssh-keygen -l` shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")


def authorized_keys(user: User) -> str:
    """Return the user's keys, one per line, in the format of sshd."""
    return "".join(f"{key}\n" for key in SSHKey.objects.filter(owner=user).values_list("public_key", flat=True))


@audited("ssh_key.add")  # without a target, since the pasted text may be a private key
@transaction.atomic
def add_key(*, by: Actor, text: str, name: str = "") -> SSHKey:
    """Add a key; running desktops accept it within two minutes. The default name is the key's comment.

    Raises KeyRefused.
    """
    key = parse(text)
    owner = User.objects.select_for_update(no_key=True).get(pk=by.user.pk)  # locked, so that the limit holds
    if SSHKey.objects.filter(owner=owner, fingerprint=key.fingerprint).exists():
        raise KeyRefused(_("You have already added this key."))
    if SSHKey.objects.filter(owner=owner).count() >= MOST:
        raise KeyRefused(_("You have reached the maximum number of keys. Remove one that you no longer use."))
    added = SSHKey.objects.create(
        owner=owner,
        name=(name.strip() or key.comment or key.kind)[:100],
        public_key=str(key),
        fingerprint=key.fingerprint,
    )
    _have_changed(owner.pk)
    audit.record("ssh_key.add", by=by, target=added.fingerprint, name=added.name)
    return added


@transaction.atomic
def delete_key(*, by: Actor, key: SSHKey) -> None:
    """Remove a key; running desktops stop accepting it within two minutes. Open SSH sessions continue."""
    if SSHKey.objects.filter(pk=key.pk).delete()[0]:
        _have_changed(key.owner_id)
        audit.record("ssh_key.delete", by=by, target=key.fingerprint, name=key.name, owner=key.owner.username)


def _have_changed(owner_id: Any) -> None:
    """Raise the version of the owner's keys, so that their desktops are updated; see lifecycle/ssh_key_sync.py."""
    User.objects.filter(pk=owner_id).update(ssh_keys_version=F("ssh_keys_version") + 1)


def parse(text: str) -> PublicKey:
    """Parse one line of a .pub file. Raises KeyRefused."""
    line = text.strip()
    _refuse_other_things(line)
    kind, key, comment = (*line.split(None, 2), "", "")[:3]
    if kind not in _KINDS:
        raise KeyRefused(_reason_refused(line))
    try:
        public = PublicKey.of(kind, key, "".join(letter for letter in comment if letter.isprintable()).strip())
        _refuse_weak(load_ssh_public_key(str(public).encode()))
    except (ValueError, UnsupportedAlgorithm):
        raise KeyRefused(_DAMAGED)
    return public


def _refuse_other_things(text: str) -> None:
    if any(mark in text for mark in _PRIVATE):
        raise KeyRefused(_A_PRIVATE_KEY, secret=True)
    if not text:
        raise KeyRefused(_("Paste a public key."))
    if len(text) > LONGEST:
        raise KeyRefused(
            _("This is too long for a public key. A public key is one line in a file whose name ends in .pub.")
        )
    if "BEGIN SSH2 PUBLIC KEY" in text:
        raise KeyRefused(_("This public key has another format. Convert it with: ssh-keygen -i -f your-file"))
    if len(text.splitlines()) > 1:
        raise KeyRefused(_("A public key is a single line. Add your keys one at a time."))


def _reason_refused(line: str) -> Promise:
    words = line.split()
    if words[0] == "ssh-dss":
        return _("DSA keys are no longer secure. Create a new key with: ssh-keygen -t ed25519")
    if any(word in _KINDS for word in words):
        return _("Options before the key are not supported. Paste only the key, starting with its type.")
    return _("This is not an SSH public key. Such a key starts with ssh-ed25519, ssh-rsa or ecdsa-sha2.")


def _refuse_weak(key: object) -> None:
    if isinstance(key, RSAPublicKey) and key.key_size < _SHORTEST_RSA:
        raise KeyRefused(_("This RSA key is too short to be secure. Create a new key with: ssh-keygen -t ed25519"))
