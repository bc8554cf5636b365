"""Tests of GET images: what can be launched, and what the quota allows."""

import pytest

from accounts.models import Quota
from desktops.models import DesktopImage, DesktopSize, Status

IMAGES = "/api/v1/images"


def test_enabled_images_with_sizes_as_pods_create_takes_them(api_for, alice, image, small):
    DesktopImage.objects.create(name="Old", enabled=False)
    DesktopSize.objects.create(name="Odd", cpu="0.5", memory_mib=1536, storage_gib=7).desktopimage_set.add(image)
    body = api_for(alice).get(IMAGES).json()
    assert [each["name"] for each in body["results"]] == [image.name]
    sizes = {size["name"]: size for size in body["results"][0]["sizes"]}
    assert sizes["Odd"]["resource_quota"] == {"cpu": "0.5", "memory": "1536Mi", "storage": "7Gi"}
    assert sizes["Odd"]["fits"] is True
    assert (body["can_launch"], body["why_not"]) == (True, "")


def test_what_does_not_fit_says_why(api_for, alice, make_desktop):
    make_desktop(alice, status=Status.RUNNING, cpu=Quota.objects.get().cpu)
    body = api_for(alice).get(IMAGES).json()
    assert body["can_launch"] is False
    size = body["results"][0]["sizes"][0]
    assert (size["fits"], size["why_not"]) == (False, body["why_not"])
    assert "CPU" in size["why_not"]


def test_number_of_queries_is_constant(api_for, alice, image, django_assert_max_num_queries):
    api = api_for(alice)
    for number in range(20):
        DesktopImage.objects.create(name=f"image {number}").sizes.set(DesktopSize.objects.all())
    with django_assert_max_num_queries(10):
        assert len(api.get(IMAGES).json()["results"]) == 21


def test_anonymous(client):
    assert client.get(IMAGES).status_code == 401


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_other_methods(api_for, alice, method):
    assert getattr(api_for(alice), method)(IMAGES).status_code == 405


def test_unknown_query(api_for, alice):
    answer = api_for(alice).get(IMAGES, {"size": "Small"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "size"


def test_a_token_for_one_desktop(api_for, alice, make_desktop):
    api = api_for(alice, pod_name=make_desktop(alice).object_name)
    assert api.get(IMAGES).status_code == 403
