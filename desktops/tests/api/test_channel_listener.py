"""A listener for changes leaves no subscription in Redis, and does not delay an answer when Redis hangs."""

import asyncio
import time

import pytest
from channels.layers import get_channel_layer

from core.redis import client
from desktops.api import channel_listener, wait
from desktops.models import Status
from tests.support.running_podesk import wait_for


async def test_cancelled_at_any_moment_it_leaves_nothing_behind():
    before = set(client().pubsub_channels("podesk*"))
    for hundredths in range(60):
        listening = asyncio.create_task(channel_listener.listen("user-x", asyncio.Event()))
        await asyncio.sleep(hundredths / 10_000)
        listening.cancel()
        await asyncio.wait({listening})
    await asyncio.to_thread(wait_for, lambda: set(client().pubsub_channels("podesk*")) <= before)


async def test_it_hears():
    woken = asyncio.Event()
    listening = asyncio.create_task(channel_listener.listen("user-x", woken))
    await asyncio.wait_for(woken.wait(), 5)  # for messages sent before it listened
    woken.clear()
    await get_channel_layer().group_send("user-x", {"type": "desktop.changed"})
    await asyncio.wait_for(woken.wait(), 5)
    listening.cancel()


@pytest.mark.django_db(transaction=True)
def test_a_redis_that_hangs_lengthens_no_wait(make_desktop, alice, redis_hangs):
    desktop = make_desktop(alice, status=Status.STARTING)
    with redis_hangs():
        began = time.monotonic()
        assert wait.until_final(desktop, 1) == desktop
        assert time.monotonic() - began < 4
