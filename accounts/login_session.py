"""The id of one browser login: it ties tokens and streams to the login without giving away the session key."""

from django.contrib import auth
from django.http import HttpRequest

from accounts import tokens

_NAME = "login_id"


def session_id(request: HttpRequest) -> str:
    """The same until logging out, also when the session key is cycled. Made at login."""
    if _NAME not in request.session:
        request.session[_NAME] = tokens.fresh_session_id()
    return str(request.session[_NAME])


def holds(request: HttpRequest) -> bool:
    """Asks the database whether this login still stands: it may have ended since the request came in."""
    key = request.session.session_key
    return bool(key and request.session.exists(key) and auth.get_user(request).is_authenticated)
