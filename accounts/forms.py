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
    """Django's tells browsers how long a name may be, but takes longer ones; the table of failures does not."""

    username = UsernameField(
        label=_("Username"),
        max_length=_LONGEST_NAME,
        widget=TextInput(attrs={"autofocus": True}),
    )

    @classmethod
    def filled(cls, username: str) -> "LoginForm":
        """Return an unsent form with the name in it; the cursor goes to the first empty field."""
        form = cls(initial={"username": username[:_LONGEST_NAME]})
        if username:
            del form.fields["username"].widget.attrs["autofocus"]
            form.fields["password"].widget.attrs["autofocus"] = True
        return form


def _zones() -> list[tuple[str, Any]]:
    return [("", _("Same as my browser")), *((zone, zone) for zone in time_zones.offered_zones())]


class TimeZoneForm(forms.Form):
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        choices=_zones,
        required=False,
        error_messages={"invalid_choice": _("This is not a time zone. Choose one of the list.")},
    )


class SSHKeyForm(forms.Form):
    public_key = forms.CharField(
        label=_("Public key"),
        error_messages={"required": _("Paste a public key.")},
        widget=forms.Textarea(
            attrs={"rows": 4, "placeholder": "ssh-ed25519 AAAA…", "autocomplete": "off", "spellcheck": "false"}
        ),
        help_text=_("One line, from the file whose name ends in .pub, such as ~/.ssh/id_ed25519.pub"),
    )
    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        required=False,
        widget=TextInput(attrs={"autocomplete": "off"}),
        help_text=_("To tell your keys apart. Empty: the comment at the end of the key."),
    )

    def add(self, *, by: Actor) -> bool:
        """Call when valid. What is refused is told beside the field; a private key, above all."""
        try:
            ssh_keys.add_key(by=by, text=self.cleaned_data["public_key"], name=self.cleaned_data["name"])
        except ssh_keys.KeyRefused as refused:
            if refused.secret:
                self.data = dict(self.data.items()) | {"public_key": ""}
            self.add_error(None if refused.secret else "public_key", str(refused.message))
            return False
        return True
