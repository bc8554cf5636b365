"""Administrators look at desktops, stop and delete them, and decide what is offered."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import AuditEvent
from desktops.models import Desktop, DesktopEvent, DesktopImage, Status, Volume

LISTS = ("desktop", "desktopevent", "desktopimage", "desktopsize", "volume")


@pytest.fixture
def page(client_for, admin) -> Client:
    client: Client = client_for(admin)
    return client


def act(client: Client, model: str, action: str, row) -> str:
    data = {"action": action, "_selected_action": [str(row.pk)]}
    return client.post(f"/admin/desktops/{model}/", data, follow=True).content.decode()


@pytest.mark.parametrize("model", LISTS)
def test_every_list_opens_and_searches(page, alice, make_desktop, model):
    DesktopEvent.write(make_desktop(alice), "queued")
    assert page.get(f"/admin/desktops/{model}/").status_code == 200
    assert page.get(f"/admin/desktops/{model}/?q=alice").status_code == 200


def test_a_desktop_is_looked_at_and_not_edited(page, alice, make_desktop):
    desktop = make_desktop(alice, status=Status.FAILED, reason="disk_full")
    address = f"/admin/desktops/desktop/{desktop.pk}/change/"
    shown = page.get(address).content.decode()
    assert "the disk is full" in shown
    assert 'name="_save"' not in shown
    assert desktop.vnc_password_sealed not in shown
    assert page.post(address, {"status": "running"}).status_code == 403
    assert page.get("/admin/desktops/desktop/add/").status_code == 403


def test_found_by_its_id(page, alice, bob, make_desktop):
    wanted, other = make_desktop(alice), make_desktop(bob)
    shown = page.get(f"/admin/desktops/desktop/?q={wanted.pk}").content.decode()
    assert str(wanted.pk) in shown
    assert f"/desktop/{other.pk}/" not in shown


def test_events_of_one_desktop(page, alice, make_desktop):
    desktop = make_desktop(alice)
    DesktopEvent.write(desktop, "stopped", reason="idle")
    shown = page.get(f"/admin/desktops/desktopevent/?desktop__id__exact={desktop.pk}").content.decode()
    assert "Stopped" in shown
    assert "1 desktop event" in shown


def test_stop(page, admin, alice, make_desktop):
    desktop = make_desktop(alice, status=Status.RUNNING)
    assert "1 is being taken care of" in act(page, "desktop", "stop", desktop)
    desktop.refresh_from_db()
    assert (desktop.status, desktop.reason) == (Status.STOPPING, "by_admin")
    assert AuditEvent.objects.get(action="desktop.stop").actor == admin


def test_delete_keeps_the_files(page, alice, make_desktop):
    desktop = make_desktop(alice)
    act(page, "desktop", "delete_and_keep_files", desktop)
    desktop.refresh_from_db()
    assert (desktop.status, desktop.keep_data) == (Status.DELETING, True)


def test_a_refusal_is_told(page, alice, make_desktop):
    volume = make_desktop(alice).volume
    assert "These files belong to a desktop" in act(page, "volume", "delete_files", volume)
    assert Volume.objects.exists()


@pytest.mark.parametrize(("model", "action"), [("desktop", "stop"), ("volume", "delete_files")])
def test_whoever_may_only_look_cannot_act(client_for, alice, bob, make_desktop, model, action):
    bob.is_staff = True
    bob.save()
    bob.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    desktop = make_desktop(alice, status=Status.RUNNING)
    act(client_for(bob), model, action, desktop if model == "desktop" else desktop.volume)
    assert Desktop.objects.get().status == Status.RUNNING
    assert Volume.objects.exists()


def test_an_image_is_withdrawn(page, image):
    data = {"name": "Linux", "image": "x:1", "icon": "code", "sizes": [size.pk for size in image.sizes.all()]}
    response = page.post(f"/admin/desktops/desktopimage/{image.pk}/change/", data | {"position": "5"})
    assert response.status_code == 302
    changed = DesktopImage.objects.get(pk=image.pk)
    assert (changed.enabled, changed.icon) == (False, "code")


def test_only_staff_enters(client_for, alice):
    assert client_for(alice).get("/admin/desktops/desktop/").status_code in (302, 403, 404)


def test_staff_finds_the_way_from_the_menu(client_for, alice, admin):
    assert 'href="/admin/"' in client_for(admin).get("/").content.decode()
    assert 'href="/admin/"' not in client_for(alice).get("/").content.decode()


def test_as_many_queries_for_many_desktops(page, alice, make_desktop, django_assert_max_num_queries):
    for number in range(20):
        make_desktop(alice, name=f"d{number}")
    with django_assert_max_num_queries(12):
        page.get("/admin/desktops/desktop/")
