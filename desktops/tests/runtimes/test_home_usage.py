"""A session measures its home folder and warns its owner; the portal reads the measurement from the log."""

import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from desktops.runtimes.home_usage import HomeUsage, last_measurement, without_measurements
from desktops.runtimes.local import session_commands
from desktops.tests.support.runtime_specs import until

MIB = 2**20


@pytest.fixture
def home(tmp_path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def measuring(tmp_path, home):
    """Return a function that runs the session's script, with a `notify-send` that writes down what it is to show."""
    programs = tmp_path / "programs"
    programs.mkdir()
    notify = programs / "notify-send"
    notify.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >>"$NOTICES"\n')
    notify.chmod(0o755)
    running = []

    def run(*arguments: str, size_gib: int, language: str = "C.UTF-8") -> SimpleNamespace:
        log, notices = tmp_path / "log", tmp_path / "notices"
        notices.touch()
        environment = {
            "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home), "LANG": language,
            "PODESK_STORAGE_GIB": str(size_gib), "NOTICES": str(notices),
        }  # fmt: skip
        script = session_commands.publish(tmp_path) / "home-usage"
        with log.open("w") as output:
            running.append(subprocess.Popen(["bash", script, *arguments], stdout=output, env=environment))
        measured = until(lambda: last_measurement(log.read_text()), what="a measurement")
        return SimpleNamespace(measured=measured, notices=notices, process=psutil.Process(running[-1].pid))

    yield run
    for process in running:
        process.terminate()
        process.wait(10)


def blocks(folder: Path) -> int:
    """Return what the files occupy, each once."""
    found = {(stat := path.lstat()).st_ino: stat.st_blocks * 512 for path in (folder, *folder.rglob("*"))}
    return sum(found.values())


def test_it_measures_blocks_and_each_file_once(measuring, home):
    (home / "work").mkdir()
    (home / "work" / "data").write_bytes(os.urandom(3 * MIB))
    (home / "same data").hardlink_to(home / "work" / "data")
    (home / "-odd\nname").write_bytes(b"x")
    (home / "link").symlink_to("/usr")
    os.mkfifo(home / "fifo")
    with (home / "sparse").open("wb") as sparse:
        sparse.truncate(50 * 2**30)
    found = measuring("0", size_gib=1).measured
    assert found.used_bytes == blocks(home)
    assert 3 * MIB < found.used_bytes < 4 * MIB
    assert 0 <= (datetime.now(UTC) - found.measured_at).total_seconds() < 60
    system = os.statvfs(home)
    assert found.usable_bytes == pytest.approx(
        (system.f_blocks - system.f_bfree + system.f_bavail) * system.f_frsize, rel=0.02
    )


def test_a_measurement_that_takes_too_long_is_ended_and_reported(measuring):
    found = measuring("0", "0.001", size_gib=1).measured
    assert (found.used_bytes, found.usable_bytes) == (None, None)


@pytest.mark.parametrize(
    ("used_mib", "language", "title"),
    [
        (700, "C.UTF-8", None),
        (850, "C.UTF-8", "Your home folder uses 83 % of its size"),
        (1000, "C.UTF-8", "Your home folder uses 97 % of its size"),
        (1000, "zh_CN.UTF-8", "您的主文件夹已用其容量的 97%"),
    ],
)
def test_a_notice_before_the_folder_is_full(measuring, home, used_mib, language, title):
    with (home / "large").open("wb") as large:
        os.posix_fallocate(large.fileno(), 0, used_mib * MIB)
    run = measuring("0", size_gib=1, language=language)
    until(lambda: "sleep" in {child.name() for child in run.process.children()}, what="the end of the round")
    assert [line for line in run.notices.read_text().splitlines() if "%" in line] == ([title] if title else [])


AT = datetime(2026, 3, 2, 9, 15, 20, tzinfo=UTC)
SECONDS = int(AT.timestamp())


@pytest.mark.parametrize(
    ("log", "found"),
    [
        ("", None),
        (f"hello\npodesk-home-usage: {SECONDS} 5 7\n", HomeUsage(AT, 5, 7)),
        (f"podesk-home-usage: 1 1 1\npodesk-home-usage: {SECONDS} 5 7\nbye", HomeUsage(AT, 5, 7)),
        (f"podesk-home-usage: 1 1 1\npodesk-home-usage: {SECONDS} unfinished\n", HomeUsage(AT, None, None)),
        (f"no line end:podesk-home-usage: {SECONDS} 5 7\n", HomeUsage(AT, 5, 7)),
        (f"podesk-home-usage: {SECONDS} -5 7\n", None),
        (f"podesk-home-usage: {SECONDS} {'9' * 16} 7\n", None),
        (f"podesk-home-usage: {'9' * 12} 5 7\n", None),
        (f"podesk-home-usage: {'9' * 11} 5 7\n", HomeUsage(datetime.fromtimestamp(99999999999, UTC), 5, 7)),
        ("podesk-home-usage: ٣ 5 7\n", None),
        ("podesk-home-usage: 1 5\n", None),
    ],
)
def test_the_last_intelligible_line_is_the_measurement(log, found):
    assert last_measurement(log) == found


def test_people_do_not_see_the_lines():
    log = "first\npodesk-home-usage: 1 5 7\nsecond\npodesk-home-usage: 2 unfinished"
    assert re.split(r"\n", without_measurements(log).rstrip()) == ["first", "second"]
