"""The version is written only in pyproject.toml, and all places that show a version use it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
DOCKERFILES = ("docker/Dockerfile", "docker/Dockerfile.vnc")


@pytest.mark.parametrize("path", ["/accounts/login/", "/nothing/here/"])
def test_footer(db, client, path):
    footer = client.get(path).content.decode().split("<footer", 1)[1].split("</footer>")[0]
    assert f"Podesk {VERSION}" in footer


def test_footer_of_signed_in_people(client_for, admin):
    footer = client_for(admin).get("/", follow=True).content.decode().split("<footer", 1)[1].split("</footer>")[0]
    assert f"Podesk {VERSION}" in footer


def test_footer_of_the_page_that_has_no_request():
    from django.template.loader import render_to_string

    assert f"Podesk {VERSION}" in render_to_string("500.html")


def test_readyz(db, client):
    assert client.get("/readyz").json()["version"] == VERSION


def test_api_schema(settings):
    assert settings.SPECTACULAR_SETTINGS["VERSION"] == VERSION
    assert yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())["info"]["version"] == VERSION


def test_command_line():
    said = subprocess.run([sys.executable, "podesk", "--version"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout == f"Podesk {VERSION}\n"


@pytest.mark.parametrize("path", DOCKERFILES)
def test_image_labels(path):
    last_stage = (ROOT / path).read_text().rsplit("\nFROM ", 1)[1]
    assert re.findall(r"^ARG VERSION=(.*)$", last_stage, re.MULTILINE) == [VERSION]
    assert 'org.opencontainers.image.version="${VERSION}"' in last_stage


def test_portal_image_holds_what_the_version_is_read_from():
    assert re.search(r"^COPY .*\bpyproject\.toml\b", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE)


def test_newest_release_in_the_changelog():
    released = re.findall(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == VERSION
