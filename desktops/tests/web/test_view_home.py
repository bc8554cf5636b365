"""Tests of `/`, the page "My Desktop"."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Quota
from desktops.models import Desktop, DesktopImage, DesktopSize, Status, Volume


def test_with_nothing_yet_offers_what_fits_and_shows_the_quota(client_for, alice):
    Quota.objects.create(user=alice, cpu=2, memory_mib=4096, storage_gib=10, desktops=1)
    page = client_for(alice).get("/").content.decode()
    assert "Launch Desktop" in page
    assert "0 of 2 cores" in page
    assert "0 of 4 GiB" in page
    assert "this needs 4 cores, and you use 0 of 2 cores" in page  # why "Large" cannot be chosen


def test_name_is_optional_with_one_desktop(client_for, alice):
    Quota.objects.create(user=alice, desktops=1)
    assert '<input type="hidden" name="name" value="desktop">' in client_for(alice).get("/").content.decode()


def test_name_is_required_with_several_desktops(client_for, alice):
    Quota.objects.create(user=alice, desktops=2)
    assert '<input id="name" name="name" value="desktop"' in client_for(alice).get("/").content.decode()


def test_without_room_says_why_and_disables_the_button(client_for, alice):
    Quota.objects.create(user=alice, cpu=0)
    page = client_for(alice).get("/").content.decode()
    assert "You cannot launch another desktop now." in page
    assert 'id="launch-button" disabled' in page


def test_without_any_image_says_so(client_for, alice):
    DesktopImage.objects.update(enabled=False)
    assert "No desktop images are available at present" in client_for(alice).get("/").content.decode()


def test_shows_only_sizes_of_each_image(client_for, alice):
    image = DesktopImage.objects.create(name="Statistics", image="stats:1", icon="nobody drew this")
    image.sizes.add(DesktopSize.objects.get(name="Small"))
    page = client_for(alice).get("/").content.decode()
    assert page.count(f'name="size-{image.pk}"') == 1
    assert "nobody drew this" not in page


def test_offers_kept_files(client_for, alice, bob, make_desktop):
    volume = make_desktop(alice).volume
    alice.desktops.all().delete()
    Volume.objects.update(kept_at="2026-01-01T00:00:00Z", desktop_name="thesis")
    assert f'<option value="{volume.pk}"' in client_for(alice).get("/").content.decode()
    assert "thesis" not in client_for(bob).get("/").content.decode()


def test_preselects_the_files_that_the_api_would_use(client_for, alice, bob, make_desktop):
    """These are the newest kept files of a desktop with the suggested name."""
    made = [
        (alice, "desktop", "2026-01-01"),
        (alice, "desktop", "2026-01-03"),
        (alice, "desktop", "2026-01-02"),
        (alice, "thesis", "2026-01-04"),
        (bob, "desktop", "2026-01-05"),
    ]
    volumes = [make_desktop(owner, name=f"{name}-{day}").volume for owner, name, day in made]
    Desktop.objects.all().delete()
    for volume, (_, name, day) in zip(volumes, made, strict=True):
        Volume.objects.filter(pk=volume.pk).update(desktop_name=name, kept_at=f"{day}T00:00:00Z")
    page = client_for(alice).get("/").content.decode()
    assert page.count(" selected>") == 1
    assert f'<option value="{volumes[1].pk}" selected>' in page
    refused = client_for(alice).post("/desktops/launch/", {"name": "desktop", "volume": ""}).content.decode()
    assert " selected>" not in refused  # the choice of an empty folder stays


def test_preselects_no_files_that_are_lost(client_for, alice, make_desktop):
    make_desktop(alice)
    Desktop.objects.all().delete()
    Volume.objects.update(desktop_name="desktop", kept_at="2026-01-01T00:00:00Z", lost_at="2026-01-02T00:00:00Z")
    assert " selected>" not in client_for(alice).get("/").content.decode()


@pytest.fixture
def held(alice, make_desktop) -> Volume:
    """Return a home folder whose deletion began six minutes ago."""
    volume = make_desktop(alice).volume
    Desktop.objects.all().delete()
    Volume.objects.update(desktop_name="thesis", deleting_since=timezone.now() - timedelta(minutes=6))
    return volume


def test_files_that_are_being_deleted_are_listed_but_offered_to_no_desktop(client_for, alice, bob, held, image):
    page = client_for(alice).get("/").content.decode()
    assert "Kept files" in page
    assert "<strong>thesis</strong>" in page
    assert '<span class="badge deleting">Deleting</span>' in page
    assert str(held.pk) not in page  # no choice for a launch, and no button
    choice = {"image": image.pk, f"size-{image.pk}": image.sizes.all()[0].pk, "name": "desktop", "volume": str(held.pk)}
    assert "no longer exist or are in use" in client_for(alice).post("/desktops/launch/", choice).content.decode()
    assert not Desktop.objects.exists()
    assert "thesis" not in client_for(bob).get("/").content.decode()


@pytest.mark.parametrize(
    ("language", "sentence"),
    [("en", "The storage does not release these files."), ("zh-hans", "存储系统一直没有释放这些文件")],
)
def test_deletion_that_takes_long_says_who_can_help(client_for, alice, held, language, sentence):
    client = client_for(alice)
    assert sentence in client.get("/", headers={"Accept-Language": language}).content.decode()
    Volume.objects.update(deleting_since=timezone.now())
    assert sentence not in client.get("/", headers={"Accept-Language": language}).content.decode()


def test_storage_full_of_kept_files_leaves_what_uses_them(client_for, alice, image, make_desktop):
    """They already use the quota, so that one click can launch a desktop with them."""
    Quota.objects.create(user=alice, cpu=9, memory_mib=99999, storage_gib=5, desktops=2)
    volume = make_desktop(alice).volume
    alice.desktops.all().delete()
    Volume.objects.update(kept_at="2026-01-01T00:00:00Z")
    client = client_for(alice)
    page = client.get("/").content.decode()
    assert "You cannot launch another desktop now" not in page
    assert "Only with files that you kept. Storage: this needs 5 GiB, and you use 5 of 5 GiB." in page
    assert f'<option value="{volume.pk}" selected' in page
    choice = {"image": image.pk, f"size-{image.pk}": image.sizes.all()[0].pk, "name": "desktop"}
    assert client.post("/desktops/launch/", choice | {"volume": ""}).status_code == 409
    assert client.post("/desktops/launch/", choice | {"volume": str(volume.pk)}).status_code == 303


def test_one_desktop_leads_to_its_page(client_for, alice, make_desktop):
    desktop = make_desktop(alice)
    response = client_for(alice).get("/")
    assert (response.status_code, response["Location"]) == (303, f"/desktops/{desktop.pk}/")


def test_one_desktop_and_asked_for_another(client_for, alice, make_desktop):
    make_desktop(alice)
    assert "Launch Desktop" in client_for(alice).get("/?new").content.decode()


def test_several_desktops_are_listed_with_why_they_rest(client_for, alice, make_desktop):
    make_desktop(alice, name="thesis", status=Status.FAILED, reason="disk_full")
    make_desktop(alice, name="course", status=Status.RUNNING)
    page = client_for(alice).get("/").content.decode()
    assert "thesis" in page
    assert "the disk is full" in page
    assert "course" in page


def test_when_one_is_left_an_open_list_goes_to_it(client_for, alice, make_desktop):
    desktop = make_desktop(alice)
    response = client_for(alice).get("/", headers={"HX-Request": "true"})
    assert response["HX-Redirect"] == f"/desktops/{desktop.pk}/"


def test_others_desktops_are_not_listed(client_for, alice, bob, make_desktop):
    make_desktop(bob, name="secret")
    assert "secret" not in client_for(alice).get("/").content.decode()


def test_as_many_queries_for_twenty_desktops_as_for_two(client_for, alice, make_desktop):
    client = client_for(alice)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get("/").status_code == 200
        return len(captured)

    for number in range(2):
        make_desktop(alice, name=f"d{number}")
    few = queries()
    for number in range(2, 20):
        make_desktop(alice, name=f"d{number}")
    assert queries() == few <= 12


def test_works_without_redis(client_for, alice, redis_unavailable):
    with redis_unavailable():
        assert client_for(alice).get("/").status_code == 200


def test_anonymous_to_login(client):
    response = client.get("/")
    assert (response.status_code, response["Location"]) == (302, "/accounts/login/?next=/")


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_get_only(client_for, alice, method):
    assert getattr(client_for(alice), method)("/").status_code == 405
