"""Forms of accounts."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, UsernameField
from django.forms import TextInput
from django.utils.translation import gettext_lazy as _

from accounts import ssh_keys, time_zones
from accounts.audit import Actor
from accounts.models import User

_LONGEST_NAME = User._meta.get_field("username").max_length


class LoginForm(AuthenticationForm):
    """Enforces the maximum length of a name on the server too; the table of failed logins takes no longer ones."""

    username = UsernameField(
        label=_("Username"),
        max_length=_LONGEST_NAME,
        widget=TextInput(attrs={"autofocus": True}),
    )

    error_messages = AuthenticationForm.error_messages | {
        "invalid_login": _("The username or password is incorrect. Passwords are case-sensitive."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Put the cursor in the first empty field: no page keeps a password."""
        super().__init__(*args, **kwargs)
        if self["username"].value():
            del self.fields["username"].widget.attrs["autofocus"]
            self.fields["password"].widget.attrs["autofocus"] = True

    @classmethod
    def filled(cls, username: str) -> "LoginForm":
        """Return an unsent form with the name filled in."""
        return cls(initial={"username": username[:_LONGEST_NAME]})


def _zones() -> list[tuple[str, Any]]:
    return [("", _("Same as my browser")), *((zone, zone) for zone in time_zones.offered_zones())]


class TimeZoneForm(forms.Form):
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        choices=_zones,
        required=False,
        error_messages={"invalid_choice": _("This is not a known time zone. Choose one from the list.")},
    )


class SSHKeyForm(forms.Form):
    public_key = forms.CharField(
        label=_("Public key"),
        error_messages={"required": _("Paste a public key.")},
        widget=forms.Textarea(
            attrs={"rows": 4, "placeholder": "ssh-ed25519 AAAA…", "autocomplete": "off", "spellcheck": "false"}
        ),
        help_text=_("One line, from a file whose name ends in .pub, such as ~/.ssh/id_ed25519.pub"),
    )
    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        required=False,
        widget=TextInput(attrs={"autocomplete": "off"}),
        help_text=_("A name for this key. If you leave it empty, the comment in the key is used."),
    )

    def add(self, *, by: Actor) -> bool:
        """Add the key of a valid form. Errors appear beside the field, most importantly for a private key."""
        try:
            ssh_keys.add_key(by=by, text=self.cleaned_data["public_key"], name=self.cleaned_data["name"])
        except ssh_keys.KeyRefused as refused:
            if refused.secret:
                self.data = dict(self.data.items()) | {"public_key": ""}
            self.add_error(None if refused.secret else "public_key", str(refused.message))
            return False
        return True
