"""Notify long requests that the server is stopping, so that they end with an answer."""

import asyncio
from weakref import WeakSet

_begun = asyncio.Event()
_waiting: WeakSet[asyncio.Event] = WeakSet()


def begin() -> None:
    """Called once, in the event loop of the server."""
    _begun.set()
    for woken in list(_waiting):
        woken.set()


def has_begun() -> bool:
    return _begun.is_set()


def wakes(woken: asyncio.Event) -> None:
    """Set this event, too, when the server stops."""
    _waiting.add(woken)
    if has_begun():
        woken.set()
