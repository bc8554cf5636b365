"""Check what a token permits. Selectors check ownership: for other users' desktops, the answer is 404."""

from typing import Any, ClassVar, Protocol

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.api.messages import BOUND, NOT_ADMINISTRATOR, NOT_PERMITTED
from accounts.tokens import Claims
from core.api.methods import read_as


class Guarded(Protocol):
    """The attributes of a view that permissions read. accounts.api.endpoint.Endpoint defines them."""

    needs: ClassVar[dict[str, tuple[str, ...]]]
    administers: ClassVar[dict[str, str]]
    opens_to_bound: bool


class TokenMay(BasePermission):
    """Checks what an Endpoint declares: `needs` (permissions of the token), `opens_to_bound`, `administers`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        claims = request.auth
        if not isinstance(claims, Claims):
            return False  # 401
        _refuse_bound(claims, request, view)
        if set(view.needs.get(read_as(request.method), ())) - claims.permissions:
            raise PermissionDenied(NOT_PERMITTED, code="not_permitted")
        _refuse_others(request, view)
        return True


def _refuse_bound(claims: Claims, request: Request, view: Guarded) -> None:
    """Restrict a token for one desktop to reading. The view checks that it is the right desktop."""
    if claims.pod_name and not (view.opens_to_bound and request.method in SAFE_METHODS):
        raise PermissionDenied(BOUND, code="token_bound")


def _refuse_others(request: Request, view: Guarded) -> None:
    right = view.administers.get(read_as(request.method))
    if right and not (request.user.is_staff and request.user.has_perm(right)):
        raise PermissionDenied(NOT_ADMINISTRATOR, code="not_administrator")
