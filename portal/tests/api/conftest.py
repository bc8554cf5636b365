import pytest
from django.test import Client

from portal.tests.support.tiny_api import token


@pytest.fixture
def api(settings, alice):
    """A client with alice's token, on the tiny API of ground.py."""
    settings.ROOT_URLCONF = "portal.tests.support.tiny_api"
    return Client(raise_request_exception=False, headers={"X-User-Token": token(alice)})


@pytest.fixture
def open_api(settings, db):
    settings.ROOT_URLCONF = "portal.tests.support.tiny_api"
    return Client(raise_request_exception=False)
