"""When Redis refuses writes, pages and API say so, and do not say that the controller is missing."""

import pytest

from desktops.lifecycle import heartbeat
from desktops.models import Desktop, Status
from tests.support.environment import redis_refuses_writes

REASONS = pytest.mark.parametrize(
    ("why", "said"), [("memory_full", "its memory is full"), ("save_failed", "to disk"), ("read_only", "read-only")]
)


@REASONS
def test_a_launch_is_kept_and_its_page_says_for_what_it_waits(client_for, alice, image, small, why, said):
    client = client_for(alice)
    with redis_refuses_writes(why):
        choice = {"name": "desktop", "image": image.pk, f"size-{image.pk}": small.pk}
        page = client.post("/desktops/launch/", choice, follow=True).content.decode()
    assert Desktop.objects.get().status == Status.PENDING
    assert "Redis answers but refuses writes" in page
    assert said in page
    assert "controller" not in page


@REASONS
def test_the_launch_page_says_it_beforehand(client_for, alice, why, said):
    client = client_for(alice)
    with redis_refuses_writes(why):
        page = client.get("/").content.decode()
    assert "refuses writes" in page and said in page
    assert "refuses writes" not in client.get("/").content.decode()


def test_so_does_the_list_of_desktops(client_for, alice, make_desktop):
    for name in ("one", "two"):
        make_desktop(alice, name=name)
    with redis_refuses_writes("memory_full"):
        assert "its memory is full" in client_for(alice).get("/").content.decode()


@REASONS
def test_the_api_says_it(api_for, alice, make_desktop, why, said):
    desktop = make_desktop(alice, status=Status.STARTING)
    with redis_refuses_writes(why):
        response = api_for(alice).get(f"/api/v1/pods/{desktop.object_name}")
    assert response.status_code == 200
    assert said in response.json()["sentence"]


def test_redis_that_is_gone_is_not_a_missing_controller(client_for, alice, make_desktop, redis_unavailable):
    desktop, client = make_desktop(alice, status=Status.STARTING), client_for(alice)
    with redis_unavailable():
        page = client.get(f"/desktops/{desktop.pk}/").content.decode()
    assert "Redis is unavailable: it does not answer." in page
    assert "controller" not in page


def test_nor_is_one_that_has_just_come_back_empty(client_for, alice, make_desktop, redis_unavailable):
    heartbeat.record_controller_beat()
    desktop, client = make_desktop(alice, status=Status.STARTING), client_for(alice)
    with redis_unavailable():
        pass
    page = client.get(f"/desktops/{desktop.pk}/").content.decode()
    assert "controller" not in page
    assert "No worker" not in page
