"""A proxy counts streams, their bytes and their ends, and how long a disconnect takes."""

import json
from collections.abc import Callable

import pytest
from django.db import transaction
from websockets.exceptions import InvalidStatus

from accounts import disconnects, revocation
from accounts.disconnects import Disconnect
from core.redis import client
from desktops.tests.proxy.conftest import REQUEST, dial, ended, routes, view
from desktops.tests.support.portal_server import running
from tests.support.metrics import ours, scrape
from tests.support.running_podesk import free_port

PORT = free_port()
Ask = Callable[..., float]


@pytest.fixture(scope="module")
def measured(folder, django_db_setup):
    with running(folder, METRICS_PORT=str(PORT)) as server:
        yield server


@pytest.fixture
def now() -> Ask:
    """Return a function that asks the proxy for the value of a sample with these labels, 0 if there is none."""

    def ask(name: str, **labels: str) -> float:
        samples = [each for metric in ours(scrape(PORT)).values() for each in metric.samples]
        return next((each.value for each in samples if each.name == name and each.labels == labels), 0.0)

    return ask


def test_open_streams_and_their_bytes_while_they_are_open(measured, desktop, now, wait_for):
    before = now("podesk_stream_bytes_total", kind="vnc", direction="to_desktop")
    with view(measured, desktop) as browser:
        assert now("podesk_streams", kind="vnc") == 1
        for _ in range(100):
            browser.send(REQUEST)
        wait_for(
            lambda: now("podesk_stream_bytes_total", kind="vnc", direction="to_desktop") == before + 100 * len(REQUEST)
        )
    wait_for(lambda: now("podesk_streams", kind="vnc") == 0)


def test_bytes_of_a_short_stream_are_not_lost(measured, desktop, now, wait_for):
    before = now("podesk_stream_bytes_total", kind="vnc", direction="to_desktop")
    ends = now("podesk_stream_ends_total", kind="vnc", reason="left")
    with view(measured, desktop) as browser:
        browser.send(REQUEST)
        browser.ping().wait(timeout=2)
    wait_for(lambda: now("podesk_stream_ends_total", kind="vnc", reason="left") == ends + 1)
    assert now("podesk_stream_bytes_total", kind="vnc", direction="to_desktop") == before + len(REQUEST)


def test_first_picture_is_measured_once_for_each_screen(
    measured, running_desktop, make_vnc_server, alice, now, wait_for
):
    desktop = running_desktop(alice, make_vnc_server(then="echo").path)
    name = "podesk_stream_first_picture_seconds"
    count, seconds = now(f"{name}_count"), now(f"{name}_sum")
    with view(measured, desktop) as browser:
        assert now(f"{name}_count") == count  # nothing was asked for
        for _ in range(2):
            browser.send(REQUEST)
            browser.recv(timeout=2)
    wait_for(lambda: now("podesk_streams", kind="vnc") == 0)
    assert now(f"{name}_count") == count + 1
    assert 0 < now(f"{name}_sum") - seconds < 5


def test_a_disconnect_is_measured_until_the_stream_is_closed(measured, desktop, now, wait_for):
    name = "podesk_stream_disconnect_seconds"
    count, seconds = now(f"{name}_count"), now(f"{name}_sum")
    with view(measured, desktop) as browser:
        revocation.revoke_session("sess_1", reason="logged_out")
        assert ended(browser, within=2) == "logged_out"
    wait_for(lambda: now(f"{name}_count") == count + 1)
    assert 0 < now(f"{name}_sum") - seconds < 2
    assert now("podesk_stream_ends_total", kind="vnc", reason="logged_out") >= 1


def test_refused_streams_by_reason(measured, desktop, now):
    before = now("podesk_streams_refused_total", reason="malformed")
    with pytest.raises(InvalidStatus), dial(measured, routes(desktop)[0], "nonsense"):
        pass
    assert now("podesk_streams_refused_total", reason="malformed") == before + 1


def test_reason_from_outside_makes_no_series_of_its_own(measured, desktop, now, wait_for):
    before = now("podesk_stream_ends_total", kind="vnc", reason="revoked")
    with view(measured, desktop) as browser:
        message = {"scope": "desktop", "id": str(desktop.pk), "reason": "invented"}
        client().publish(disconnects.channel(), json.dumps(message))
        assert ended(browser, within=2) == "revoked"
    wait_for(lambda: now("podesk_stream_ends_total", kind="vnc", reason="revoked") == before + 1)


def test_proxies_of_version_1_0_still_understand_a_disconnect(transactional_db):
    """During an update they run beside ours. They accept exactly these fields, on this channel."""
    listener = client().pubsub(ignore_subscribe_messages=True)
    listener.subscribe("podesk:test:cuts")
    listener.get_message(timeout=1)
    with transaction.atomic():
        disconnects.disconnect_after_commit(Disconnect("user", "7", "disabled"))
    message = json.loads(listener.get_message(timeout=2)["data"])
    listener.close()
    assert message == {"scope": "user", "id": "7", "reason": "disabled", "spare": ""}
