"""How a benchmark is asked and how it tells: a table in bench/results, with the machine it was measured on."""

import argparse
import os
import platform
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


def rounds_asked(description: str | None, default: int) -> int:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=default)
    return int(parser.parse_args().rounds)


def tell(name: str, lines: list[str], rounds: int) -> None:
    """Prints the table and writes bench/results/<name>.md, with "-" for each "." of the name."""
    load = os.getloadavg()[2]
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {rounds} rounds, load {load:.1f}"
    title = name.replace(".", " ").capitalize()
    text = f"# {title}\n\n`python -m bench.{name}`, {machine}.\n\n" + "\n".join(lines) + "\n"
    (RESULTS / f"{name.replace('.', '-')}.md").write_text(text)
    print(text)


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
