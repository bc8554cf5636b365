"""The links of docs/operations.md are valid. tests/cluster/test_deployed.py runs its commands."""

import re

import pytest

from podesk_cli.folders import CHECKOUT
from tests.support.operations_page import PAGE

LINKS = sorted(set(re.findall(r"\]\(([^)\s]+)\)", PAGE)))


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub makes of headings."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.M)}


@pytest.mark.parametrize("link", LINKS)
def test_link_leads_somewhere(link):
    path, _, anchor = link.partition("#")
    target = CHECKOUT / "docs" / path if path else CHECKOUT / "docs/operations.md"
    assert target.exists()
    assert not anchor or anchor in anchors(target.read_text())
