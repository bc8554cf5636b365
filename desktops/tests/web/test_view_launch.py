"""Tests of `/desktops/launch/`, the launch button."""

import pytest
from django.test import Client

from accounts.models import Quota
from desktops.lifecycle.jobs import spec_of
from desktops.models import Desktop, DesktopImage, DesktopSize, Status, Volume


@pytest.fixture
def form(image, small) -> dict[str, str]:
    return {"image": str(image.pk), f"size-{image.pk}": str(small.pk), "name": "desktop"}


def test_launches_and_leads_to_its_page(client_for, alice, form, image):
    response = client_for(alice).post("/desktops/launch/", form)
    desktop = Desktop.objects.get()
    assert (response.status_code, response["Location"]) == (303, f"/desktops/{desktop.pk}/")
    assert (desktop.owner, desktop.image, desktop.size_name, desktop.status) == (alice, image, "Small", Status.PENDING)
    assert desktop.language == "en"


def test_speaks_the_language_of_the_page(client_for, alice, form):
    client_for(alice).post("/desktops/launch/", form, headers={"Accept-Language": "zh-hans"})
    assert Desktop.objects.get().language == "zh-hans"


def test_twice_is_once(client_for, alice, form):
    client = client_for(alice)
    first, second = (client.post("/desktops/launch/", form) for _ in range(2))
    assert first["Location"] == second["Location"]
    assert Desktop.objects.count() == 1


def test_a_script_may_leave_out_the_name(client_for, alice, form):
    client = client_for(alice)
    del form["name"]
    assert [client.post("/desktops/launch/", form).status_code for _ in range(2)] == [303, 303]
    assert Desktop.objects.get().name == "desktop"


def test_uses_kept_files_again(client_for, alice, form, make_desktop):
    volume = make_desktop(alice).volume
    Desktop.objects.all().delete()
    Volume.objects.update(kept_at="2026-01-01T00:00:00Z")
    client_for(alice).post("/desktops/launch/", form | {"volume": str(volume.pk)})
    assert Desktop.objects.get().volume == volume


def test_others_files_are_not_there(client_for, alice, bob, form, make_desktop):
    volume = make_desktop(bob).volume
    Desktop.objects.all().delete()
    Volume.objects.update(kept_at="2026-01-01T00:00:00Z")
    response = client_for(alice).post("/desktops/launch/", form | {"volume": str(volume.pk)})
    assert response.status_code == 422
    assert "These files no longer exist" in response.content.decode()
    assert not Desktop.objects.exists()


def test_over_quota_is_refused_with_the_form_as_filled(client_for, alice, form, image):
    Quota.objects.create(user=alice, cpu=1, memory_mib=9999, storage_gib=99, desktops=3)
    medium = DesktopSize.objects.get(name="Medium")
    wanted = form | {"name": "my 论文", f"size-{image.pk}": str(medium.pk)}
    response = client_for(alice).post("/desktops/launch/", wanted)
    page = response.content.decode()
    assert response.status_code == 409
    assert "this needs 2 cores, and you use 0 of 1 core" in page
    assert "Choose a smaller size" in page
    assert 'value="my 论文"' in page
    assert not Desktop.objects.exists()


def test_an_image_that_was_withdrawn_is_refused(client_for, alice, form, image):
    DesktopImage.objects.update(enabled=False)
    response = client_for(alice).post("/desktops/launch/", form)
    assert response.status_code == 422
    assert "not offered at present" in response.content.decode()


def test_a_size_of_another_image_is_refused(client_for, alice, form, image):
    odd = DesktopSize.objects.create(name="Odd", cpu=1, memory_mib=512, storage_gib=1)
    response = client_for(alice).post("/desktops/launch/", form | {f"size-{image.pk}": str(odd.pk)})
    assert response.status_code == 409
    assert not Desktop.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image", ""),
        ("image", "none"),
        ("image", "-1"),
        ("image", "9" * 40),
        ("image", "\0"),
        ("image", "<script>"),
        ("size", ""),
        ("size", "1.5"),
        ("size", "9" * 40),
        ("size", "\0"),
        ("name", "x" * 41),
        ("name", "two\nlines"),
        ("name", "null\0"),
        ("name", "\u202eabc"),
        ("volume", "none"),
        ("volume", "\0"),
        ("volume", "00000000-0000-0000-0000-000000000000"),
    ],
)
def test_nonsense_is_answered_with_a_sentence(client_for, alice, form, image, field, value):
    name = f"size-{image.pk}" if field == "size" else field
    response = client_for(alice).post("/desktops/launch/", form | {name: value})
    assert response.status_code == 422
    assert 'role="alert"' in response.content.decode()
    assert "<script>" not in response.content.decode().replace("<script src", "")
    assert not Desktop.objects.exists()


def test_nothing_at_all_is_answered_with_a_sentence(client_for, alice):
    response = client_for(alice).post("/desktops/launch/", {})
    assert response.status_code == 422
    assert "Choose a kind of desktop." in response.content.decode()


def test_without_redis_the_row_waits_for_the_controller(client_for, alice, form, redis_unavailable):
    with redis_unavailable():
        assert client_for(alice).post("/desktops/launch/", form).status_code == 303
    assert Desktop.objects.get().status == Status.PENDING


def test_its_address_opened_by_hand_says_where_the_button_is(client_for, alice):
    response = client_for(alice).get("/desktops/launch/")
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert "Go to My Desktop" in response.content.decode()


def test_anonymous_to_login(client, form):
    response = client.post("/desktops/launch/", form)
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")
    assert not Desktop.objects.exists()


def test_needs_the_csrf_token(alice, form):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    response = client.post("/desktops/launch/", form)
    assert response.status_code == 403
    assert "The form has expired, or your browser" in response.content.decode()


def test_remembers_the_time_zone_of_the_browser(client_for, alice, form):
    client_for(alice).post("/desktops/launch/", form | {"browser_time_zone": "Europe/Berlin"})
    assert spec_of(Desktop.objects.get()).time_zone == "Europe/Berlin"


def test_without_script_it_is_the_one_of_the_installation(client_for, alice, form, settings):
    settings.TIME_ZONE = "America/Lima"
    client_for(alice).post("/desktops/launch/", form | {"browser_time_zone": ""})
    assert spec_of(Desktop.objects.get()).time_zone == "America/Lima"
