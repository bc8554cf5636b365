"""When Redis accepts connections and does not answer, a request waits for it once and is then answered without it."""

import time

import pytest

from core.redis import client
from desktops.models import Desktop
from desktops.tests.conftest import wait_until_answered
from tests.support import environment

pytestmark = pytest.mark.once


@pytest.fixture
def hanging():
    with environment.redis_hangs():
        yield
    wait_until_answered()


def seconds_of(ask) -> float:
    began = time.monotonic()
    assert ask().status_code < 300
    return time.monotonic() - began


def test_a_request_waits_once_and_the_next_not_at_all(api_for, make_desktop, alice, hanging):
    api, path = api_for(alice), f"/api/v1/pods/{make_desktop(alice).object_name}"
    assert seconds_of(lambda: api.get(path)) < 3
    client().connection_pool.disconnect()
    assert seconds_of(lambda: api.get(path)) < 1


@pytest.mark.django_db(transaction=True)
def test_a_launch_too(api_for, alice, hanging):
    api = api_for(alice)
    assert seconds_of(lambda: api.post("/api/v1/pods/create", {}, "application/json")) < 4
    assert Desktop.objects.exists()


def test_it_is_asked_again(api_for, alice):
    with environment.redis_hangs():
        assert api_for(alice).get("/api/v1/quota").status_code == 200
    wait_until_answered()
    assert "RateLimit" in api_for(alice).get("/api/v1/quota")
