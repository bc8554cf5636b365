"""Notify long requests that the server is stopping, so that they end with a response."""

import asyncio
from weakref import WeakSet

_begun = asyncio.Event()
_waiting: WeakSet[asyncio.Event] = WeakSet()


def begin() -> None:
    """Wake all waiting requests. The server calls this once, in its event loop."""
    _begun.set()
    for woken in list(_waiting):
        woken.set()


def has_begun() -> bool:
    return _begun.is_set()


def register(woken: asyncio.Event) -> None:
    """Set this event when the server stops, or now if it is stopping already."""
    _waiting.add(woken)
    if has_begun():
        woken.set()
