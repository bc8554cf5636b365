"""Check that the installed Python packages are pinned and have no known vulnerability.

The advisories are in .ci/advisories.json, an excerpt of PyPA's advisory database, so that the check needs no internet.
docs/security.md says what it cannot find.

    .venv/bin/python .ci/dependencies.py [--renew CHECKOUT_OF_PYPA_ADVISORY_DATABASE | --pin]

--pin writes constraints.txt: the installed versions of all dependencies of the packages in requirements*.txt.
--renew reads the advisories of all packages from a checkout of that database.
"""

import json
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import yaml
from packaging.version import Version

CONSTRAINTS = Path("constraints.txt")
HEAD = "# What requirements*.txt need in turn, as tested. Written by `.venv/bin/python .ci/dependencies.py --pin`."
WITH_PYTHON = {"pip", "setuptools"}  # Python installs these into each virtualenv
EXCERPT = Path(__file__).parent / "advisories.json"
ASSESSED = {
    "PYSEC-2023-228": "pip installs nothing from Mercurial here and is not part of the product",
    "PYSEC-2022-43012": "setuptools reads no untrusted index pages here and is not part of the product",
}


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--renew"]:
        renew(Path(arguments[1]))
    if arguments[:1] == ["--pin"]:
        pin()
    excerpt = json.loads(EXCERPT.read_text())
    packages = installed()
    faults = [each for each in excerpt["advisories"] if hits(each, packages.get(each["package"]))]
    for fault in faults:
        answer = ASSESSED.get(fault["id"], "NOT ASSESSED")
        print(f"{fault['id']} {' '.join(fault['aliases'])} {fault['package']} {packages[fault['package']]}: {answer}")
    unknown = not_looked_up(excerpt["packages"])
    print(f"{len(packages)} packages, {len(excerpt['advisories'])} advisories up to {excerpt['date']}.")
    print(age(date.fromisoformat(excerpt["date"]), datetime.now(UTC).date()))
    print(f"Missing in the excerpt (run --renew): {', '.join(unknown) or 'none'}.")
    any_version = pinned_nowhere(named_in(CONSTRAINTS))
    print(f"Neither in requirements*.txt nor in constraints.txt (run --pin): {', '.join(any_version) or 'none'}.")
    print(f"Older than the newest version on the index: {', '.join(outdated()) or 'none'}.")
    return 1 if unknown or any_version or any(fault["id"] not in ASSESSED for fault in faults) else 0


def age(newest: date, today: date) -> str:
    """Return a sentence with the age of the advisories."""
    days = (today - newest).days
    return f"The advisories are {days} days old. The workflow `weekly`, which has internet access, checks newer ones."


def not_looked_up(known: list[str]) -> list[str]:
    """Return the pinned and installed packages, including indirect dependencies, that the excerpt does not cover."""
    return sorted((pinned() | set(installed())) - set(known))


def pinned_nowhere(constrained: set[str]) -> list[str]:
    return sorted(set(installed()) - pinned() - constrained - WITH_PYTHON)


def installed() -> dict[str, str]:
    return {plain(each.metadata["Name"]): each.version for each in distributions()}


def pinned() -> set[str]:
    return {name for file in Path().glob("requirements*.txt") for name in named_in(file)}


def named_in(file: Path) -> set[str]:
    found = re.findall(r"^[A-Za-z0-9][\w.-]*", file.read_text(), re.MULTILINE)
    return {plain(name) for name in found}


def pin() -> None:
    """Write constraints.txt. Entries that are not installed stay, because another Python version may need them."""
    before = dict(re.findall(r"^([\w.-]+)==(\S+)", CONSTRAINTS.read_text(), re.MULTILINE))
    indirect = {name: version for name, version in installed().items() if name not in pinned() | WITH_PYTHON}
    versions = before | indirect
    CONSTRAINTS.write_text("\n".join([HEAD, *(f"{name}=={versions[name]}" for name in sorted(versions)), ""]))


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def hits(advisory: dict[str, Any], version: str | None) -> bool:
    if version is None:
        return False
    return version in advisory["versions"] or any(within(each, Version(version)) for each in advisory["ranges"])


def within(events: list[dict[str, str]], version: Version) -> bool:
    """Say whether a version is in an OSV range. Each event of the range applies from its version on."""
    inside = False
    for event in events:
        kind, at = next(iter(event.items()))
        if kind == "introduced" and (at == "0" or version >= Version(at)):
            inside = True
        elif (kind == "fixed" and version >= Version(at)) or (kind == "last_affected" and version > Version(at)):
            inside = False
    return inside


def outdated() -> list[str]:
    """Return the packages with a newer version, which may fix faults without an advisory here.

    Empty also when the index does not answer.
    """
    command = [sys.executable, "-m", "pip", "list", "--outdated", "--format=json", "--disable-pip-version-check"]
    output = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False).stdout
    return [f"{each['name']} {each['version']} ({each['latest_version']})" for each in json.loads(output or "[]")]


def renew(database: Path) -> None:
    packages = sorted(set(installed()) | named_in(CONSTRAINTS))
    found = [each for name in packages for each in advisories(database / "vulns" / name)]
    command = ["git", "-C", str(database), "log", "-1", "--format=%H %cs"]
    commit, newest = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    source = "https://github.com/pypa/advisory-database, CC-BY-4.0"
    excerpt = {"source": source, "commit": commit, "date": newest, "packages": packages, "advisories": found}
    EXCERPT.write_text(json.dumps(excerpt, indent=1) + "\n")


def advisories(folder: Path) -> list[dict[str, Any]]:
    entries = [yaml.safe_load(file.read_text()) for file in sorted(folder.glob("*.yaml"))]
    return [excerpt for each in entries if "withdrawn" not in each for excerpt in excerpts(each, folder.name)]


def excerpts(advisory: dict[str, Any], package: str) -> list[dict[str, Any]]:
    """Return the parts of an advisory that the check needs. Keeps the list of versions only if there are no ranges."""
    made = []
    for affected in advisory["affected"]:
        ranges = [each["events"] for each in affected.get("ranges", ()) if each["type"] == "ECOSYSTEM"]
        versions = [] if ranges else affected.get("versions", [])
        about = {"id": advisory["id"], "aliases": advisory.get("aliases", []), "package": package}
        made.append(about | {"ranges": ranges, "versions": versions})
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
