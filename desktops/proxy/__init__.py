"""Browser <-> desktop: who may connect, the desktop's VNC login on the user's behalf, and the relay."""

from desktops.proxy.app import application

__all__ = ["application"]
