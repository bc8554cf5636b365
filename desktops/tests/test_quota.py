"""What a user may still launch, shown before the click."""

from accounts.models import Quota
from desktops import quota
from desktops.models import DesktopImage, Status, Volume


def test_a_newcomer_is_offered_what_fits(alice, image):
    offer = quota.launch_offer(alice)
    assert offer.can_launch and offer.suggested_name == "desktop"
    fits = {size.size.name: size.fits for size in offer.images[0].sizes}
    assert fits == {"Small": True, "Medium": True, "Large": False}
    assert [size.why_not for size in offer.images[0].sizes if not size.fits] == [
        "CPU: this needs 4 cores, and you use 0 of 2 cores."
    ]


def test_lines_tell_use_limit_and_where_it_comes_from(alice, make_desktop):
    Quota.objects.create(user=alice, cpu=4)
    make_desktop(alice, status=Status.RUNNING)
    make_desktop(alice, name="second", status=Status.STOPPED)
    lines = {line.key: line for line in quota.quota_lines(alice)}
    assert (lines["cpu"].used, lines["cpu"].limit, lines["cpu"].percent, lines["cpu"].source) == (1, 4, 25, "user")
    assert (lines["storage_gib"].used, lines["storage_gib"].source) == (10, "default")
    assert lines["desktops"].used == 2
    assert "gpu" not in lines  # no GPU is in use or allowed


def test_others_desktops_do_not_count(alice, bob, make_desktop):
    make_desktop(bob, status=Status.RUNNING)
    assert quota.use_of(alice) == quota.QuotaUse()


def test_a_full_quota_says_why_not(alice, make_desktop):
    make_desktop(alice, status=Status.RUNNING)
    offer = quota.launch_offer(alice)
    assert not offer.can_launch
    assert offer.why_not
    assert offer.suggested_name == "desktop-2"


def test_kept_files_are_offered_and_count_as_storage_once(alice, small):
    kept = Volume.objects.create(
        owner=alice, object_name="home-kept", desktop_name="old", storage_gib=5, kept_at="2026-01-01T00:00Z"
    )
    assert quota.launch_offer(alice).volumes == [kept]
    assert quota.use_of(alice).storage_gib == 5
    assert quota.need_of(small, kept=kept, new=True).storage_gib == 0


def test_room_is_about_the_number_of_desktops(alice, make_desktop):
    assert quota.has_room(alice)
    make_desktop(alice)
    assert not quota.has_room(alice)


def test_no_image_is_said(alice):
    DesktopImage.objects.update(enabled=False)
    assert quota.launch_offer(alice).why_not == "No desktop images are available at present."


def test_the_offer_takes_the_same_queries_however_much_there_is(alice, make_desktop, django_assert_max_num_queries):
    for number in range(10):
        make_desktop(alice, name=f"d{number}")
    with django_assert_max_num_queries(7):
        quota.launch_offer(alice)
