"""docs/operations.md as somebody reads it who types what stands there."""

import re
import subprocess
import time
from pathlib import Path

from podesk_cli.folders import CHECKOUT

PAGE = (CHECKOUT / "docs/operations.md").read_text()


def chapter(heading: str) -> str:
    """What stands below that heading, up to the next one of its rank or a higher one."""
    parts = re.split(r"(```.*?```)", PAGE, flags=re.DOTALL)
    parts[1::2] = [block.replace("\n# ", "\n ## ") for block in parts[1::2]]  # comments of a shell are no headings
    page = "".join(parts)
    found = re.search(rf"^(#+) {re.escape(heading)}$", page, re.MULTILINE)
    assert found, heading
    return re.split(rf"^#{{1,{len(found[1])}}} ", page[found.end() :], maxsplit=1, flags=re.MULTILINE)[0]


def commands(heading: str) -> list[str]:
    """Of all shell blocks in that chapter, each with its continued lines; without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", chapter(heading), re.DOTALL)
    lines = re.sub(r"\\\n *", "", "".join(blocks)).splitlines()
    return [command for line in lines if (command := re.sub(r"(^|\s+)##? .*", "", line))]


def table_row(heading: str, first: str) -> list[str]:
    """The cells of the row that begins with that cell, in that chapter."""
    found = next(line for line in chapter(heading).splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", found)[1:-1]]


def typed(command: str, folder: Path) -> str:
    """In a shell, in that folder; what it printed. Again for a minute: figures, say, are there seconds after a pod."""
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
