"""Administrators see desktops, stop and delete them, and choose which images and sizes are offered."""

import json
import re
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent
from desktops.lifecycle import node_ports
from desktops.models import (
    BackupRepository,
    BackupTask,
    Desktop,
    DesktopEvent,
    DesktopImage,
    DesktopRun,
    PortLease,
    RunUsage,
    Status,
    Volume,
)

LISTS = ("desktop", "desktopevent", "desktopimage", "desktoprun", "desktopsize", "portlease", "volume")


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
    desktop = make_desktop(alice, status=Status.FAILED, reason="disk_full", last_log="cannot write to .ICEauthority")
    address = f"/admin/desktops/desktop/{desktop.pk}/change/"
    shown = page.get(address).content.decode()
    assert "the disk is full" in shown
    assert "cannot write to .ICEauthority" in shown
    assert 'name="_save"' not in shown
    assert desktop.vnc_password_sealed not in shown
    assert page.post(address, {"status": "running"}).status_code == 403
    assert page.get("/admin/desktops/desktop/add/").status_code == 403


def test_found_by_its_id(page, alice, bob, make_desktop):
    wanted, other = make_desktop(alice), make_desktop(bob)
    shown = page.get(f"/admin/desktops/desktop/?q={wanted.pk}").content.decode()
    assert str(wanted.pk) in shown
    assert f"/desktop/{other.pk}/" not in shown


def test_a_run_is_looked_at_and_not_edited(page, alice, make_desktop):
    desktop = make_desktop(alice, status=Status.STARTING)
    desktop.move(to=Status.FAILED, reason="disk_full")
    run = DesktopRun.objects.get()
    address = f"/admin/desktops/desktoprun/{run.pk}/change/"
    shown = page.get(address).content.decode()
    assert "the disk is full" in shown
    assert 'name="_save"' not in shown
    assert page.post(address, {"result": "stopped"}).status_code == 403
    assert page.get("/admin/desktops/desktoprun/add/").status_code == 403
    assert str(desktop.pk) in page.get(f"/admin/desktops/desktoprun/{run.pk}/change/").content.decode()


def test_a_run_shows_what_it_used(page, alice, make_desktop):
    make_desktop(alice, status=Status.STARTING).move(to=Status.RUNNING)
    run = DesktopRun.objects.get()
    use = {"cpu_mean": 0.75, "cpu_max": 1.5, "memory_mean": 2048, "memory_max": 4096}
    # 19 of 20 samples are in the lower bucket.
    histograms = {"cpu_histogram": {"0": 19, "9": 1}, "memory_histogram": {"160": 19, "167": 1}}
    RunUsage.objects.create(run=run, sampled_at=timezone.now(), samples=20, **use, **histograms)
    shown = page.get(f"/admin/desktops/desktoprun/{run.pk}/change/").content.decode()
    found = re.findall(r"([\d.]+ \w+) on average, at most (.+) in 95 % of the samples, at most (.+) in all", shown)
    assert found == [("0.75 cores", "0.98 cores", "1.5 cores"), ("2 GiB", "2.84 GiB", "4 GiB")]


def test_events_of_one_desktop(page, alice, make_desktop):
    desktop = make_desktop(alice)
    DesktopEvent.write(desktop, "stopped", reason="idle")
    shown = page.get(f"/admin/desktops/desktopevent/?desktop__id__exact={desktop.pk}").content.decode()
    assert "Stopped" in shown
    assert "1 desktop event" in shown


def test_stop(page, admin, alice, make_desktop):
    desktop = make_desktop(alice, status=Status.RUNNING)
    assert "1 is being processed" in act(page, "desktop", "stop", desktop)
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
    assert "An existing desktop uses these files." in act(page, "volume", "delete_files", volume)
    assert Volume.objects.exists()


@pytest.mark.parametrize(("model", "action"), [("desktop", "stop"), ("volume", "delete_files")])
def test_view_permission_does_not_allow_actions(client_for, alice, bob, make_desktop, model, action):
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


# --- requirements of images on the cluster ---


@pytest.fixture
def save(page, image):
    """Return a function that saves the image's form with changes, and returns the page and the row."""

    def post(**changes) -> tuple[str, DesktopImage]:
        data = {"name": "Linux", "icon": "code", "sizes": [size.pk for size in image.sizes.all()], "position": "5"}
        cluster = {"node_selector": "{}", "tolerations": "[]", "priority_class": "", "pull_secret": ""}
        answer = page.post(f"/admin/desktops/desktopimage/{image.pk}/change/", data | cluster | changes, follow=True)
        return answer.content.decode(), DesktopImage.objects.get(pk=image.pk)

    return post


def test_what_an_image_needs_of_a_cluster(page, save, image):
    shown = page.get(f"/admin/desktops/desktopimage/{image.pk}/change/").content.decode()
    assert "Placement on Kubernetes" in shown
    tolerations = [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "dedicated", "value": "desktops"},
        {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
    ]
    selector = {"kubernetes.io/arch": "amd64", "disk": ""}
    _, saved = save(
        node_selector=json.dumps(selector),
        tolerations=json.dumps(tolerations),
        priority_class="high.desktops",
        pull_secret="nexus-2",
        gpu_resource="amd.com/gpu",
    )
    assert (saved.node_selector, saved.tolerations) == (selector, tolerations)
    assert (saved.priority_class, saved.pull_secret, saved.gpu_resource) == ("high.desktops", "nexus-2", "amd.com/gpu")


def test_what_is_left_empty_is_no_wish(save):
    _, saved = save(node_selector="", tolerations="", gpu_resource="")
    assert (saved.name, saved.node_selector, saved.tolerations) == ("Linux", {}, [])
    assert saved.gpu_resource == "nvidia.com/gpu"


BAD = [
    ("node_selector", "disk: ssd", "This is not valid JSON. Write pairs in braces"),
    ("node_selector", '["disk"]', "Write pairs in braces"),
    ("node_selector", '"disk"', "Write pairs in braces"),
    ("node_selector", "7", "Write pairs in braces"),
    ("node_selector", '{"disk": 1}', "“1” must be text in quotation marks."),
    ("node_selector", '{"disk": {"a": "b"}}', "must be text in quotation marks."),
    ("node_selector", '{"disk": "a b"}', "“a b” is not a valid label value."),
    ("node_selector", '{"disk": "%s"}' % ("x" * 64), "is not a valid label value."),
    ("node_selector", '{"disk": "ssd\\n"}', "is not a valid label value."),
    ("node_selector", '{"-disk": "ssd"}', "“-disk” is not a valid label key."),
    ("node_selector", '{"": "ssd"}', "is not a valid label key."),
    ("node_selector", '{"A_B/disk": "ssd"}', "is not a valid label key."),
    ("node_selector", '{"硬盘": "ssd"}', "is not a valid label key."),
    ("tolerations", "gpu", "This is not valid JSON. Write a list in brackets"),
    ("tolerations", '{"key": "gpu"}', "Write a list in brackets"),
    ("tolerations", '["gpu"]', "Write a list in brackets"),
    ("tolerations", '[{"Key": "gpu"}]', "“Key” is not a field of a toleration."),
    ("tolerations", '[{"key": "gpu", "operator": "exists"}]', "The operator must be one of: Exists, Equal."),
    ("tolerations", '[{"key": "gpu", "operator": []}]', "The operator must be one of"),
    ("tolerations", '[{"key": "gpu", "effect": "Never"}]', "The effect must be one of: NoSchedule"),
    ("tolerations", '[{"key": "g u"}]', "“g u” is not a valid label key."),
    ("tolerations", '[{"value": "x"}]', "A toleration without a key must have"),
    (
        "tolerations",
        '[{"key": "gpu", "operator": "Exists", "value": "x"}]',
        "A toleration with the operator Exists cannot have a value.",
    ),
    ("tolerations", '[{"key": "gpu", "value": 1}]', "“1” must be text"),
    ("tolerations", '[{"key": "gpu", "tolerationSeconds": 5}]', "is allowed only with the effect NoExecute."),
    ("tolerations", '[{"key": "a", "effect": "NoExecute", "tolerationSeconds": true}]', "must be a whole number."),
    ("priority_class", "High Priority", "Use only lowercase letters, digits, hyphens and dots."),
    ("pull_secret", "nexus_2", "Use only lowercase letters, digits, hyphens and dots."),
    ("pull_secret", "-nexus", "Use only lowercase letters, digits, hyphens and dots."),
    ("gpu_resource", "gpu", "A GPU resource is a domain, a slash and a name"),
    ("gpu_resource", "nvidia.com/", "A GPU resource is a domain, a slash and a name"),
]


@pytest.mark.parametrize(("field", "given", "said"), BAD)
def test_what_a_cluster_would_refuse_is_refused(save, image, field, given, said):
    answer, saved = save(**{field: given})
    assert said in unescape(answer)
    assert saved.name == image.name  # nothing was saved


# --- ports ---


def test_who_has_which_port(page, admin, alice, make_desktop):
    desktop = make_desktop(alice, name="thesis", status=Status.RUNNING, exposed_host="192.0.2.1", exposed_vnc=30000)
    PortLease.objects.create(port=30000, use="vnc", desktop=desktop)
    node_ports.remember_foreign(31290)
    shown = page.get("/admin/desktops/portlease/").content.decode()
    assert "30000" in shown
    assert "thesis (alice)" in shown
    assert "used by something else" in shown
    traced = page.get(f"/admin/desktops/desktop/{desktop.pk}/change/").content.decode()
    assert "192.0.2.1 VNC 30000" in traced


def test_foreign_ports_are_tried_again_and_desktops_keep_theirs(page, admin, alice, make_desktop):
    own = PortLease.objects.create(port=30000, use="vnc", desktop=make_desktop(alice))
    node_ports.remember_foreign(31290)
    rows = [str(lease.pk) for lease in PortLease.objects.all()]
    answer = page.post("/admin/desktops/portlease/", {"action": "try_again", "_selected_action": rows}, follow=True)
    assert "1 port can be assigned again." in answer.content.decode()
    assert list(PortLease.objects.all()) == [own]
    assert AuditEvent.objects.get(action="port.try_again").target == "31290"
    assert page.post(f"/admin/desktops/portlease/{own.pk}/delete/", {"post": "yes"}).status_code == 403


def test_backups_show_age_and_failure_but_no_contents(client_for, admin, alice, make_desktop, make_backup):
    backup = make_backup(make_desktop(alice, name="work").volume)
    BackupRepository.objects.update(failed_since=timezone.now(), reason="repository_full", size_bytes=3 * 2**20)
    client = client_for(admin)
    page = client.get("/admin/desktops/backuprepository/").content.decode()
    for text in ("alice", "The storage of the backups is full.", "3 MiB"):
        assert text in page
    assert client.get(f"/backups/{backup.pk}/").status_code == 404
    chosen = {"action": "back_up_now", "_selected_action": [str(backup.repository_id)]}
    client.post("/admin/desktops/backuprepository/", chosen)
    task = BackupTask.objects.get()
    assert (task.kind, task.requested_by) == ("backup", admin)


def test_backups_are_not_listed_without_them(client_for, admin):
    assert "backuprepository" not in client_for(admin).get("/admin/").content.decode()
