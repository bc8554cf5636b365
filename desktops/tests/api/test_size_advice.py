"""Tests of GET /api/v1/admin/reports/size-advice and POST /api/v1/admin/pods/<pod_name>/resize."""

from decimal import Decimal

import pytest

from desktops.models import Desktop, Status
from desktops.tests.selectors.test_size_advice import ran

ADVICE = "/api/v1/admin/reports/size-advice"


@pytest.fixture
def script(admin, api_for):
    return api_for(admin)


@pytest.fixture
def large(alice, make_desktop) -> Desktop:
    return make_desktop(alice, cpu=Decimal(4), memory_mib=8192, status=Status.RUNNING)


def resize(script, desktop: Desktop, **body):
    address = f"/api/v1/admin/pods/{desktop.object_name}/resize"
    return script.post(address, body, content_type="application/json")


def test_advice_that_is_taken(script, large):
    ran(large, cpu=0.6, memory=1200)
    [found] = script.get(ADVICE).json()["results"]
    assert (found["pod_name"], found["owner"]["username"], found["hours"]) == (large.object_name, "alice", 20)
    assert (found["cpu_max"], found["memory_mib_max"]) == (0.6, 1200)
    assert found["proposed"] == {"cpu": "1", "memory": "2Gi"}
    answer = resize(script, large, **found["proposed"])
    assert answer.json() == {
        "pod_name": large.object_name,
        "reserved": {"cpu": "4", "memory": "8Gi"},
        "from_next_start": {"cpu": "1", "memory": "2Gi"},
    }
    assert script.get(ADVICE).json() == {"days": 30, "least_hours": 10, "share": 0.5, "results": []}


def test_at_rest(script, large):
    Desktop.objects.update(status=Status.STOPPED)
    assert resize(script, large, cpu="500m", memory="512Mi").json()["reserved"] == {"cpu": "0.5", "memory": "512Mi"}


def test_larger_while_it_runs(script, large):
    answer = resize(script, large, cpu="8", memory="8Gi")
    assert (answer.status_code, answer.json()["slug"]) == (409, "larger_while_active")


@pytest.mark.parametrize("body", [{}, {"cpu": "1"}, {"memory": "1Gi"}, {"cpu": "0", "memory": "1Gi"}])
def test_bad_body(script, large, body):
    assert resize(script, large, **body).status_code == 422
