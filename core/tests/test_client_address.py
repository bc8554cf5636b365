"""A client cannot forge its address with X-Forwarded-For."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import client_address

pytestmark = pytest.mark.once

PEER = "10.0.0.9"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "", PEER),
        (0, "1.2.3.4", PEER),
        (1, "", PEER),
        (1, "1.2.3.4", "1.2.3.4"),
        (1, "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (2, "6.6.6.6, 1.2.3.4, 10.0.0.8", "1.2.3.4"),
        (2, "1.2.3.4", "1.2.3.4"),
        (3, "1.2.3.4, 10.0.0.7", "1.2.3.4"),
        (1, "6.6.6.6, garbage", PEER),
        (1, "6.6.6.6,", PEER),
        (1, "1.2.3.4:5678", "1.2.3.4"),
        (1, "2001:DB8::1", "2001:db8::1"),
        (1, "[2001:db8::1]:443", "2001:db8::1"),
        (1, '"[2001:db8::1]"', "2001:db8::1"),
        (1, "::ffff:1.2.3.4", "1.2.3.4"),
        (1, "fe80::1%eth0", "fe80::1"),
        (1, "1.2.3.4\0", PEER),
        (1, "01.02.03.04", PEER),
        (1, "A" * 100_000, PEER),
    ],
)
def test_address(settings, rf, proxies, forwarded, address):
    settings.TRUSTED_PROXY_COUNT = proxies
    assert client_address.address(rf.get("/", REMOTE_ADDR=PEER, headers={"X-Forwarded-For": forwarded})) == address


def test_server_on_a_unix_socket(rf):
    request = rf.get("/")
    del request.META["REMOTE_ADDR"]
    assert client_address.address(request) == ""


@given(st.text(max_size=60), st.text(max_size=60))
def test_an_address_or_nothing_whatever_is_sent(peer, forwarded):
    found = client_address.address_of(peer, forwarded)
    assert found == "" or ip_address(found)
