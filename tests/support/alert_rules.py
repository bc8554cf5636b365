"""Read the alert rules, and run the checkers of Debian's packages `prometheus` and `prometheus-alertmanager`."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from podesk_cli.folders import CHECKOUT

RULES = CHECKOUT / "k8s/parts/monitoring/rules/podesk.rules.yaml"


def alerts() -> dict[str, dict[str, Any]]:
    """Return each alert by its name."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def promtool(*arguments: str | Path) -> str:
    """Return what promtool prints. Fail if it finds a fault."""
    return _checked("promtool", *arguments)


def amtool(*arguments: str | Path) -> str:
    """Return what amtool prints. Fail if it finds a fault."""
    return _checked("amtool", *arguments)


def _checked(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
