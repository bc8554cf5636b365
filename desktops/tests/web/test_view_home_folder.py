"""Pages and lists show how full a home folder is, and warn its owner before it is full."""

import pytest
from django.utils import timezone

from desktops.models import Desktop, Status, Volume

GIB = 2**30
HTMX = {"HX-Request": "true"}


def fill(used_gib: float, usable_gib: float = 4.9, **changes) -> None:
    """Set the use of all home folders, which have 5 GiB."""
    given = {
        "used_bytes": int(used_gib * GIB),
        "usable_bytes": int(usable_gib * GIB),
        "used_measured_at": timezone.now(),
    }
    Volume.objects.update(**given | changes)


@pytest.fixture
def page_of(client_for, alice):
    """Return a function that makes alice's page of a desktop, as text."""

    def read(desktop: Desktop, part: str = "") -> str:
        page: str = client_for(alice).get(f"/desktops/{desktop.pk}/{part}", headers=HTMX).content.decode()
        return page

    return read


@pytest.mark.parametrize("status", [Status.RUNNING, Status.STOPPED, Status.FAILED])
@pytest.mark.parametrize("found", [(3.95, 80, "warning"), (4.7, 95, "error")])
def test_a_warning_before_it_is_full(page_of, alice, make_desktop, status, found):
    used_gib, percent, kind = found
    desktop = make_desktop(alice, status=status)
    fill(used_gib)
    for part in ("", "panel/"):
        page = page_of(desktop, part)
        assert f'<div class="notice {kind}" id="home-folder">' in page
        assert f"The home folder is {percent} % full" in page
        assert "programs can no longer save" in page


def test_where_the_storage_does_not_enforce_it_the_warning_says_so(page_of, alice, make_desktop):
    desktop = make_desktop(alice, status=Status.RUNNING)
    fill(6, usable_gib=900)
    page = page_of(desktop)
    assert "The home folder uses 120 % of its size (6 of 5 GiB)." in page
    assert "The storage does not enforce this limit" in page
    assert "programs can no longer save" not in page


@pytest.mark.parametrize("changes", [{"used_gib": 3.8}, {"used_gib": 4.9, "lost_at": timezone.now()}])
def test_no_warning_below_80_percent_or_for_lost_files(page_of, alice, make_desktop, changes):
    desktop = make_desktop(alice, status=Status.RUNNING)
    fill(**changes)
    assert 'id="home-folder"' not in page_of(desktop)


def test_no_figure_before_the_first_measurement(page_of, alice, make_desktop):
    desktop = make_desktop(alice, status=Status.STOPPED)
    page = page_of(desktop)
    assert 'id="home-folder"' not in page
    assert "Measured" not in page


def test_a_running_desktop_has_a_meter(page_of, alice, make_desktop):
    desktop = make_desktop(alice, status=Status.RUNNING)
    fill(1.25, usable_gib=900)
    page = page_of(desktop, "usage/")
    assert "Storage" in page
    assert "1.25 of 5 GiB" in page
    assert "too long" not in page
    fill(1.25, usable_gib=900, measurement_unfinished=True)
    page = page_of(desktop, "usage/")
    assert "1.25 of 5 GiB" in page
    assert "A newer measurement took too long" in page


def test_a_stopped_desktop_shows_its_last_measurement(page_of, alice, make_desktop):
    desktop = make_desktop(alice, status=Status.STOPPED)
    fill(0.5)
    page = page_of(desktop)
    assert "Files: 512 MiB of 4.9 GiB." in page
    assert "Measured" in page


def test_the_list_of_desktops_warns(client_for, alice, make_desktop):
    for name in ("full", "empty"):
        make_desktop(alice, name=name)
    fill(1)
    Volume.objects.filter(desktop__name="full").update(used_bytes=int(4.8 * GIB))
    page = client_for(alice).get("/").content.decode()
    assert page.count("The home folder is") == 1
    assert "The home folder is 97 % full" in page


def test_kept_files_show_their_use(client_for, alice, make_desktop):
    make_desktop(alice)
    Desktop.objects.all().delete()
    Volume.objects.update(kept_at=timezone.now())
    assert "used (" not in client_for(alice).get("/").content.decode()
    fill(4.5)
    assert "4.5 of 4.9 GiB used (91 %)" in client_for(alice).get("/").content.decode()


def test_administrators_see_the_fullest_first(client_for, admin, alice, make_desktop):
    volumes = {}
    for name, used in (("half", 2.5), ("full", 4.9), ("unknown", None), ("tiny", 0.1)):
        volumes[name] = make_desktop(alice, name=name).volume
        Volume.objects.filter(pk=volumes[name].pk).update(
            desktop_name=name, used_bytes=used and int(used * GIB), used_measured_at=used and timezone.now()
        )
    page = client_for(admin).get("/admin/desktops/volume/").content.decode()
    shown = sorted(volumes, key=lambda name: page.index(volumes[name].object_name))
    assert shown == ["full", "half", "tiny", "unknown"]
    assert "4.9 of 5 GiB (97 %)" in page
    assert client_for(admin).get(f"/admin/desktops/volume/{volumes['full'].pk}/change/").status_code == 200
