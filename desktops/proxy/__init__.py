"""Browser <-> desktop: who may connect, the desktop's VNC login on the user's behalf, and the relay."""
