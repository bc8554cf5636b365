"""Read docs/operations.md, and run its commands as an administrator would."""

import re
import subprocess
import time
from pathlib import Path

from podesk_cli.folders import CHECKOUT

PAGE = (CHECKOUT / "docs/operations.md").read_text()


def chapter(heading: str) -> str:
    """Return the text below this heading, up to the next heading of the same or a higher level."""
    parts = re.split(r"(```.*?```)", PAGE, flags=re.DOTALL)
    parts[1::2] = [block.replace("\n# ", "\n ## ") for block in parts[1::2]]  # shell comments are no headings
    page = "".join(parts)
    found = re.search(rf"^(#+) {re.escape(heading)}$", page, re.MULTILINE)
    assert found, heading
    return re.split(rf"^#{{1,{len(found[1])}}} ", page[found.end() :], maxsplit=1, flags=re.MULTILINE)[0]


def commands(heading: str) -> list[str]:
    """Return the commands of all shell blocks in this chapter, without comments and with continued lines joined."""
    blocks = re.findall(r"```sh\n(.*?)```", chapter(heading), re.DOTALL)
    lines = re.sub(r"\\\n *", "", "".join(blocks)).splitlines()
    return [command for line in lines if (command := re.sub(r"(^|\s+)##? .*", "", line))]


def table_row(heading: str, first: str) -> list[str]:
    """Return the cells of the row that begins with the cell `first` in this chapter."""
    found = next(line for line in chapter(heading).splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", found)[1:-1]]


def typed(command: str, folder: Path) -> str:
    """Run a command in a shell in this folder, and return its output.

    It retries for a minute, because metrics, for example, are available some seconds after a pod has started.
    """
    until = time.monotonic() + 60
    while True:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )
        nothing_found = "| grep" in command and (done.returncode, "rror" in done.stderr) == (1, False)
        if done.returncode == 0 or nothing_found:
            return done.stdout
        assert time.monotonic() < until, f"{command}\n{done.stdout}{done.stderr}"
        time.sleep(2)
