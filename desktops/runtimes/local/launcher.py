"""Start holders. One holder can be preloaded, so that a launch does not wait for Python to start."""

import atexit
import json
import socket
import subprocess
import sys
from pathlib import Path
from threading import Timer

from desktops.runtimes.base import Deadline, RuntimeFault
from desktops.runtimes.local.desktop_files import DesktopFolder
from desktops.runtimes.local.session_log import tail

PRELOAD_AFTER = 1.0  # seconds; until then the machine is busy starting the desktop
CODE = Path(__file__).resolve().parents[3]  # the folder in which `-m desktops.…` finds the holder
COMMAND = (sys.executable, "-S", "-E", "-s", "-m", "desktops.runtimes.local.holder")  # -S saves 10 ms


class PreloadedHolder:
    """A loaded holder that waits for its desktop's name. It ends when this process ends."""

    def __init__(self, path: str) -> None:
        self._order, its_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its_end:
            self.process = subprocess.Popen(
                [*COMMAND, str(its_end.fileno())], cwd=CODE, env={"PATH": path}, pass_fds=[its_end.fileno()],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def start(self, place: DesktopFolder, lock: int, log: int, *, seconds: float) -> int:
        """Hand over the desktop and return the exit status. The holder forks and continues in the background.

        Raises OSError, subprocess.TimeoutExpired.
        """
        with self._order:
            socket.send_fds(self._order, [json.dumps([str(place.root), place.name]).encode()], [lock, log])
            return self.process.wait(seconds)

    def end(self) -> None:
        self._order.close()
        self.process.kill()
        self.process.wait()


class Launcher:
    def __init__(self, path: str) -> None:
        self._path = path
        self._ready: PreloadedHolder | None = None

    def keep_ready(self) -> None:
        """Keep one holder preloaded, for processes that start desktops repeatedly."""
        self._ready = PreloadedHolder(self._path)
        atexit.unregister(self._end)
        atexit.register(self._end)

    def launch(self, place: DesktopFolder, lock: int, deadline: Deadline) -> None:
        """Start the holder of a desktop. Raises RuntimeFault."""
        ready, self._ready = self._ready, None
        with place.log.open("ab") as log:
            if not (ready and self._use_preloaded(ready, place, (lock, log.fileno()), deadline)):
                self._start_new(place, (lock, log.fileno()), deadline)
        if ready:
            self._preload_later()

    def _end(self) -> None:
        if self._ready:
            self._ready.end()

    def _preload_later(self) -> None:
        timer = Timer(PRELOAD_AFTER, self.keep_ready)
        timer.daemon = True
        timer.start()

    def _use_preloaded(
        self, ready: PreloadedHolder, place: DesktopFolder, fds: tuple[int, int], deadline: Deadline
    ) -> bool:
        """Use the preloaded holder. Returns False if it no longer runs."""
        try:
            return ready.start(place, *fds, seconds=max(1.0, deadline.remaining)) == 0
        except (OSError, subprocess.TimeoutExpired):
            ready.end()
            return False

    def _start_new(self, place: DesktopFolder, fds: tuple[int, int], deadline: Deadline) -> None:
        holder = PreloadedHolder(self._path)
        try:
            failed = holder.start(place, *fds, seconds=max(1.0, deadline.remaining))
        except (OSError, subprocess.TimeoutExpired):
            holder.end()
            raise RuntimeFault("start_failed", "the holder did not begin in time", permanent=False) from None
        if failed:
            raise RuntimeFault("start_failed", tail(place.log, 20))
