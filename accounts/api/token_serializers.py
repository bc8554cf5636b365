"""Define the requests and responses of the session token endpoints."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import user_logged_in
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.serializers import TokenObtainSerializer

from accounts import lockout
from accounts.api.fields import Username
from accounts.models import SessionToken, User
from accounts.token_services import SHORTEST, Issued, TokenRequest
from accounts.tokens import PERMISSIONS, Claims
from core.api.fields import Text, Whole
from core.api.serializers import PageQuery, StrictSerializer
from core.errors import Refusal

_PASSWORD_LONGEST = 4096  # characters
_UTC = "%Y-%m-%dT%H:%M:%SZ"
_HELP = {
    "id": "ID of the token.",
    "label": "Label of the token.",
    "permissions": "Permissions of the token.",
    "pod_name": "Desktop that the token is valid for. Empty means all desktops of the user.",
    "session_id": "ID of the login, which all tokens of the same login share.",
    "created_at": "Time when the token was issued.",
    "last_used_at": "Time of the last use, accurate to the minute. Null if it was never used.",
    "last_used_from": "IP address of the last use. Null if it was never used.",
    "expires_at": "Time when the token expires.",
    "refresh_until": "Time until which you can refresh the token. Null if it cannot be refreshed.",
    "revoked_at": "Time when the token was revoked. Null if it was not.",
    "revoked_reason": "Slug of the reason for the revocation. Empty if it was not revoked.",
}


class WrongPassword(Refusal):
    """Raised for a wrong password. The answer is the same for unknown names and for disabled accounts."""

    slug, status_code = "wrong_password", 401
    message = gettext_lazy("The username or password is incorrect.")
    next_step = gettext_lazy("Check both and try again. After several failed attempts, you have to wait.")


class LockedOut(Refusal):
    slug, status_code = "locked_out", 429
    message = gettext_lazy("Too many wrong passwords.")
    next_step = gettext_lazy(
        "Wait for the number of seconds in Retry-After, or ask an administrator to unlock the account."
    )

    def __init__(self, *, wait: int) -> None:
        super().__init__()
        self.retry_after = wait


_PERMISSION = {"type": "string", "enum": list(PERMISSIONS)}


@extend_schema_field({"type": "array", "items": _PERMISSION, "minItems": 1})
class Permissions(serializers.ListField):
    """The permissions of a token. The schema is declared here, since drf-spectacular ignores allow_empty."""

    child = serializers.ChoiceField(PERMISSIONS)


@extend_schema_field({"type": "integer", "minimum": SHORTEST, "maximum": settings.TOKEN_LIFETIME_MAX})
class Seconds(Whole):
    """A lifetime in seconds."""


class TokenForm(StrictSerializer):
    """The properties of a new token. All are optional."""

    label = Text(  # type: ignore[assignment]  # hides a Field's own label, which is not used
        max_length=100,
        required=False,
        allow_blank=True,
        help_text="Label in your list of tokens. Default: API token, or the name of the desktop.",
    )
    permissions = Permissions(
        allow_empty=False,
        required=False,
        help_text="Permissions. Default: all that you have, or all of the token that you send.",
    )
    lifetime = Seconds(
        min_value=SHORTEST,
        required=False,
        help_text="Lifetime in seconds. The portal sets its default and maximum.",
    )

    def validate_lifetime(self, seconds: int) -> int:
        if seconds > settings.TOKEN_LIFETIME_MAX:
            raise serializers.ValidationError(
                _("The maximum is %(most)s seconds.") % {"most": settings.TOKEN_LIFETIME_MAX}
            )
        return seconds


class ObtainForm(TokenForm, TokenObtainSerializer):
    """Your username and password, and the properties of the new token."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # simplejwt's own field strips spaces, but a password may begin or end with spaces.
        self.fields["username"] = Username(
            max_length=User._meta.get_field("username").max_length, help_text="Your username."
        )
        self.fields["password"] = serializers.CharField(
            max_length=_PASSWORD_LONGEST,
            trim_whitespace=False,
            write_only=True,
            style={"input_type": "password"},
            help_text="Your password.",
        )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check the password and add the authenticated `user`. Raises WrongPassword, LockedOut."""
        request = self.context["request"]
        try:
            super().validate(attrs)
        except AuthenticationFailed:
            lockout.record_failure(request, attrs["username"], locked=False)
            # Axes sets this on DRF's request, which axes' middleware does not see. So it returns no page for it.
            if request.axes_locked_out:
                lockout.record_failure(request, attrs["username"], locked=True)
                wait = lockout.seconds_left(attrs["username"], lockout.counted_address(request))
                raise LockedOut(wait=wait)
            raise WrongPassword
        user_logged_in.send(User, request=request, user=self.user)  # axes resets the failures
        return attrs | {"user": self.user}


class VerifyForm(StrictSerializer):
    """The token to verify."""

    # Not trimmed, so that every string that the schema allows is accepted.
    token = serializers.CharField(
        trim_whitespace=False, help_text="Token to verify. It may differ from the one in the header."
    )

    def validate_token(self, text: str) -> str:
        return text.strip() or text


_ORDERS = ("created_at", "expires_at", "label")


class TokenQuery(PageQuery):
    active = serializers.BooleanField(
        required=False, help_text="true returns valid tokens only, false revoked or expired ones."
    )
    ordering = serializers.ChoiceField(
        [*(f"-{name}" for name in _ORDERS), *_ORDERS],
        default="-created_at",
        help_text="Field to sort by. A leading - reverses the order.",
    )


class TokenOut(serializers.ModelSerializer[SessionToken]):
    """A session token, without its text."""

    permissions = serializers.ListField(child=serializers.ChoiceField(PERMISSIONS), help_text=_HELP["permissions"])
    current = serializers.SerializerMethodField(help_text="Whether it is the token that you sent.")

    class Meta:
        model = SessionToken
        fields = (
            *("id", "label", "permissions", "pod_name", "session_id", "created_at", "last_used_at", "last_used_from"),
            *("expires_at", "refresh_until", "revoked_at", "revoked_reason", "current"),
        )
        extra_kwargs = {name: {"help_text": _HELP[name]} for name in fields if name in _HELP}

    def get_current(self, token: SessionToken) -> bool:
        claims = self.context["request"].auth
        return isinstance(claims, Claims) and claims.jti == str(token.pk)


class IssuedOut(serializers.Serializer[Issued]):
    """A new session token."""

    token = serializers.CharField(
        source="text", help_text="Text of the token, to send as X-User-Token. It is shown only once."
    )
    id = serializers.UUIDField(source="token.id", help_text=_HELP["id"])
    label = serializers.CharField(  # type: ignore[assignment]  # hides a Field's own label, which is not used
        source="token.label", help_text=_HELP["label"]
    )
    session_id = serializers.CharField(source="token.session_id", help_text=_HELP["session_id"])
    permissions = serializers.ListField(
        source="token.permissions", child=serializers.ChoiceField(PERMISSIONS), help_text=_HELP["permissions"]
    )
    created_at = serializers.DateTimeField(source="token.created_at", help_text=_HELP["created_at"])
    expires_at = serializers.DateTimeField(source="token.expires_at", help_text=_HELP["expires_at"])
    refresh_until = serializers.DateTimeField(
        source="token.refresh_until", allow_null=True, help_text=_HELP["refresh_until"]
    )


class ClaimsOut(serializers.Serializer[Claims]):
    """The claims of a token."""

    iss = serializers.SerializerMethodField(help_text="ID of the installation that issued the token.")
    jti = serializers.UUIDField(help_text=_HELP["id"])
    iat = serializers.SerializerMethodField(help_text="Time when the token was issued, in seconds since 1970 (UTC).")
    exp = serializers.SerializerMethodField(help_text="Time when the token expires, in seconds since 1970 (UTC).")
    user_id = serializers.UUIDField(help_text="ID of the user.")
    session_id = serializers.CharField(help_text=_HELP["session_id"])
    pod_name = serializers.CharField(help_text=_HELP["pod_name"])
    created_at = serializers.DateTimeField(format=_UTC, help_text=_HELP["created_at"])
    expires_at = serializers.DateTimeField(format=_UTC, help_text=_HELP["expires_at"])
    permissions = serializers.SerializerMethodField(help_text=_HELP["permissions"])
    resource_quota = serializers.DictField(
        child=serializers.CharField(), help_text="Quota of the user at that time, or size of the desktop."
    )

    def get_iss(self, claims: Claims) -> str:
        return str(settings.INSTALLATION_ID)

    def get_iat(self, claims: Claims) -> int:
        return int(claims.created_at.timestamp())

    def get_exp(self, claims: Claims) -> int:
        return int(claims.expires_at.timestamp())

    def get_permissions(self, claims: Claims) -> list[str]:
        return [name for name in PERMISSIONS if name in claims.permissions]


class RevokedOut(serializers.Serializer[Any]):
    """Confirmation that a token was revoked."""

    status = serializers.ChoiceField(["revoked"], help_text='Always "revoked".')
    id = serializers.UUIDField(help_text=_HELP["id"])


class RevokedAllOut(serializers.Serializer[Any]):
    """Confirmation that all tokens were revoked."""

    status = serializers.ChoiceField(["revoked"], help_text='Always "revoked".')
    count = serializers.IntegerField(help_text="Number of revoked tokens.")


def wanted(asked: dict[str, Any]) -> TokenRequest:
    """Return the requested properties. `asked`: the data of a valid TokenForm."""
    permissions = asked.get("permissions")
    lifetime = asked.get("lifetime")
    return TokenRequest(
        label=asked.get("label") or _("API token"),
        permissions=tuple(name for name in PERMISSIONS if name in permissions) if permissions else None,
        lifetime=timedelta(seconds=lifetime) if lifetime else None,
    )
