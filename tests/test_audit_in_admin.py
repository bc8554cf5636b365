"""The audit trail records what administrators edit in the admin: groups, images, sizes."""

import pytest
from django.contrib.auth.models import Group

from accounts.models import AuditEvent
from desktops.models import DesktopImage, DesktopSize

GROUPS, SIZES, IMAGES = "/admin/auth/group/", "/admin/desktops/desktopsize/", "/admin/desktops/desktopimage/"
TINY = {"name": "Tiny", "cpu": "0.5", "memory_mib": "512", "storage_gib": "1", "gpu": "0"}


@pytest.fixture
def browser(admin, client_for, first_rows):
    return client_for(admin)


def audit_events() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", "target"))


def test_group_added_changed_deleted(browser, admin):
    browser.post(GROUPS + "add/", {"name": "crew"})
    group = Group.objects.get()
    browser.post(f"{GROUPS}{group.pk}/change/", {"name": "staff"})
    browser.post(f"{GROUPS}{group.pk}/delete/", {"post": "yes"})
    assert audit_events() == [("group.add", "crew"), ("group.change", "staff"), ("group.delete", "staff")]
    assert {event.actor for event in AuditEvent.objects.all()} == {admin}
    assert AuditEvent.objects.get(action="group.change").details == {"fields": ["name"]}


def test_groups_deleted_together(browser):
    groups = [Group.objects.create(name=name) for name in ("crew", "staff")]
    chosen = [group.pk for group in groups]
    browser.post(GROUPS, {"action": "delete_selected", "_selected_action": chosen, "post": "yes"})
    assert sorted(audit_events()) == [("group.delete", "crew"), ("group.delete", "staff")]
    assert not Group.objects.exists()


def test_size(browser):
    browser.post(SIZES + "add/", TINY)
    size = DesktopSize.objects.get(name="Tiny")
    browser.post(f"{SIZES}{size.pk}/change/", TINY | {"cpu": "0.25"})
    assert [action for action, _ in audit_events()] == ["size.add", "size.change"]
    assert AuditEvent.objects.get(action="size.change").details == {"fields": ["cpu"]}


def test_image_withdrawn_in_the_list(browser, image):
    rows = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": image.pk, "form-0-position": "7"}
    assert browser.post(IMAGES, rows | {"_save": "Save"}).status_code == 302
    assert not DesktopImage.objects.get().enabled
    assert audit_events() == [("image.change", str(image))]


def test_what_is_refused_by_the_form_is_no_deed(browser):
    assert browser.post(SIZES + "add/", TINY | {"cpu": "none"}).status_code == 200
    assert audit_events() == []
