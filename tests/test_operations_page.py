"""The links of the pages for operators are valid. tests/cluster/test_deployed.py runs the commands of operations.md."""

import re

import pytest

from podesk_cli.folders import CHECKOUT

pytestmark = pytest.mark.once

PAGES = ("operations.md", "runbook.md", "monitoring.md")
LINKS = sorted(
    (page, link)
    for page in PAGES
    for link in set(re.findall(r"\]\(([^)\s]+)\)", (CHECKOUT / "docs" / page).read_text()))
)


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub makes of headings."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.M)}


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_link_leads_somewhere(page, link):
    path, _, anchor = link.partition("#")
    target = CHECKOUT / "docs" / path if path else CHECKOUT / "docs" / page
    assert target.exists()
    assert not anchor or anchor in anchors(target.read_text())
