"""Obtain, refresh, verify, list, issue and revoke session tokens."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import token_services, tokens
from accounts.api import examples
from accounts.api.endpoint import Endpoint
from accounts.api.messages import TOKEN_NEXT_STEPS, TOKEN_SENTENCES
from accounts.api.token_serializers import (
    ClaimsOut,
    IssuedOut,
    ObtainForm,
    RevokedAllOut,
    RevokedOut,
    TokenForm,
    TokenOut,
    TokenQuery,
    VerifyForm,
    wanted,
)
from accounts.audit import Actor
from accounts.token_services import Issued
from core import client_address
from core.api.endpoint import OpenEndpoint
from core.api.operations import Operation, page_example
from core.api.serializers import EmptySerializer
from core.errors import Refusal


class TokenRefusal(Refusal):
    """Raised for an invalid token in the body, not in the header."""

    status_code = 401

    def __init__(self, refused: tokens.TokenRefused) -> None:
        self.slug = "malformed" if refused.reason == "unknown_key" else refused.reason
        next_step = TOKEN_NEXT_STEPS.get(refused.reason, "")
        super().__init__(TOKEN_SENTENCES[refused.reason], next_step=next_step, detail=str(refused), field="token")


class Obtain(OpenEndpoint):
    rates = {"POST": "login"}
    tag = "Tokens"
    operations = {
        "POST": Operation(
            "obtainToken",
            "Get a token with your password",
            sent=examples.OBTAIN,
            answered={201: examples.ISSUED},
            refused=(401,),
        ),
    }

    @extend_schema(request=ObtainForm, responses={201: IssuedOut})
    def post(self, request: Request) -> Response:
        """Return a session token for your username and password. This request needs no token."""
        self.query(EmptySerializer)
        asked = self.body(ObtainForm)
        by = Actor(asked["user"], client_address.address(request) or None)
        return _shown_once(token_services.issue_for_login(by=by, wanted=wanted(asked)))


class Refresh(Endpoint):
    tag = "Tokens"
    operations = {
        "POST": Operation("refreshToken", "Refresh your token", answered={201: examples.ISSUED}),
    }

    @extend_schema(request=EmptySerializer, responses={201: IssuedOut})
    def post(self, request: Request) -> Response:
        """Replace the token that you send with one that expires later. The old token is revoked."""
        self.query(EmptySerializer)
        self.body(EmptySerializer)
        return _shown_once(token_services.refresh(by=self.actor, claims=self.claims))


class Verify(OpenEndpoint):
    rates = {"POST": "read"}  # verifying tokens must not use up the login attempts of the address
    tag = "Tokens"
    operations = {
        "POST": Operation(
            "verifyToken",
            "Verify a token",
            sent={"token": examples.TOKEN},
            answered={200: examples.CLAIMS},
            refused=(401,),
        ),
    }

    @extend_schema(request=VerifyForm, responses=ClaimsOut)
    def post(self, request: Request) -> Response:
        """Return the claims of a token if it is valid. This request needs no token in the header."""
        self.query(EmptySerializer)
        try:
            claims = tokens.verify(self.body(VerifyForm)["token"])  # without an address, since this is not a use
        except tokens.TokenRefused as refused:
            raise TokenRefusal(refused)
        return Response(ClaimsOut(claims).data)


class Tokens(Endpoint):
    tag = "Tokens"
    operations = {
        "GET": Operation("listTokens", "List your tokens", answered={200: page_example(examples.KEPT)}),
        "POST": Operation("issueToken", "Issue another token", sent=examples.ISSUE, answered={201: examples.NARROWER}),
    }

    @extend_schema(parameters=[TokenQuery], responses=TokenOut(many=True))
    def get(self, request: Request) -> Response:
        """Return your tokens, by default newest first. Tokens of the portal's own pages are not included."""
        asked = self.query(TokenQuery)
        mine = token_services.kept_by(self.claims.user_id).order_by(asked["ordering"], "-id")
        live = token_services.live(mine)
        shown = {None: mine, True: live, False: mine.exclude(pk__in=live.order_by().values("pk"))}
        return self.paged(shown[asked.get("active")], asked, TokenOut)

    @extend_schema(request=TokenForm, responses={201: IssuedOut})
    def post(self, request: Request) -> Response:
        """Issue a token whose permissions and lifetime do not exceed those of the token that you send."""
        self.query(EmptySerializer)
        asked = wanted(self.body(TokenForm))
        return _shown_once(token_services.issue_from_token(by=self.actor, claims=self.claims, wanted=asked))


class OneToken(Endpoint):
    tag = "Tokens"
    operations = {
        "DELETE": Operation("revokeToken", "Revoke a token", answered={200: examples.REVOKED}),
    }

    @extend_schema(request=None, responses={200: RevokedOut})
    def delete(self, request: Request, token_id: UUID) -> Response:
        """Revoke one of your tokens and close the connections that it opened."""
        self.query(EmptySerializer)
        self.body(EmptySerializer)
        token = get_object_or_404(token_services.kept_by(self.claims.user_id), pk=token_id)
        token_services.revoke(by=self.actor, token=token)
        return Response({"status": "revoked", "id": str(token.pk)})


class RevokeAll(Endpoint):
    tag = "Tokens"
    operations = {
        "POST": Operation(
            "revokeAllTokens", "Revoke all your tokens", answered={200: {"status": "revoked", "count": 3}}
        ),
    }

    @extend_schema(request=EmptySerializer, responses=RevokedAllOut)
    def post(self, request: Request) -> Response:
        """Revoke all your tokens, including the one that you send. Tokens of the portal's own pages stay valid."""
        self.query(EmptySerializer)
        self.body(EmptySerializer)
        return Response({"status": "revoked", "count": token_services.revoke_all(by=self.actor)})


def _shown_once(issued: Issued) -> Response:
    return Response(IssuedOut(issued).data, status=status.HTTP_201_CREATED)
