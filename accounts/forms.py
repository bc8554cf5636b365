"""Forms of accounts."""

from django.contrib.auth.forms import AuthenticationForm, UsernameField
from django.forms import TextInput
from django.utils.translation import gettext_lazy as _

from accounts.models import User


class LoginForm(AuthenticationForm):
    """Django's tells browsers how long a name may be, but takes longer ones; the table of failures does not."""

    username = UsernameField(
        label=_("Username"),
        max_length=User._meta.get_field("username").max_length,
        widget=TextInput(attrs={"autofocus": True}),
    )
