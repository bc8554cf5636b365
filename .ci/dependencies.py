"""Is what is installed what was tested, and are there known faults in it? The latter is told from .ci/advisories.json,
an excerpt of PyPA's advisory database, so that it can be asked without the internet. What it cannot know: see
docs/security.md.

    .venv/bin/python .ci/dependencies.py [--renew CHECKOUT_OF_PYPA_ADVISORY_DATABASE | --pin]

--pin writes constraints.txt: the versions, as they are installed now, of all that came along with requirements*.txt.
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
WITH_PYTHON = {"pip", "setuptools"}  # put into a virtualenv by Python itself
EXCERPT = Path(__file__).parent / "advisories.json"
ANSWERED = {
    "PYSEC-2023-228": "pip installs nothing from Mercurial here, and is no part of what runs",
    "PYSEC-2022-43012": "setuptools reads no foreign index pages here, and is no part of what runs",
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
        answer = ANSWERED.get(fault["id"], "NOT ANSWERED")
        print(f"{fault['id']} {' '.join(fault['aliases'])} {fault['package']} {packages[fault['package']]}: {answer}")
    unknown = not_looked_up(excerpt["packages"])
    print(f"{len(packages)} packages, {len(excerpt['advisories'])} advisories of {excerpt['date']} and before.")
    print(age(date.fromisoformat(excerpt["date"]), datetime.now(UTC).date()))
    print(f"Not looked up when the excerpt was made, which --renew does: {', '.join(unknown) or 'none'}.")
    any_version = pinned_nowhere(named_in(CONSTRAINTS))
    print(f"In no requirements and not in constraints.txt, which --pin mends: {', '.join(any_version) or 'none'}.")
    print(f"Older than the newest that the index offers: {', '.join(outdated()) or 'none'}.")
    return 1 if unknown or any_version or any(fault["id"] not in ANSWERED for fault in faults) else 0


def age(newest: date, today: date) -> str:
    """Say how old the knowledge is, in every run."""
    days = (today - newest).days
    return (
        f"This knowledge is {days} days old. What is newer is found by the workflow `weekly`, which asks the internet."
    )


def not_looked_up(known: list[str]) -> list[str]:
    """Also what came along with what is pinned, of which nobody chose the version."""
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
    """What is there and not installed stays: another Python needs it, as Debian's 3.11.2 does async-timeout."""
    before = dict(re.findall(r"^([\w.-]+)==(\S+)", CONSTRAINTS.read_text(), re.MULTILINE))
    came_along = {name: version for name, version in installed().items() if name not in pinned() | WITH_PYTHON}
    versions = before | came_along
    CONSTRAINTS.write_text("\n".join([HEAD, *(f"{name}=={versions[name]}" for name in sorted(versions)), ""]))


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def hits(advisory: dict[str, Any], version: str | None) -> bool:
    if version is None:
        return False
    return version in advisory["versions"] or any(within(each, Version(version)) for each in advisory["ranges"])


def within(events: list[dict[str, str]], version: Version) -> bool:
    """Of an OSV range: each event says from which version on it is so."""
    inside = False
    for event in events:
        kind, at = next(iter(event.items()))
        if kind == "introduced" and (at == "0" or version >= Version(at)):
            inside = True
        elif (kind == "fixed" and version >= Version(at)) or (kind == "last_affected" and version > Version(at)):
            inside = False
    return inside


def outdated() -> list[str]:
    """Newer ones may mend what no advisory here tells of. Empty also when the index does not answer."""
    command = [sys.executable, "-m", "pip", "list", "--outdated", "--format=json", "--disable-pip-version-check"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False).stdout
    return [f"{each['name']} {each['version']} ({each['latest_version']})" for each in json.loads(said or "[]")]


def renew(database: Path) -> None:
    packages = sorted(set(installed()) | named_in(CONSTRAINTS))
    found = [each for name in packages for each in advisories(database / "vulns" / name)]
    command = ["git", "-C", str(database), "log", "-1", "--format=%H %cs"]
    commit, newest = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    source = "https://github.com/pypa/advisory-database, CC-BY-4.0"
    told = {"source": source, "commit": commit, "date": newest, "packages": packages, "advisories": found}
    EXCERPT.write_text(json.dumps(told, indent=1) + "\n")


def advisories(folder: Path) -> list[dict[str, Any]]:
    told = [yaml.safe_load(file.read_text()) for file in sorted(folder.glob("*.yaml"))]
    return [excerpt for each in told if "withdrawn" not in each for excerpt in excerpts(each, folder.name)]


def excerpts(advisory: dict[str, Any], package: str) -> list[dict[str, Any]]:
    """Versions are listed beside the ranges; kept where there are no ranges to tell from."""
    made = []
    for affected in advisory["affected"]:
        ranges = [each["events"] for each in affected.get("ranges", ()) if each["type"] == "ECOSYSTEM"]
        versions = [] if ranges else affected.get("versions", [])
        about = {"id": advisory["id"], "aliases": advisory.get("aliases", []), "package": package}
        made.append(about | {"ranges": ranges, "versions": versions})
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
