"""The portal's application on a machine whose port 22 is somebody else's."""

import os  # noqa: I001 - portal.asgi sets Django up, and so comes first

from portal.asgi import application  # noqa: F401 - what the server runs
from desktops.proxy import access

access.SSH_PORT = int(os.environ["SSH_HERE"])
