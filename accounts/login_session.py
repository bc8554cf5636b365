"""The id of one browser login: it ties tokens and streams to the login without giving away the session key."""

import secrets

from django.http import HttpRequest

_NAME = "login_id"


def session_id(request: HttpRequest) -> str:
    """The same until logging out, also when the session key is cycled. Made at login."""
    if _NAME not in request.session:
        request.session[_NAME] = f"sess_{secrets.token_urlsafe(18)}"
    return str(request.session[_NAME])
