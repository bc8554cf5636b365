"""Notify long requests that the server is stopping, so that they end with an answer."""

import asyncio
from weakref import WeakSet

_begun = asyncio.Event()
_waiting: WeakSet[asyncio.Event] = WeakSet()


def begin() -> None:
    """Wake all waiting requests. Called once, in the event loop of the server."""
    _begun.set()
    for woken in list(_waiting):
        woken.set()


def has_begun() -> bool:
    return _begun.is_set()


def wakes(woken: asyncio.Event) -> None:
    """Set this event as well when the server stops."""
    _waiting.add(woken)
    if has_begun():
        woken.set()
