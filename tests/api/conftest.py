import pytest
from django.test import Client

from tests.support.tiny_api import token


@pytest.fixture
def api(settings, alice):
    """Return a client with alice's token, on the API of tests.support.tiny_api."""
    settings.ROOT_URLCONF = "tests.support.tiny_api"
    return Client(raise_request_exception=False, headers={"X-User-Token": token(alice)})


@pytest.fixture
def open_api(settings, db):
    settings.ROOT_URLCONF = "tests.support.tiny_api"
    return Client(raise_request_exception=False)
