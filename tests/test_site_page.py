"""The links of docs/site-vnc.md are valid, its commands match its overlay, and no other page is about that site."""

import re

import pytest
import yaml

from podesk_cli.folders import CHECKOUT

pytestmark = pytest.mark.once

PAGE = (CHECKOUT / "docs/site-vnc.md").read_text()
PLAN = PAGE.partition("## Where each step")[2]
OVERLAY = yaml.safe_load((CHECKOUT / "k8s/overlays/site-vnc/kustomization.yaml").read_text())
LINKS = sorted(set(re.findall(r"\]\(([^)\s]+)\)", PAGE)))
PRIVATE = re.compile(r"first design|183nfs|192\.168\.10\.|\b31290\b|\b30843\b")


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub makes of headings."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.M)}


@pytest.mark.parametrize("link", LINKS)
def test_link_leads_somewhere(link):
    path, _, anchor = link.partition("#")
    target = CHECKOUT / "docs" / path if path else CHECKOUT / "docs/site-vnc.md"
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
def test_each_step_of_the_plan_has_its_place(name):
    rows = [line for line in PLAN.splitlines() if line.startswith("|")]
    assert any(name in row.split("|")[1] and "](" in row.split("|")[2] for row in rows)


def test_commands_push_what_the_overlay_pulls():
    registry = re.search(r"^registry=(\S+)$", PAGE, re.MULTILINE)
    assert registry
    assert {image["newName"].rpartition("/")[0] for image in OVERLAY["images"]} == {registry[1]}
    assert {image["newTag"] for image in OVERLAY["images"] if "manager-api" in image["name"]} == {"1.0"}
    assert f"docker-server={registry[1].partition('/')[0]} " in PAGE


@pytest.mark.parametrize(
    "file", [CHECKOUT / "README.md", *(CHECKOUT / "docs").glob("*.md")], ids=lambda file: file.name
)
def test_no_other_page_is_about_one_site(file):
    found = PRIVATE.findall(file.read_text())
    assert file.name == "site-vnc.md" or not found
