"""A refusal by the cluster's admission is shown with its numbers wherever a failed desktop is shown."""

import pytest

from desktops.lifecycle import jobs
from desktops.models import Desktop, Status
from desktops.runtimes.base import RuntimeFault
from desktops.wording import reasons

pytestmark = pytest.mark.once

FACTS = {"what": "memory", "asked": "4Gi", "limit": "2Gi"}
SAID = "This desktop requests 4Gi memory, and the cluster allows at most 2Gi for one desktop."


@pytest.fixture
def refused(scripted_runtime, make_desktop, alice) -> Desktop:
    def start(spec, *, deadline):
        raise RuntimeFault("above_limit", "maximum memory usage per Container is 2Gi, but limit is 4Gi", facts=FACTS)

    scripted_runtime.start = start
    desktop = make_desktop(alice, status=Status.PENDING)
    jobs.start_desktop(str(desktop.pk))
    desktop.refresh_from_db()
    assert (desktop.status, desktop.reason, desktop.reason_facts) == (Status.FAILED, "above_limit", FACTS)
    return desktop


def test_on_the_page_and_in_its_timeline(refused, client_for, alice):
    page = client_for(alice).get(f"/desktops/{refused.pk}/").content.decode()
    assert page.count(SAID) >= 2


def test_in_the_api(refused, api_for, alice):
    scripted_runtime = api_for(alice).get(f"/api/v1/pods/{refused.object_name}").json()
    assert (scripted_runtime["reason"], scripted_runtime["sentence"]) == ("above_limit", SAID)
    assert "another size" in scripted_runtime["next_step"]


def test_in_the_list_of_desktops(refused, make_desktop, client_for, alice):
    make_desktop(alice, name="second")
    assert SAID in client_for(alice).get("/").content.decode()


def test_for_administrators(refused, client_for, admin):
    assert SAID in client_for(admin).get(f"/admin/desktops/desktop/{refused.pk}/change/").content.decode()


def test_a_new_start_forgets_it(refused, client_for, alice):
    client_for(alice).post(f"/desktops/{refused.pk}/start/")
    refused.refresh_from_db()
    assert refused.reason_facts == {}


@pytest.mark.parametrize("slug", [slug for slug, why in reasons.REASONS.items() if why.exactly])
def test_without_facts_each_reason_has_a_plain_sentence(slug):
    plain = str(reasons.reason(slug).sentence)
    assert reasons.sentence(slug, {}) == reasons.sentence(slug, {"another": "reason's"}) == plain
