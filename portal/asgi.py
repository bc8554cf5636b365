"""Define the ASGI application, which routes pages, the status socket and the VNC relay by path."""

import os
from typing import Any

from django.core.asgi import get_asgi_application
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
pages = get_asgi_application()  # loads the models; what follows imports them

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from core.api.body_limits import bounded  # noqa: E402
from desktops.proxy.app import refuse_unknown_path  # noqa: E402
from desktops.urls import websocket_urlpatterns  # noqa: E402

nowhere: Any = refuse_unknown_path
sockets = URLRouter([*websocket_urlpatterns, re_path("", nowhere)])
application = ProtocolTypeRouter({"http": bounded(pages), "websocket": sockets})
