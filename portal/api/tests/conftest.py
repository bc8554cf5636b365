import pytest
from django.test import Client

from portal.api.tests.ground import token


@pytest.fixture
def api(settings, alice):
    """A client with alice's token, on the tiny API of ground.py."""
    settings.ROOT_URLCONF = "portal.api.tests.ground"
    return Client(raise_request_exception=False, headers={"X-User-Token": token(alice)})


@pytest.fixture
def open_api(settings, db):
    settings.ROOT_URLCONF = "portal.api.tests.ground"
    return Client(raise_request_exception=False)
