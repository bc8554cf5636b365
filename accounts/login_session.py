"""The id of one browser login: it links tokens and streams to the login without exposing the session key."""

from django.contrib import auth
from django.http import HttpRequest

from accounts import tokens

_NAME = "login_id"


def session_id(request: HttpRequest) -> str:
    """Return the login's id. It stays the same until logout, even when the session key is cycled."""
    if _NAME not in request.session:
        request.session[_NAME] = tokens.fresh_session_id()
    return str(request.session[_NAME])


def holds(request: HttpRequest) -> bool:
    """Whether this login is still valid in the database; it may have ended since the request arrived."""
    key = request.session.session_key
    return bool(key and request.session.exists(key) and auth.get_user(request).is_authenticated)
