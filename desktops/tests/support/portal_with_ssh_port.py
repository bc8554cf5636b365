"""The portal's server on a machine whose port 22 is somebody else's."""

import os

import portal.asgi  # noqa: F401
from desktops.proxy import access
from portal.server import main

access.SSH_PORT = int(os.environ["SSH_HERE"])

if __name__ == "__main__":
    main()
