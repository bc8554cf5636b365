"""Tests of GET quota: the limits of a user, and how much of them is in use."""

import pytest

from accounts.models import Quota
from desktops.models import Status

QUOTA = "/api/v1/quota"


def lines(api) -> dict[str, dict]:
    return {line["key"]: line for line in api.get(QUOTA).json()["results"]}


def test_limits_with_use_and_source(api_for, alice, bob, make_desktop):
    Quota.objects.create(user=alice, cpu="6.5")
    running = make_desktop(alice, status=Status.RUNNING)
    make_desktop(alice, name="stopped", cpu=4)
    make_desktop(bob, status=Status.RUNNING)
    found = lines(api_for(alice))
    assert found["cpu"] == {
        **{"key": "cpu", "label": "CPU", "unit": "cores", "source": "user"},
        **{"limit": 6.5, "used": float(running.cpu)},
    }
    assert found["desktops"]["used"] == 2
    assert found["memory_mib"]["source"] == "default"
    assert "gpu" not in found  # no GPU is allowed


def test_the_source_is_told_in_the_readers_language(api_for, alice):
    api = api_for(alice)
    answer = api.get(QUOTA, headers={"Accept-Language": "zh-hans"}).json()
    assert not answer["results"][0]["source"].isascii()


def test_anonymous(client):
    assert client.get(QUOTA).status_code == 401


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_other_methods(api_for, alice, method):
    assert getattr(api_for(alice), method)(QUOTA).status_code == 405


def test_unknown_query(api_for, alice):
    answer = api_for(alice).get(QUOTA, {"user": "bob"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "user"


def test_a_token_for_one_desktop(api_for, alice, make_desktop):
    assert api_for(alice, pod_name=make_desktop(alice).object_name).get(QUOTA).status_code == 403
