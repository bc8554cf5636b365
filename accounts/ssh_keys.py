"""Public keys that people log in to their desktops with."""

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

MOST = 20  # keys of one person
LONGEST = 16 * 1024  # characters
_SHORTEST_RSA = 2048  # bits
_KINDS = (
    *("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    *("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"),
)
_PRIVATE = ("PRIVATE KEY", "PuTTY-User-Key-File", "Private-Lines")
_A_PRIVATE_KEY = _(
    "This is a private key. Never paste it anywhere: whoever has it can log in as you. It was not stored. "
    "Paste the public key instead, from the file whose name ends in .pub."
)
_DAMAGED = _("The key is damaged or not complete. Copy the whole line again.")


class KeyRefused(Refusal):
    """`secret`: what was pasted must not be shown again."""

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
        """Raises ValueError when the text is no base64."""
        return cls(kind, base64.b64decode(text, validate=True), comment)

    def __str__(self) -> str:
        """As in authorized_keys, without options and comment."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")


def authorized_keys(user: User) -> str:
    """One key per line, as sshd reads them."""
    return "".join(f"{key}\n" for key in SSHKey.objects.filter(owner=user).values_list("public_key", flat=True))


@audited("ssh_key.add")  # without a target: what was pasted may be a private key
@transaction.atomic
def add_key(*, by: Actor, text: str, name: str = "") -> SSHKey:
    """Desktops that run take it within two minutes. Without a name it gets its comment's. Raises KeyRefused."""
    key = parse(text)
    owner = User.objects.select_for_update(no_key=True).get(pk=by.user.pk)  # two at once are still counted
    if SSHKey.objects.filter(owner=owner, fingerprint=key.fingerprint).exists():
        raise KeyRefused(_("You have added this key already."))
    if SSHKey.objects.filter(owner=owner).count() >= MOST:
        raise KeyRefused(_("You have as many keys as you may have. Remove one that you do not use any more."))
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
    """Desktops that run forget it within two minutes. Who is logged in with it stays so."""
    if SSHKey.objects.filter(pk=key.pk).delete()[0]:
        _have_changed(key.owner_id)
        audit.record("ssh_key.delete", by=by, target=key.fingerprint, name=key.name, owner=key.owner.username)


def _have_changed(owner_id: Any) -> None:
    """Desktops that were told of an earlier version hear of it: see desktops/lifecycle/ssh_key_sync.py."""
    User.objects.filter(pk=owner_id).update(ssh_keys_version=F("ssh_keys_version") + 1)


def parse(text: str) -> PublicKey:
    """One line of a .pub file. Raises KeyRefused."""
    line = text.strip()
    _refuse_other_things(line)
    kind, key, comment = (*line.split(None, 2), "", "")[:3]
    if kind not in _KINDS:
        raise KeyRefused(_why_not(line))
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
        raise KeyRefused(_("This is too long for a public key. It is one line, in the file whose name ends in .pub."))
    if "BEGIN SSH2 PUBLIC KEY" in text:
        raise KeyRefused(_("This public key is in another format. Convert it with: ssh-keygen -i -f your-file"))
    if len(text.splitlines()) > 1:
        raise KeyRefused(_("A public key is a single line. Add several keys one after another."))


def _why_not(line: str) -> Promise:
    words = line.split()
    if words[0] == "ssh-dss":
        return _("DSA keys are not safe any more. Make a new one with: ssh-keygen -t ed25519")
    if any(word in _KINDS for word in words):
        return _("Options before the key are not taken here. Paste the key alone, from its type on.")
    return _("This is not a public SSH key. Such a key begins with ssh-ed25519, ssh-rsa or ecdsa-sha2.")


def _refuse_weak(key: object) -> None:
    if isinstance(key, RSAPublicKey) and key.key_size < _SHORTEST_RSA:
        raise KeyRefused(_("This RSA key is too short to be safe. Make a new one with: ssh-keygen -t ed25519"))
