"""Connect browsers to desktops: check access, log in to the VNC server for the user, and relay the bytes."""
