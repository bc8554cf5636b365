"""Tests of `/volumes/<id>/postpone/`, which keeps files longer, and of the notice of their end."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.formats import date_format

from desktops.models import Desktop, Volume


@pytest.fixture
def volume(alice, make_desktop, settings) -> Volume:
    """Return alice's kept files, which end in three days."""
    settings.KEPT_FILES_DAYS = 30
    volume = make_desktop(alice, name="thesis").volume
    Desktop.objects.all().delete()
    now = timezone.now()
    Volume.objects.update(kept_at=now - timedelta(days=27), expires_at=now + timedelta(days=3), desktop_name="thesis")
    return Volume.objects.get(pk=volume.pk)


def day_of(volume: Volume) -> str:
    return date_format(timezone.localtime(Volume.objects.get(pk=volume.pk).expires_at), "DATE_FORMAT")


def test_the_list_shows_the_date_and_the_button(client_for, alice, volume):
    page = client_for(alice).get("/?new").content.decode()
    assert f"Will be deleted on {day_of(volume)}." in page
    assert "Keep for another 30 days" in page


def test_postpones_once(client_for, alice, volume):
    browser, address = client_for(alice), f"/volumes/{volume.pk}/postpone/"
    page = browser.post(address, follow=True).content.decode()
    assert Volume.objects.get().expires_at == volume.expires_at + timedelta(days=30)
    assert f"The files are kept until {day_of(volume)}." in page
    assert "Keep for another" not in page
    refused = browser.post(address)
    assert refused.status_code == 409
    assert "You have postponed the deletion of these files once" in refused.content.decode()


@pytest.mark.parametrize(("left", "shown"), [(14, True), (15, False)])
def test_every_page_of_desktops_has_the_notice_in_time(client_for, alice, volume, make_desktop, left, shown):
    Volume.objects.update(expires_at=timezone.now() + timedelta(days=left))
    text, browser = f"The kept files of “thesis” will be deleted on {day_of(volume)}.", client_for(alice)
    first = make_desktop(alice)
    for address in ("/?new", f"/desktops/{first.pk}/"):
        assert (text in browser.get(address).content.decode()) is shown, address
    make_desktop(alice, name="second")
    assert (text in browser.get("/").content.decode()) is shown


def test_files_that_a_failed_backup_kept_beyond_their_date(client_for, alice, volume):
    Volume.objects.update(expires_at=timezone.now() - timedelta(days=1))
    page = client_for(alice).get("/?new").content.decode()
    assert f"The deletion of the kept files of “thesis” was due on {day_of(volume)}." in page
    assert f"The deletion was due on {day_of(volume)}." in page
    assert "Will be deleted" not in page


def test_nothing_is_shown_without_the_setting(client_for, alice, volume, settings):
    settings.KEPT_FILES_DAYS = 0
    page = client_for(alice).get("/?new").content.decode()
    assert "deleted on" not in page
    assert "Keep for another" not in page
    assert client_for(alice).post(f"/volumes/{volume.pk}/postpone/").status_code == 409


def test_others_see_no_notice(client_for, bob, volume):
    assert "thesis" not in client_for(bob).get("/").content.decode()


def test_stranger_postpones_nothing(client_for, bob, volume):
    assert client_for(bob).post(f"/volumes/{volume.pk}/postpone/").status_code == 404
    assert Volume.objects.get().expires_at == volume.expires_at


def test_anonymous_to_login(client, volume):
    assert client.post(f"/volumes/{volume.pk}/postpone/")["Location"].startswith("/accounts/login/")


def test_post_only(client_for, alice, volume):
    assert client_for(alice).get(f"/volumes/{volume.pk}/postpone/").status_code == 405
