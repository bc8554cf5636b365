"""On one machine there is no cluster, so no sentence that can appear there mentions one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.admin import site
from django.urls import reverse
from django.utils.translation import override
from django_rq.models import Dashboard

from desktops.lifecycle.running_notes import INCOMPLETE
from desktops.models import DesktopEvent, Status
from desktops.runtimes.local.local_runtime import LocalRuntime
from desktops.wording import timeline
from desktops.wording.reasons import REASONS

CLUSTER = {"en": "cluster", "zh-hans": "集群"}
# Written for every runtime, or by the local one.
SHARED = ["desktops/runtimes/base.py", "desktops/runtimes/local", "desktops/lifecycle", "desktops/wording/diagnosis.py"]


def sources() -> Iterator[Path]:
    for place in (Path(settings.BASE_DIR) / name for name in SHARED):
        yield from [place] if place.is_file() else place.glob("*.py")


def reasons_on_one_machine() -> set[str]:
    """Return the reasons that shared code or the local runtime names. Local desktops have no parts to lose."""
    words = {node.value for path in sources() for node in ast.walk(ast.parse(path.read_text())) if is_text(node)}
    return (words & set(REASONS)) - set(INCOMPLETE)


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_reasons_are_found():
    assert {"volume_lost", "volume_going", "still_stopping", "stop_refused", "idle"} <= reasons_on_one_machine()


@pytest.mark.parametrize("language", CLUSTER)
@pytest.mark.parametrize("slug", sorted(reasons_on_one_machine()))
def test_reason(slug, language):
    why = REASONS[slug]
    with override(language):
        said = f"{why.sentence} {why.next_step} {why.waiting} {why.exactly}"
    assert CLUSTER[language] not in said.lower()


@pytest.mark.parametrize("language", CLUSTER)
def test_timeline(language):
    kinds = {*LocalRuntime.steps, *Status.values, "queued", "restarted", "restarting", "waiting"}
    with override(language):
        said = " ".join(timeline.sentence(kind) for kind in kinds)
    assert CLUSTER[language] not in said.lower()


@pytest.fixture
def browser(client_for, admin):
    return client_for(admin)


def shown(browser, address: str, language: str) -> str:
    answer = browser.get(address, headers={"Accept-Language": language})
    assert answer.status_code == 200
    return answer.content.decode().lower()


@pytest.mark.parametrize("language", CLUSTER)
def test_pages_of_a_desktop_that_lost_its_files(language, browser, admin, make_desktop):
    desktop = make_desktop(admin, status=Status.FAILED, reason="volume_lost")
    DesktopEvent.write(desktop, "failed", reason="volume_lost")
    for address in ("/?new", f"/desktops/{desktop.pk}/"):
        assert CLUSTER[language] not in shown(browser, address, language)


@pytest.mark.parametrize("language", CLUSTER)
@pytest.mark.parametrize("page", ["changelist", "add"])
def test_administration(page, language, browser):
    for model in set(site._registry) - {Dashboard}:
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}")
        if browser.get(address).status_code == 200:  # most rows cannot be added there
            assert CLUSTER[language] not in shown(browser, address, language)
