"""The time zone of a page: the chosen one, else the browser's, else the installation's; and the page to choose it."""

import pytest

from accounts import time_zones

pytestmark = pytest.mark.django_db
PAGE = "/accounts/time-zone/"


@pytest.mark.parametrize(
    ("chosen", "browser", "zone"),
    [
        ("Asia/Tokyo", "Europe/Berlin", "Asia/Tokyo"),
        ("", "Europe/Berlin", "Europe/Berlin"),
        ("", "Asia/Calcutta", "Asia/Calcutta"),  # an old name that browsers still report
        ("", "", "America/Lima"),
        ("", "../../etc/passwd", "America/Lima"),
        ("", "Europe", "America/Lima"),
        ("", "Mars/Olympus", "America/Lima"),
    ],
)
def test_which_zone(alice, settings, chosen, browser, zone):
    settings.TIME_ZONE = "America/Lima"
    alice.time_zone = chosen
    alice.save()
    time_zones.note_browser_zone(user=alice, zone=browser)
    alice.refresh_from_db()
    assert time_zones.zone_of(alice) == zone


def test_page_saves_the_choice(client_for, alice):
    client = client_for(alice)
    assert 'value="Europe/Berlin"' in client.get(PAGE).content.decode()
    assert client.post(PAGE, {"time_zone": "Europe/Berlin"}).status_code == 302
    page = client.get(PAGE).content.decode()
    assert '<option value="Europe/Berlin" selected>' in page
    assert "show the time of Europe/Berlin" in page
    client.post(PAGE, {"time_zone": ""})
    alice.refresh_from_db()
    assert alice.time_zone == ""


def test_page_refuses_what_is_no_zone(client_for, alice):
    answer = client_for(alice).post(PAGE, {"time_zone": "Mars/Olympus"})
    assert (answer.status_code, "This is not a known time zone." in answer.content.decode()) == (422, True)


def test_page_is_for_people_who_are_signed_in(client):
    assert client.get(PAGE).status_code == 302
