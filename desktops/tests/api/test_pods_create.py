"""Tests of `POST pods/create`."""

from datetime import UTC, datetime

import pytest

from accounts.models import AuditEvent, Quota
from desktops.lifecycle.jobs import spec_of
from desktops.models import Desktop, DesktopImage, DesktopSize, Status, Volume
from desktops.tests.support.api_client import fields, script_of

pytestmark = pytest.mark.django_db
SEED = {"resource_quota": {"cpu": "2", "memory": "4Gi"}}

NO_AMOUNTS = ["-1", "-4Gi", "0", 0, -2, "NaN", "inf", "1e400", "9" * 400, "", "１", " 2", "2\n", True, [], {}, None]


def quota(user, **limits) -> None:
    generous = {"cpu": 64, "memory_mib": 2**20, "storage_gib": 2000, "desktops": 5}
    Quota.objects.create(user=user, **(generous | limits))


def keep_files(desktop: Desktop, year: int = 2026) -> Volume:
    volume = desktop.volume
    desktop.delete()
    Volume.objects.filter(pk=volume.pk).update(kept_at=datetime(year, 1, 1, tzinfo=UTC))
    return volume


@pytest.mark.django_db(transaction=True)
def test_creates_a_desktop(alice, queued):
    answer = script_of(alice).post("pods/create", SEED)
    desktop = Desktop.objects.get()
    body = answer.json()
    assert (answer.status_code, body["status"], body["pod_name"]) == (202, "created", desktop.object_name)
    assert body["desktop"]["resource_quota"] == {"cpu": "2", "memory": "4Gi", "storage": "5Gi"}
    assert body["desktop"]["sentence"]
    assert body["access_info"] == body["desktop"]["access_info"]
    assert queued() == [("start_desktop", str(desktop.pk))]


def test_through_the_portal_it_is_reached_at_its_websocket(alice):
    access = script_of(alice).post("pods/create").json()["access_info"]
    desktop = Desktop.objects.get()
    assert access == {
        "host": None,
        "vnc_port": None,
        "novnc_port": None,
        "ssh_port": None,
        "vnc_password": None,
        "url": f"http://testserver/desktops/{desktop.pk}/",
        "vnc_websocket": f"ws://testserver/ws/desktops/{desktop.pk}/vnc",
        "ssh_websocket": None,
        "ways": [],
    }


def test_without_a_word_it_is_what_the_launch_page_has_chosen(alice, image, small):
    script_of(alice).post("pods/create")
    desktop = Desktop.objects.get()
    assert (desktop.name, desktop.image, desktop.size_name, desktop.memory_mib) == ("desktop", image, "Small", 2048)


def test_a_size_of_its_own(alice):
    quota(alice)
    asked = {"cpu": 1.5, "memory": "1500Mi", "storage": "7Gi"}
    script_of(alice).post("pods/create", {"resource_quota": asked})
    desktop = Desktop.objects.get()
    assert (desktop.cpu, desktop.memory_mib, desktop.storage_gib, desktop.gpu, desktop.size_name) == (
        1.5,
        1500,
        7,
        0,
        "",
    )
    assert desktop.volume.storage_gib == 7
    audited = AuditEvent.objects.get(action="desktop.launch")
    assert audited.details["resource_quota"] == {"cpu": "1.5", "memory": "1500Mi", "storage": "7Gi"}


def test_its_page_shows_a_size_of_its_own(alice, client_for):
    quota(alice)
    desktop_id = script_of(alice).post("pods/create", {"resource_quota": {"cpu": "1500m"}}).json()["desktop"]["id"]
    page = client_for(alice).get(f"/desktops/{desktop_id}/").content.decode()
    assert "Linux desktop · 1.5 cores · 2 GiB memory · 5 GiB storage" in page


def test_amounts_of_an_offered_size_are_that_size(alice):
    quota(alice)
    script_of(alice).post("pods/create", {"resource_quota": {"cpu": 2, "memory": "4Gi", "storage": "10Gi"}})
    assert Desktop.objects.get().size_name == "Medium"


@pytest.mark.parametrize("body", [{}, {"resource_quota": None}, {"resource_quota": {}}, {"name": None, "image": None}])
def test_everything_may_be_left_out(alice, body):
    assert script_of(alice).post("pods/create", body).status_code == 202


@pytest.mark.parametrize("amount", [*NO_AMOUNTS, "2 cores", "2Gi", "0.01", "5m", "10000"])
def test_nonsense_for_cpu_is_refused_by_name(alice, amount):
    answer = script_of(alice).post("pods/create", {"resource_quota": {"cpu": amount}})
    assert (answer.status_code, fields(answer)) == (422, ["resource_quota.cpu"])
    assert not Desktop.objects.exists()


@pytest.mark.parametrize("unit", ["memory", "storage"])
@pytest.mark.parametrize("amount", [*NO_AMOUNTS, "4gb", "4GiB", "1000m", "4 Gi", "1e99", "9999999Ti", 5])
def test_nonsense_for_bytes_is_refused_by_name(alice, unit, amount):
    answer = script_of(alice).post("pods/create", {"resource_quota": {unit: amount}})
    assert (answer.status_code, fields(answer)) == (422, [f"resource_quota.{unit}"])


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 5000, "NaN", "Infinity"])
def test_numbers_that_no_computer_counts_are_refused(alice, number):
    answer = script_of(alice).post("pods/create", f'{{"resource_quota": {{"cpu": {number}}}}}')
    assert answer.status_code in (400, 422)
    assert answer.json()["slug"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"resource_quota": "2"}, "resource_quota"),
        ({"resource_quota": []}, "resource_quota"),
        ({"resource_quota": {"gpu": 1}}, "resource_quota.gpu"),
        ({"recource_quota": {}}, "recource_quota"),
        ({"name": "x" * 41}, "name"),
        ({"name": ""}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": {}}, "name"),
        ({"image": "no such"}, "image"),
        ({"image": "-1"}, "image"),
        ({"image": []}, "image"),
        ({"image": "9" * 99}, "image"),
        ({"volume": "none"}, "volume"),
        ({"volume": "00000000-0000-0000-0000-000000000000"}, "volume"),
        ({"volume": 7}, "volume"),
    ],
)
def test_bad_input_names_the_field(alice, body, field):
    answer = script_of(alice).post("pods/create", body)
    assert (answer.status_code, fields(answer)) == (422, [field])
    assert not Desktop.objects.exists()


@pytest.mark.parametrize(
    "asked", ["?wait=-1", "?wait=soon", "?wait=1e9", "?wait=100000", "?wait=1&wait=2", "?weight=1"]
)
def test_nonsense_behind_the_question_mark_creates_nothing(alice, asked):
    answer = script_of(alice).post(f"pods/create{asked}", {})
    assert (answer.status_code, fields(answer)) == (422, [asked[1:].partition("=")[0]])
    assert not Desktop.objects.exists()


@pytest.mark.parametrize(
    ("unit", "amount", "limits"),
    [("cpu", "3", {"cpu": 2}), ("memory", "9Gi", {"memory_mib": 8192}), ("storage", "11Gi", {"storage_gib": 10})],
)
def test_above_quota_names_what_is_short(alice, unit, amount, limits):
    quota(alice, **limits)
    answer = script_of(alice).post("pods/create", {"resource_quota": {unit: amount}})
    problem = answer.json()
    assert (answer.status_code, problem["slug"], fields(answer)) == (409, "quota_exceeded", [f"resource_quota.{unit}"])
    assert problem["next_step"]
    assert AuditEvent.objects.get(action="desktop.launch").result == "quota_exceeded"


def test_too_many_desktops_names_no_field(alice, make_desktop):
    quota(alice, desktops=1)
    make_desktop(alice)
    answer = script_of(alice).post("pods/create", {"name": "another"})
    assert (answer.status_code, answer.json()["slug"], fields(answer)) == (409, "quota_exceeded", [])


@pytest.mark.parametrize("status", [Status.PENDING, Status.STARTING, Status.RUNNING, Status.STOPPING])
def test_one_that_is_there_is_told_as_it_is(alice, make_desktop, status):
    desktop = make_desktop(alice, status=status)
    answer = script_of(alice).post("pods/create", {"resource_quota": {"cpu": "64"}})
    body = answer.json()
    assert (answer.status_code, body["status"], body["pod_name"]) == (200, "exists", desktop.object_name)
    assert body["desktop"]["resource_quota"] == {"cpu": "1", "memory": "2Gi", "storage": "5Gi"}
    assert body["desktop"]["status"] == status


@pytest.mark.parametrize("status", [Status.STOPPED, Status.FAILED])
def test_one_at_rest_is_started(alice, make_desktop, status):
    desktop = make_desktop(alice, status=status)
    answer = script_of(alice).post("pods/create")
    assert (answer.status_code, answer.json()["status"]) == (202, "exists")
    desktop.refresh_from_db()
    assert desktop.status == Status.PENDING


@pytest.mark.parametrize("asked", [{}, {"image": "its own"}, {"volume": "gone"}, {"resource_quota": {"cpu": "2"}}])
@pytest.mark.parametrize("offered", ["nothing", "another", "no sizes"])
def test_one_at_rest_is_started_whatever_is_offered_today(alice, make_desktop, image, offered, asked):
    desktop = make_desktop(alice, status=Status.STOPPED)
    image.sizes.clear()
    DesktopImage.objects.update(enabled=offered == "no sizes")
    if offered == "another":
        DesktopImage.objects.create(name="another")
    answer = script_of(alice).post("pods/create", asked | ({"image": image.name} if "image" in asked else {}))
    assert (answer.status_code, answer.json()["status"]) == (202, "exists")
    desktop.refresh_from_db()
    assert (desktop.status, desktop.image) == (Status.PENDING, image)


def test_one_that_is_there_takes_no_unknown_image(alice, make_desktop):
    desktop = make_desktop(alice, status=Status.STOPPED)
    disabled = DesktopImage.objects.create(name="of yesterday", enabled=False)
    for name in ("no such", disabled.name):
        assert fields(script_of(alice).post("pods/create", {"image": name})) == ["image"]
    desktop.refresh_from_db()
    assert desktop.status == Status.STOPPED


def test_while_the_old_one_is_being_deleted(alice, make_desktop):
    make_desktop(alice, status=Status.DELETING)
    answer = script_of(alice).post("pods/create")
    assert (answer.status_code, answer.json()["slug"]) == (409, "wrong_status")
    assert int(answer["Retry-After"]) > 0


def test_image_by_name_or_number(alice, image):
    other = DesktopImage.objects.create(name="论文 Python", position=200)
    other.sizes.add(DesktopSize.objects.get(name="Small"))
    quota(alice)
    script = script_of(alice)
    assert script.post("pods/create", {"image": "论文 Python"}).json()["desktop"]["image"] == other.name
    assert script.post("pods/create", {"image": other.pk, "name": "b"}).json()["desktop"]["image"] == other.name
    assert script.post("pods/create", {"name": "c"}).json()["desktop"]["image"] == image.name


def test_an_image_that_is_not_offered(alice, image):
    DesktopImage.objects.update(enabled=False)
    script = script_of(alice)
    assert (fields(script.post("pods/create", {"image": image.name}))) == ["image"]
    nothing = script.post("pods/create")
    assert (nothing.status_code, nothing.json()["slug"]) == (409, "image_unavailable")
    event = AuditEvent.objects.get(action="desktop.launch")
    assert (event.actor, event.target, event.result) == (alice, "desktop", "image_unavailable")


def test_files_that_were_kept_of_a_desktop_of_that_name_are_taken_again(alice, make_desktop):
    quota(alice)
    keep_files(make_desktop(alice), 2024)
    newest = keep_files(make_desktop(alice), 2025)
    keep_files(make_desktop(alice, name="other"))
    body = script_of(alice).post("pods/create", {"resource_quota": {"storage": "50Gi"}}).json()
    desktop = Desktop.objects.get()
    assert (desktop.volume, desktop.storage_gib) == (newest, 5)
    assert body["desktop"]["resource_quota"]["storage"] == "5Gi"


def test_new_files_though_some_were_kept(alice, make_desktop):
    quota(alice)
    kept = keep_files(make_desktop(alice))
    script_of(alice).post("pods/create", {"volume": "new"})
    assert Desktop.objects.get().volume != kept


def test_kept_files_by_their_id_and_again(alice, make_desktop):
    kept = keep_files(make_desktop(alice, name="thesis"))
    script, body = script_of(alice), {"volume": str(kept.pk)}
    assert [script.post("pods/create", body).json()["status"] for _ in range(2)] == ["created", "exists"]
    assert Desktop.objects.get().volume == kept
    quota(alice)
    again = script.post("pods/create", body | {"name": "another"})
    assert (again.status_code, again.json()["slug"], fields(again)) == (409, "volume_in_use", ["volume"])


def test_volume_that_is_being_deleted_does_not_exist(alice, make_desktop):
    kept = keep_files(make_desktop(alice))
    script = script_of(alice)
    assert script.delete(f"volumes/{kept.pk}").status_code == 202
    answer = script.post("pods/create", {"volume": str(kept.pk)})
    assert (answer.status_code, fields(answer)) == (422, ["volume"])  # no desktop uses it that could be deleted first


def test_others_files_are_not_there(alice, bob, make_desktop):
    answer = script_of(alice).post("pods/create", {"volume": str(keep_files(make_desktop(bob)).pk)})
    assert (answer.status_code, fields(answer)) == (422, ["volume"])


def test_speaks_the_language_of_the_script(alice):
    script_of(alice).post("pods/create", {}, Accept_Language="zh-hans")
    assert Desktop.objects.get().language == "zh-hans"


def test_idempotency_key_answers_again(alice, make_desktop):
    script = script_of(alice)
    first, second = (script.post("pods/create", SEED, Idempotency_Key="once") for _ in range(2))
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert second["Idempotent-Replayed"] == "true"


def test_others_find_nothing_of_it(alice, bob, make_desktop):
    make_desktop(alice)
    assert script_of(bob).post("pods/create").json()["status"] == "created"


def test_wrong_method(alice):
    assert script_of(alice).get("pods/create").status_code == 405


def test_anonymous():
    assert script_of(None).post("pods/create").status_code == 401


def test_a_token_for_one_desktop_creates_none(alice, make_desktop):
    bound = script_of(alice, pod_name=make_desktop(alice).object_name)
    assert bound.post("pods/create").status_code == 403


def test_time_zone_of_this_desktop(alice):
    script_of(alice).post("pods/create", {"time_zone": "Asia/Tokyo"})
    assert spec_of(Desktop.objects.get()).time_zone == "Asia/Tokyo"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "Europe", "/etc/localtime", "x" * 65])
def test_time_zone_that_does_not_exist_is_refused(alice, zone):
    answer = script_of(alice).post("pods/create", {"time_zone": zone})
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, ["time_zone"])
    assert not Desktop.objects.exists()
