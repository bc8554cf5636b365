"""Tests of `GET pods/<pod_name>`."""

import pytest

from core import encryption
from desktops.models import Desktop, DesktopEvent, Status
from desktops.tests.support.api_client import fields, script_of

pytestmark = pytest.mark.django_db
EXPOSED = {"exposed_host": "10.9.8.7", "exposed_vnc": 30001, "exposed_novnc": 30002, "exposed_ssh": 31001}
RUNNING = {"status": Status.RUNNING, "endpoint_kind": "tcp", **EXPOSED}


@pytest.fixture
def nodeport(settings):
    settings.DESKTOP_EXPOSURE = "nodeport"


def test_tells_how_it_is(alice, make_desktop):
    desktop = make_desktop(alice, status=Status.STOPPED, reason="idle", cpu="0.5", memory_mib=1500)
    body = script_of(alice).get(f"pods/{desktop.object_name}").json()
    assert body == {
        "pod_name": desktop.object_name,
        "id": str(desktop.pk),
        "name": "desktop",
        "status": "stopped",
        "status_since": body["status_since"],
        "reason": "idle",
        "sentence": "It was stopped because it was idle for too long.",
        "next_step": "Start it again; your files are there.",
        "files_lost": False,
        "home_folder": {
            "used_bytes": None,
            "limit_bytes": 5 * 2**30,
            "used_percent": None,
            "level": "unknown",
            "limit_enforced": None,
            "measured_at": None,
            "measurement_unfinished": False,
        },
        "image": "Linux desktop",
        "size": "Small",
        "resource_quota": {"cpu": "0.5", "memory": "1500Mi", "storage": "5Gi"},
        "created_at": body["created_at"],
        "started_at": None,
        "expires_at": None,
        "access_info": body["access_info"],
    }
    assert body["created_at"].endswith("Z")


def test_in_the_language_of_the_reader(alice, make_desktop):
    address = f"pods/{make_desktop(alice, status=Status.STOPPED, reason='idle').object_name}"
    english, chinese = (script_of(alice).get(address, Accept_Language=code).json() for code in ("en", "zh-hans"))
    assert english["sentence"] != chinese["sentence"]
    assert {**english, "sentence": 0, "next_step": 0} == {**chinese, "sentence": 0, "next_step": 0}


def test_tells_of_a_crash_that_it_has_survived(alice, make_desktop):
    desktop = make_desktop(alice, status=Status.RUNNING, reason="restarted_screen")
    DesktopEvent.write(desktop, "restarted", reason="restarted_screen")
    body = script_of(alice).get(f"pods/{desktop.object_name}").json()
    assert body["status"] == "running"
    assert body["sentence"].startswith("The screen of the desktop crashed and its session was started again")
    [event] = script_of(alice).get(f"pods/{desktop.object_name}/events").json()["results"]
    assert event["kind"] == "restarted"
    assert body["sentence"] in event.values()


@pytest.mark.parametrize("status", Status.values)
def test_each_status_can_be_told(alice, make_desktop, status):
    body = script_of(alice).get(f"pods/{make_desktop(alice, status=status).object_name}").json()
    assert (body["status"], bool(body["sentence"])) == (status, status != Status.RUNNING)


def test_exposed_directly(alice, make_desktop, nodeport):
    access = script_of(alice).get(f"pods/{make_desktop(alice, **RUNNING).object_name}").json()["access_info"]
    desktop = Desktop.objects.get()
    assert access == {
        "host": "10.9.8.7",
        "vnc_port": 30001,
        "novnc_port": 30002,
        "ssh_port": 31001,
        "vnc_password": None,
        "url": f"http://testserver/desktops/{desktop.pk}/",
        "vnc_websocket": f"ws://testserver/ws/desktops/{desktop.pk}/vnc",
        "ssh_websocket": f"ws://testserver/ws/desktops/{desktop.pk}/ssh",
        "ways": [
            {"kind": "vnc", "address": "10.9.8.7:30001"},
            {"kind": "novnc", "address": "http://10.9.8.7:30002/vnc.html"},
            {"kind": "ssh", "address": "ssh -p 31001 void@10.9.8.7"},
        ],
    }


def test_without_ssh_nothing_of_ssh_is_told(alice, make_desktop, nodeport):
    script = script_of(alice, permissions=("vnc",))
    access = script.get(f"pods/{make_desktop(alice, **RUNNING).object_name}").json()["access_info"]
    assert (access["ssh_port"], access["ssh_websocket"]) == (None, None)
    assert [way["kind"] for way in access["ways"]] == ["vnc", "novnc"]


def test_the_password_is_never_part_of_it(alice, make_desktop, nodeport):
    desktop = make_desktop(alice, **RUNNING)
    answer = script_of(alice).get(f"pods/{desktop.object_name}")
    assert encryption.decrypt(desktop.vnc_password_sealed) not in answer.content.decode()


def test_unknown_query_is_refused_by_name(alice, make_desktop):
    answer = script_of(alice).get(f"pods/{make_desktop(alice).object_name}?watch=1")
    assert (answer.status_code, fields(answer)) == (422, ["watch"])


def test_strangers_find_nothing(alice, bob, admin, make_desktop):
    address = f"pods/{make_desktop(alice, status=Status.RUNNING).object_name}"
    assert script_of(alice).get(address).status_code == 200  # from now on the answer is cached
    assert [script_of(user).get(address).status_code for user in (bob, admin)] == [404, 404]
    assert script_of(None).get(address).status_code == 401


@pytest.mark.parametrize("name", ["vnc-nobody", "UPPER", "a_b", "-a", "a" * 64, "%00", "..", "a%2fb"])
def test_names_that_nobody_has(alice, name):
    answer = script_of(alice).get(f"pods/{name}")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


def test_wrong_method(alice, make_desktop):
    assert script_of(alice).post(f"pods/{make_desktop(alice).object_name}").status_code == 405


def test_a_token_for_one_desktop_sees_that_one(alice, make_desktop):
    mine, other = make_desktop(alice), make_desktop(alice, name="other")
    bound = script_of(alice, pod_name=mine.object_name)
    for part in ("", "/metrics"):
        assert bound.get(f"pods/{mine.object_name}{part}").status_code == 200
        assert bound.get(f"pods/{other.object_name}{part}").status_code == 404
