"""Keep programs running: start, restart with back-off, stop in order. They end when the supervisor ends."""

import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from podesk_cli.report import Failure, explains, say, tail

_PR_SET_PDEATHSIG = 1
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 15.0  # seconds before an ended program is restarted; doubles each time
_HEALTHY_AFTER = 30.0  # seconds of running that reset the wait
_LOG_LIMIT = 20 * 1024**2  # bytes; one older part is kept too
_libc = ctypes.CDLL(None)


@dataclass(frozen=True)
class Service:
    name: str
    command: Sequence[str]
    stop_seconds: float = 10  # between SIGTERM and SIGKILL
    environment: Mapping[str, str] = field(default_factory=dict)  # besides the supervisor's


@dataclass
class _Child:
    service: Service
    log: Path
    process: subprocess.Popen[bytes] | None = None
    began: int | None = None  # size of the log, in bytes, before the first start
    resumed: int = 0  # and before the last start
    started: float = 0.0  # time.monotonic()
    next_start: float = 0.0  # time.monotonic()
    wait: float = field(default=_FIRST_WAIT)


class Supervisor:
    """Starts services in the given order and stops them in reverse."""

    def __init__(
        self, services: Sequence[Service], *, environment: dict[str, str], directory: Path, logs: Path
    ) -> None:
        self._environment, self._directory = environment, directory
        self._children = {each.name: _Child(each, logs / f"{each.name}.log") for each in services}

    def start(self, name: str) -> None:
        """Start a service. Raises Failure when its program does not exist."""
        child = self._children[name]
        _bound(child.log)
        child.resumed = child.log.stat().st_size if child.log.exists() else 0
        child.began = child.resumed if child.began is None else child.began
        try:
            child.process = self._spawn(child)
        except OSError as error:
            raise Failure(f"{child.service.command[0]} cannot be started: {error.strerror}.") from error
        child.started = time.monotonic()

    def log_end(self, name: str) -> str:
        """Return the last lines that a service has logged since this supervisor started it first."""
        child = self._children[name]
        return tail(child.log, since=child.began or 0)

    def restart_ended(self) -> None:
        """Restart services that have ended and waited long enough. Call it about twice a second."""
        for name, child in self._children.items():
            if child.process and (code := child.process.poll()) is not None:
                self._schedule_restart(child, code)
            if child.process is None and 0 < child.next_start <= time.monotonic():
                self.start(name)
            _bound(child.log)

    def stop(self) -> None:
        for child in reversed(self._children.values()):
            if child.process:
                _end(child.process, child.service.stop_seconds)
                child.process = None
            child.next_start = 0.0

    def _spawn(self, child: _Child) -> subprocess.Popen[bytes]:
        with child.log.open("ab") as sink:
            return subprocess.Popen(
                child.service.command,
                cwd=self._directory,
                env={
                    "PGAPPNAME": child.service.name,
                    **self._environment,
                    **child.service.environment,
                },  # identifies the process in PostgreSQL
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches only the supervisor, which stops services in order
                preexec_fn=end_with_parent(os.getpid()),  # noqa: PLW1509 - the supervisor has one thread
            )

    def _schedule_restart(self, child: _Child, code: int) -> None:
        now, first = time.monotonic(), child.wait == _FIRST_WAIT
        if now - child.started >= _HEALTHY_AFTER:
            child.wait, first = _FIRST_WAIT, True
        say(f"{child.service.name} ended ({_how(code)}); starting it again in {child.wait:.0f} s.")
        if first:  # later failures usually have the same lines
            last = tail(child.log, 8, since=child.resumed)
            say(f"The end of {child.log}:\n{last}" if explains(last) else f"Its log is {child.log}.")
        child.process, child.next_start = None, now + child.wait
        child.wait = min(child.wait * 2, _LONGEST_WAIT)


class Interrupted(BaseException):
    """The user or the system asked to stop. Like KeyboardInterrupt, it is not caught by `except Exception`."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Within this context, Ctrl-C, SIGTERM and a closed terminal raise Interrupted once; then they are ignored."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]  # started by nohup

    def interrupt(number: int, frame: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)  # stopping must not be interrupted
        raise Interrupted(signal.Signals(number).name)

    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_parent(parent: int) -> Callable[[], None]:
    """Return a `preexec_fn` that kills the child when `parent`, this process, ends."""

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before the line above took effect
            os._exit(1)

    return prepare


def _end(process: subprocess.Popen[bytes], seconds: float) -> None:
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # not its desktops, which have their own sessions
        process.wait()


def _how(code: int) -> str:
    return f"exit status {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def _bound(log: Path) -> None:
    """Truncate a large log. Its writer appends, so this is safe; a few lines may be lost."""
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)
