"""The portal's server with another SSH port, for machines on which another program uses port 22."""

import os

import portal.asgi  # noqa: F401
from desktops.proxy import access
from portal.server import main

access.SSH_PORT = int(os.environ["SSH_HERE"])

if __name__ == "__main__":
    main()
