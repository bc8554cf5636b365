"""Read the alert rules, and run promtool, the checker of Debian's package `prometheus`."""

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
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
