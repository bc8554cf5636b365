"""A network of this process alone, so that Chromium sees no interface come or go."""

import ctypes
import os
import subprocess

_CLONE_NEWNET = 0x40000000  # linux/sched.h
# Chromium reports that it is offline if it has no address besides the loopback interface's.
_INTERFACES = """
link set lo up
link add podesk0 type veth peer name podesk1
address add 192.0.2.1/24 dev podesk0
link set podesk0 up
link set podesk1 up
"""


def enter_own_network() -> None:
    """Give this thread, and all processes that it starts, a network of their own without a way out. Needs root.

    Chromium drops its open requests with ERR_NETWORK_CHANGED when an interface appears or goes, as with each pod of a
    cluster on the same machine.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    subprocess.run(["ip", "-batch", "-"], input=_INTERFACES.lstrip(), text=True, check=True)
