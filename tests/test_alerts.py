"""Each alert fires on series that should fire it, says so in a sentence, and has a chapter in the runbook."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from podesk_cli.folders import CHECKOUT
from tests.support.alert_cases import CASES, Case, Series
from tests.support.alert_rules import RULES, alerts, promtool
from tests.support.metrics import documented

pytestmark = pytest.mark.once

RUNBOOK = (CHECKOUT / "docs/runbook.md").read_text()
CHAPTERS = re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)[1:]
HEADINGS = [chapter.splitlines()[0] for chapter in CHAPTERS]


def check(folder: Path, case: Case, series: Series, expected: dict[str, list[dict[str, Any]]]) -> None:
    """Let promtool compare the alerts that fire at the case's time with the expected ones."""
    tests = [{"alertname": name, "eval_time": case.at, "exp_alerts": found} for name, found in expected.items()]
    group = {
        "interval": case.interval,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": tests,
    }
    file = folder / "test.yaml"
    asked = {"rule_files": [str(RULES)], "evaluation_interval": case.interval, "tests": [group]}
    file.write_text(yaml.safe_dump(asked))
    promtool("test", "rules", file)


def test_rules_are_valid():
    assert f"{len(alerts())} rules found" in promtool("check", "rules", RULES)


def test_each_alert_has_series_that_fire_it_and_series_that_do_not():
    assert list(CASES) == list(alerts())
    assert [name for name, case in CASES.items() if not case.fires or not case.silent] == []


@pytest.mark.parametrize("name", CASES)
def test_fires_with_a_sentence(name, tmp_path):
    case, rule = CASES[name], alerts()[name]
    found = {
        "exp_labels": rule["labels"] | case.labels,
        "exp_annotations": rule["annotations"] | {"description": case.description},
    }
    check(tmp_path, case, case.fires, {name: [found]})


@pytest.mark.parametrize("name", CASES)
def test_does_not_fire(name, tmp_path):
    case = CASES[name]
    check(tmp_path, case, case.silent, {name: []})


@pytest.mark.parametrize("name", CASES)
def test_says_how_bad_it_is_and_where_to_read_on(name):
    rule = alerts()[name]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"


def test_runbook_has_a_chapter_for_each_alert_in_the_same_order():
    assert [heading for heading in HEADINGS if heading.startswith("Podesk")] == list(alerts())


@pytest.mark.parametrize("name", CASES)
def test_chapter_has_what_an_operator_needs(name):
    chapter = CHAPTERS[HEADINGS.index(name)]
    assert [part for part in ("**What it means.**", "**Look.**", "**Do.**") if part not in chapter] == []


def test_alerts_ask_only_for_metrics_and_labels_that_exist():
    rows = documented()
    for name, rule in alerts().items():
        for metric, labels in re.findall(r"(podesk_\w+)(?:\{(.*?)\})?", rule["expr"]):
            row = rows.get(metric) or rows[re.sub(r"_(bucket|count)$", "", metric)]
            assert set(re.findall(r"(\w+)=", labels)) <= row.labels, name
