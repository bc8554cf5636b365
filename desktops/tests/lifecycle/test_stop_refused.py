"""When the cluster refuses to end a desktop, the page and the API say so with the cluster's own words."""

import pytest

from desktops.lifecycle import jobs
from desktops.models import Desktop, Status
from desktops.runtimes.base import RuntimeFault
from desktops.tests.support.api_client import script_of

pytestmark = pytest.mark.django_db
DENIED = RuntimeFault("admission_denied", "denied", facts={"words": "no deletions before noon"})


@pytest.fixture(params=[Status.STOPPING, Status.DELETING])
def ending(request, make_desktop, alice) -> Desktop:
    return make_desktop(alice, status=request.param, reason="idle")


def stopped_by_a_worker(desktop: Desktop) -> dict:
    jobs.stop_desktop(str(desktop.pk))
    return script_of(desktop.owner).get(f"pods/{desktop.object_name}").json()


def test_is_said_with_the_clusters_words_and_what_to_do(ending, scripted_runtime, client_for, alice):
    scripted_runtime.unstoppable = DENIED
    body = stopped_by_a_worker(ending)
    assert "cannot end this desktop" in body["sentence"]
    assert "no deletions before noon" in body["sentence"]
    assert "Ask an administrator" in body["next_step"]
    assert "no deletions before noon" in client_for(alice).get(f"/desktops/{ending.pk}/").content.decode()
    ending.refresh_from_db()
    assert ending.reason == "idle"  # why it is stopped stays


def test_is_no_longer_said_once_the_cluster_lets_it_end(ending, scripted_runtime):
    scripted_runtime.unstoppable = DENIED
    stopped_by_a_worker(ending)
    scripted_runtime.unstoppable = None
    assert "cannot end" not in stopped_by_a_worker(ending)["sentence"]
    ending.refresh_from_db()
    assert ending.reason_facts == {}


def test_a_stop_that_only_takes_time_is_no_refusal(ending, scripted_runtime):
    scripted_runtime.unstoppable = RuntimeFault("still_stopping", "waited", permanent=False)
    assert "cannot end" not in stopped_by_a_worker(ending)["sentence"]
