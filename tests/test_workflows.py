"""The workflows on GitHub and GitLab use pinned actions, few permissions, and the steps of .ci/run."""

import re
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def workflow(request) -> Path:
    return request.param


def test_there_are_workflows():
    assert [each.stem for each in WORKFLOWS] == ["ci", "release", "weekly"]


def test_actions_are_pinned_by_commit_and_say_their_version(workflow):
    used = re.findall(r"uses: (.*)", workflow.read_text())
    wrong = [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)]
    assert used
    assert wrong == []


def test_rights_are_named_by_each_job(workflow):
    content = yaml.safe_load(workflow.read_text())
    assert content["permissions"] == {}
    assert all("permissions" in job for job in content["jobs"].values())


def test_oldest_and_newest_kubernetes_are_those_of_the_docs():
    said = re.search(r"^\| Kubernetes \| ([\d.]+) to ([\d.]+)", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    matrix = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["ci"]["strategy"]["matrix"]
    assert [each["kubernetes"] for each in matrix["include"]] == list(said.groups())
    gitlab = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text())["ci"]["parallel"]["matrix"][0]["KIND_NODE_IMAGE"]
    assert [re.search(r":v(\d+\.\d+)", each)[1] for each in gitlab] == list(said.groups())


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", ".gitlab-ci.yml"])
def test_ci_runs_what_developers_run(path):
    assert re.search(r"\.ci/run\b", (ROOT / path).read_text())


def test_hooks_before_a_commit_name_what_is_there():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert {each["id"] for each in hooks} == {"ruff-check", "ruff-format", "mypy", "import-linter", "prose"}
    assert (ROOT / ".ci/production").stat().st_mode & 0o100
