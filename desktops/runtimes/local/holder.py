"""The holder: the process that owns one local desktop from start to end. There is one per desktop.

The runtime starts `python -m desktops.runtimes.local.holder FD` and sends the desktop's name over that socket (see
launcher.py). The holder outlives its starter. It does not use Django and imports little, to start fast.
"""

import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from desktops.runtimes.local import cgroups, desktop_files, processes
from desktops.runtimes.local.desktop_files import FULL, DesktopFolder
from desktops.runtimes.local.session_log import Log, tail

END_SECONDS = 3.0  # seconds for programs to save their work before they are killed
MOST_CRASHES = 3  # within CRASH_WINDOW; the session is restarted after each of these, and ends after one more
CRASH_WINDOW = 600.0  # seconds
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
libc = ctypes.CDLL(None)


class RunEnded(Exception):
    """The run has ended. An empty `phase` means that a stop was requested; then no state is kept."""

    def __init__(self, phase: str = "", reason: str = "", detail: str = "") -> None:
        self.phase, self.reason, self.detail = phase, reason, detail


class Holder:
    def __init__(self, place: DesktopFolder) -> None:
        state = desktop_files.read(place)
        if state is None:
            raise FileNotFoundError(place.folder)
        self.place, self.state, self.plan = place, state, desktop_files.read_plan(place)
        self.log = Log(place.log)
        self.events = selectors.DefaultSelector()
        self.group_files = cgroups.open_for_joining(state.groups)
        self.server = self.session = 0  # pids
        self.display = b""
        self.crashes: list[float] = []  # times of crashes, by the monotonic clock

    def run(self) -> None:
        try:
            self._listen_to_signals()
            self._begin()
            self._serve()
        except RunEnded as ended:
            self._end(ended)
        except OSError as error:
            self._end(RunEnded("failed", "disk_full" if error.errno in FULL else "start_failed", repr(error)))

    def _begin(self) -> None:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # keep daemonized processes among our descendants
        self._write(self.state._replace(holder=processes.find(os.getpid())))
        if self.place.stop.exists():
            raise RunEnded
        self._start_server()
        self._enter("started")

    def _start_server(self) -> None:
        reading, writing = os.pipe()
        self._on(reading, self._display_known)
        self.server = self._spawn([*self.plan.server, "-displayfd", str(writing)], writing)
        os.close(writing)

    def _display_known(self, fd: int) -> None:
        data = os.read(fd, 16)
        self.display += data
        if data and not data.endswith(b"\n"):
            return  # the number may arrive before its line end
        self._forget(fd)
        os.close(fd)
        if not data:
            return  # the server ended; its SIGCHLD is handled elsewhere
        self.plan.environment["DISPLAY"] = f":{self.display.strip().decode()}"
        self.session = self._spawn(self.plan.session)
        banner = socket.socket(socket.AF_UNIX)
        try:
            banner.connect(str(self.place.socket))  # the server listens before it reports the display
        except ConnectionError:
            return  # the server has ended meanwhile
        self._on(banner.detach(), self._banner_came)

    def _banner_came(self, fd: int) -> None:
        self._forget(fd)
        answer = os.read(fd, 12)
        os.close(fd)
        if answer.startswith(b"RFB "):
            self._enter("ready")

    def _enter(self, phase: str) -> None:
        """Record a new phase. Steps keep the times of the first start, even if the session is restarted."""
        again = phase in self.state.steps
        self._write(self.state._replace(phase=phase) if again else self.state.entered(phase))

    def _write(self, state: desktop_files.HolderState) -> None:
        self.state = state
        desktop_files.write(self.place, state)

    # --- children ---------------------------------------------------------------------------------------------------

    def _spawn(self, command: list[str], *inherit: int) -> int:
        output, into = os.pipe()
        os.set_blocking(output, False)
        try:
            child = subprocess.Popen(
                command, env=self.plan.environment, cwd=self.plan.home, umask=0o022, **self.plan.account,
                stdin=subprocess.DEVNULL, stdout=into, stderr=into, pass_fds=inherit, start_new_session=True,
                preexec_fn=self._in_child,  # noqa: PLW1509 - this process has no threads
            )  # fmt: skip
        except FileNotFoundError as error:
            reason = "program_missing" if error.filename == command[0] else "start_failed"
            raise RunEnded("failed", reason, str(error.filename)) from None
        except subprocess.SubprocessError as error:
            raise RunEnded("failed", "start_failed", f"{command[0]}: {error}") from None
        finally:
            os.close(into)
        self._on(output, self._log_output)
        child.returncode = 0  # reaped by _reap, not by subprocess
        return child.pid

    def _in_child(self) -> None:
        cgroups.join(self.group_files)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)  # if the holder is killed, its desktop ends too

    def _log_output(self, fd: int) -> None:
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return
        if data:
            self.log.write(data)
        else:
            self._forget(fd)
            os.close(fd)

    def _reap(self) -> dict[int, int]:
        """Return the exit codes of ended children by pid."""
        ended: dict[int, int] = {}
        with suppress(ChildProcessError):
            while (result := os.waitpid(-1, os.WNOHANG))[0]:
                ended[result[0]] = os.waitstatus_to_exitcode(result[1])
        return ended

    # --- events -----------------------------------------------------------------------------------------------------

    def _listen_to_signals(self) -> None:
        receiving, sending = socket.socketpair()
        for end in (receiving, sending):
            end.setblocking(False)
        self._signals = receiving, sending  # keep a reference to both
        signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._on(receiving.fileno(), self._signalled)

    def _signalled(self, fd: int) -> None:
        if signal.SIGTERM in os.read(fd, 4096):
            raise RunEnded
        ended = self._reap()
        if self.server in ended:
            self._start_again("screen_crashed", f"X server ended with {ended[self.server]}")
        elif self.session in ended:
            if ended[self.session] == 0:
                raise RunEnded("ended")
            self._start_again("session_crashed", f"session ended with {ended[self.session]}")

    def _on(self, fd: int, handler: Callable[[int], None]) -> None:
        self.events.register(fd, selectors.EVENT_READ, handler)

    def _forget(self, fd: int) -> None:
        self.events.unregister(fd)

    def _serve(self) -> None:
        while True:
            for key, _ in self.events.select():
                if self.events.get_map().get(key.fd) is key:  # otherwise it was closed and its number reused
                    key.data(key.fd)

    # --- crashes and the end ----------------------------------------------------------------------------------------

    def _start_again(self, reason: str, detail: str) -> None:
        """Restart the session after a crash, in the same run. Raises RunEnded if that would not help."""
        crash = self._crash(reason, detail)
        now = time.monotonic()
        self.crashes = [at for at in self.crashes if now - at < CRASH_WINDOW] + [now]
        if crash.reason != reason or len(self.crashes) > MOST_CRASHES:
            raise crash
        self._end_processes()
        self.server, self.session, self.display = 0, 0, b""
        restarts = self.state.restarts + 1
        self._write(self.state._replace(phase="started", restarts=restarts, reason=reason, detail=crash.detail))
        self._start_server()

    def _crash(self, reason: str, detail: str) -> RunEnded:
        self._drain()
        last = tail(self.place.log, 20)
        detail = f"{detail}; {last[-1500:]}"
        if self.log.full or any(os.strerror(number) in last for number in FULL):
            return RunEnded("failed", "disk_full", detail)
        if cgroups.out_of_memory(self.state.groups):
            return RunEnded("failed", "out_of_memory", detail)
        return RunEnded("failed", reason if "ready" in self.state.steps else "start_failed", detail)

    def _drain(self) -> None:
        """Log the last output of children that have ended."""
        for key, _ in self.events.select(0):
            if key.data == self._log_output:
                self._log_output(key.fd)

    def _end(self, ended: RunEnded) -> None:
        if not ended.phase:
            self._write(self.state._replace(phase="stopping"))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._end_processes()
        cgroups.remove(self.state.groups)
        if not ended.phase or self.place.stop.exists():
            desktop_files.forget(self.place)
            return
        self._write(self.state.entered(ended.phase)._replace(reason=ended.reason, detail=ended.detail))

    def _end_processes(self) -> None:
        """End the programs first and the X server last, so that programs can still save their work."""
        end = time.monotonic() + END_SECONDS
        for process in self._programs():
            processes.send(process, signal.SIGTERM)
        while self._programs() and time.monotonic() < end:
            time.sleep(0.02)
            self._drain()
            self._reap()
        while left := processes.descendants(os.getpid()):
            processes.kill_all(left, timeout=0.1)
            self._reap()
        self._reap()

    def _programs(self) -> list[processes.Process]:
        return [process for process in processes.descendants(os.getpid()) if process.pid != self.server]


def main(orders: int) -> None:
    """Wait until the starter sends the desktop's name, then run its holder. Ends if the starter ends before that."""
    with socket.socket(fileno=orders) as order:
        data, fds, _, _ = socket.recv_fds(order, 65536, 2)
    if not data:
        return
    _lock, log = fds  # keep the lock open: it shows that this process is alive
    for output in (1, 2):
        os.dup2(log, output)
    os.close(log)
    if os.fork():
        os._exit(0)  # so that init reaps this process
    os.setsid()
    os.chdir("/")
    root, name = json.loads(data)
    Holder(DesktopFolder(Path(root), name)).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
