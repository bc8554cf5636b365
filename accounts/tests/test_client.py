"""The actor of a request, as the audit trail records it."""

from accounts import client
from accounts.audit import Actor


def test_actor(rf, alice):
    request = rf.get("/", REMOTE_ADDR="10.0.0.9")
    request.user = alice
    assert client.actor(request) == Actor(alice, "10.0.0.9")
