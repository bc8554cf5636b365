"""docs/operations.md: what it points at is there. What it tells to type is typed in tests/cluster/test_deployed.py."""

import re

import pytest

from frontdoor.place import CHECKOUT
from tests.support.operations_page import PAGE, chapter

LINKS = sorted(set(re.findall(r"\]\(([^)\s]+)\)", PAGE)))


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.M)}


@pytest.mark.parametrize("link", LINKS)
def test_link_leads_somewhere(link):
    path, _, anchor = link.partition("#")
    target = CHECKOUT / "docs" / path if path else CHECKOUT / "docs/operations.md"
    assert target.exists()
    assert not anchor or anchor in anchors(target.read_text())


@pytest.mark.parametrize(
    "name",
    [
        *("namespace", "redis.yaml", "postgres.yaml", "manager-api", "void-desktop"),
        *("rbac.yaml", "configmap.yaml", "secret.yaml", "deployment.yaml", "service.yaml", "ingress.yaml"),
        *("vnc-pod-template.yaml", "7.1", "7.2"),
    ],
)
def test_each_step_of_the_first_design_has_a_place(name):
    rows = [line for line in chapter("From the first design to here").splitlines() if line.startswith("|")]
    assert any(name in row.split("|")[1] and "](" in row.split("|")[2] for row in rows)
