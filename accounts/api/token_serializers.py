"""Requests and responses of the session token endpoints."""

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


class WrongPassword(Refusal):
    """The answer is the same for unknown names and for disabled accounts."""

    slug, status_code = "wrong_password", 401
    message = gettext_lazy("The username or password is incorrect.")
    next_step = gettext_lazy("Check both and try again. After several failures you have to wait.")


class LockedOut(Refusal):
    slug, status_code = "locked_out", 429
    message = gettext_lazy("Too many wrong passwords.")
    next_step = gettext_lazy("Wait for the seconds in Retry-After. An administrator can unlock the account earlier.")

    def __init__(self, *, wait: int) -> None:
        super().__init__()
        self.retry_after = wait


_PERMISSION = {"type": "string", "enum": list(PERMISSIONS)}


@extend_schema_field({"type": "array", "items": _PERMISSION, "minItems": 1})
class Permissions(serializers.ListField):
    """A token's permissions; drf-spectacular ignores allow_empty."""

    child = serializers.ChoiceField(PERMISSIONS)


@extend_schema_field({"type": "integer", "minimum": SHORTEST, "maximum": settings.TOKEN_LIFETIME_MAX})
class Seconds(Whole):
    """A lifetime."""


class TokenForm(StrictSerializer):
    """The properties of a new token."""

    label = Text(  # type: ignore[assignment]  # hides a Field's own label, which is not used
        max_length=100, required=False, allow_blank=True, help_text="A name for your token. Default: API token."
    )
    permissions = Permissions(
        allow_empty=False,
        required=False,
        help_text="Default: all permissions of the token that you send, or all that you have.",
    )
    lifetime = Seconds(
        min_value=SHORTEST, required=False, help_text="Seconds. The installation sets the default and the maximum."
    )

    def validate_lifetime(self, seconds: int) -> int:
        if seconds > settings.TOKEN_LIFETIME_MAX:
            raise serializers.ValidationError(_("At most %(most)s seconds.") % {"most": settings.TOKEN_LIFETIME_MAX})
        return seconds


class ObtainForm(TokenForm, TokenObtainSerializer):
    """A request with username and password. If it is valid, `user` is the authenticated user."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # simplejwt's own field strips spaces, but a password may begin or end with spaces.
        self.fields["username"] = Username(max_length=User._meta.get_field("username").max_length)
        self.fields["password"] = serializers.CharField(
            max_length=_PASSWORD_LONGEST, trim_whitespace=False, write_only=True, style={"input_type": "password"}
        )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Raises WrongPassword, LockedOut."""
        request = self.context["request"]
        try:
            super().validate(attrs)
        except AuthenticationFailed:
            lockout.record_failure(request, attrs["username"], locked=False)
            # Axes marks the request object that it gets. That is DRF's, so axes' middleware does not return a page.
            if request.axes_locked_out:
                lockout.record_failure(request, attrs["username"], locked=True)
                wait = lockout.seconds_left(attrs["username"], lockout.counted_address(request))
                raise LockedOut(wait=wait)
            raise WrongPassword
        user_logged_in.send(User, request=request, user=self.user)  # makes axes forget the failures
        return attrs | {"user": self.user}


class VerifyForm(StrictSerializer):
    # Not trimmed, so that every text that the schema allows is accepted as input.
    token = serializers.CharField(
        trim_whitespace=False, help_text="The token to verify; it may differ from the one in the header."
    )

    def validate_token(self, text: str) -> str:
        return text.strip() or text


_ORDERS = ("created_at", "expires_at", "label")


class TokenQuery(PageQuery):
    active = serializers.BooleanField(required=False, help_text="true: valid tokens. false: revoked or expired tokens.")
    ordering = serializers.ChoiceField([*(f"-{name}" for name in _ORDERS), *_ORDERS], default="-created_at")


class TokenOut(serializers.ModelSerializer[SessionToken]):
    permissions = serializers.ListField(child=serializers.ChoiceField(PERMISSIONS))
    current = serializers.SerializerMethodField(help_text="Whether it is the token that you sent.")

    class Meta:
        model = SessionToken
        fields = (
            *("id", "label", "permissions", "pod_name", "session_id", "created_at", "last_used_at", "last_used_from"),
            *("expires_at", "refresh_until", "revoked_at", "revoked_reason", "current"),
        )

    def get_current(self, token: SessionToken) -> bool:
        claims = self.context["request"].auth
        return isinstance(claims, Claims) and claims.jti == str(token.pk)


class IssuedOut(serializers.Serializer[Issued]):
    token = serializers.CharField(source="text", help_text="Send it as X-User-Token. It is shown only once.")
    id = serializers.UUIDField(source="token.id")
    label = serializers.CharField(source="token.label")  # type: ignore[assignment]  # as above
    session_id = serializers.CharField(source="token.session_id")
    permissions = serializers.ListField(source="token.permissions", child=serializers.ChoiceField(PERMISSIONS))
    created_at = serializers.DateTimeField(source="token.created_at")
    expires_at = serializers.DateTimeField(source="token.expires_at")
    refresh_until = serializers.DateTimeField(
        source="token.refresh_until", allow_null=True, help_text="null: the token cannot be refreshed."
    )


class ClaimsOut(serializers.Serializer[Claims]):
    """The token's claims, as they are in the token."""

    iss = serializers.SerializerMethodField()
    jti = serializers.UUIDField()
    iat = serializers.SerializerMethodField()
    exp = serializers.SerializerMethodField()
    user_id = serializers.UUIDField()
    session_id = serializers.CharField()
    pod_name = serializers.CharField(help_text="Empty: all desktops of the user.")
    created_at = serializers.DateTimeField(format="%Y-%m-%dT%H:%M:%SZ")
    expires_at = serializers.DateTimeField(format="%Y-%m-%dT%H:%M:%SZ")
    permissions = serializers.SerializerMethodField()
    resource_quota = serializers.DictField(child=serializers.CharField())

    def get_iss(self, claims: Claims) -> str:
        return str(settings.INSTALLATION_ID)

    def get_iat(self, claims: Claims) -> int:
        return int(claims.created_at.timestamp())

    def get_exp(self, claims: Claims) -> int:
        return int(claims.expires_at.timestamp())

    def get_permissions(self, claims: Claims) -> list[str]:
        return [name for name in PERMISSIONS if name in claims.permissions]


class RevokedOut(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["revoked"])
    id = serializers.UUIDField()


class RevokedAllOut(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["revoked"])
    count = serializers.IntegerField()


def wanted(asked: dict[str, Any]) -> TokenRequest:
    """Return the requested properties. `asked` is the data of a valid TokenForm."""
    permissions = asked.get("permissions")
    lifetime = asked.get("lifetime")
    return TokenRequest(
        label=asked.get("label") or _("API token"),
        permissions=tuple(name for name in PERMISSIONS if name in permissions) if permissions else None,
        lifetime=timedelta(seconds=lifetime) if lifetime else None,
    )
