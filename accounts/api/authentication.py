"""Authenticate requests by their session token."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication

from accounts import tokens
from accounts.api.messages import TOKEN_NEXT_STEPS, TOKEN_SENTENCES
from accounts.models import User
from core import client_address
from core.request_token import token_from


class TokenNotAccepted(AuthenticationFailed):
    """A 401 with a reason of TokenRefused as its slug."""

    def __init__(self, reason: str) -> None:
        super().__init__(TOKEN_SENTENCES[reason], code=reason)
        self.next_step = TOKEN_NEXT_STEPS.get(reason, "")


class SessionTokenAuthentication(JWTAuthentication):
    """Sets `request.auth` to the token's Claims and `request.user` to its user.

    Verifying a token needs only Redis; the user is loaded from the database on first use.
    """

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        text = token_from(request.headers)
        if not text:
            return None
        claims = self._claims(text, request)
        return SimpleLazyObject(lambda: _user(claims)), claims

    def _claims(self, text: str, request: HttpRequest | Request) -> tokens.Claims:
        try:
            return tokens.verify(text, used_from=client_address.address(request))
        except tokens.TokenRefused as refused:
            raise TokenNotAccepted(refused.reason)


def _user(claims: tokens.Claims) -> User:
    """Return the token's user. Raises TokenNotAccepted if the account was disabled or deleted just now."""
    user = User.objects.filter(pk=claims.user_id).first()
    if user is None or not user.is_active:
        raise TokenNotAccepted("disabled" if user else "revoked")
    return user
