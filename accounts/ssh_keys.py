"""Public keys that people log in to their desktops with."""

from accounts.models import SSHKey, User


def authorized_keys(user: User) -> str:
    """One key per line, as sshd reads them."""
    return "".join(f"{key}\n" for key in SSHKey.objects.filter(owner=user).values_list("public_key", flat=True))
