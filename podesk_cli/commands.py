"""Run other programs: their output goes to the setup log, progress to the terminal."""

import os
import select
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from podesk_cli.report import Failure, Progress, tail


@dataclass(frozen=True)
class Runner:
    """Runs commands in a folder, with their output in a log and their progress on the terminal."""

    directory: Path
    log: Path
    progress: Progress
    umask: int = -1  # for files that the commands create; -1: keep ours

    def run(
        self,
        command: Sequence[str],
        *,
        what: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Run a command until it ends. Its last output line is shown as progress; `what` names the step in a failure.

        Raises Failure when the command cannot start or does not succeed.
        """
        with self.log.open("ab") as sink:
            sink.write(f"\n$ {' '.join(command)}\n".encode())
            sink.flush()
            began = sink.tell()
            with self._start(command, what, environment) as process:
                code = self._follow(process, sink.write)
        if code != 0:
            raise Failure(f"{what} failed (exit status {code}). The end of {self.log}:\n{tail(self.log, since=began)}")

    def _start(
        self, command: Sequence[str], what: str, environment: Mapping[str, str] | None
    ) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                command,
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                umask=self.umask,
            )
        except OSError as error:
            raise Failure(f"{what} failed: {command[0]} cannot be started ({error.strerror}).") from error

    def _follow(self, process: subprocess.Popen[bytes], keep: Callable[[bytes], object]) -> int:
        pipe, last = cast(IO[bytes], process.stdout).fileno(), ""
        try:
            while True:
                if select.select([pipe], [], [], 1.0)[0]:
                    chunk = os.read(pipe, 65536)
                    if not chunk:
                        break
                    keep(chunk)
                    last = next((line for line in reversed(chunk.decode(errors="replace").split("\n")) if line), last)
                elif process.poll() is not None:
                    break  # a daemon that the command started still holds the pipe
                self.progress.show(last.strip() or "working")
            return process.wait()
        finally:
            if process.poll() is None:
                with suppress(PermissionError):  # sudo belongs to root; a terminal's Ctrl-C reaches it without our help
                    process.terminate()
