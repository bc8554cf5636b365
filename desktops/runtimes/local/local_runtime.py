"""The local runtime: one TigerVNC session per desktop on this machine. Its process keeps no state."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from desktops.runtimes.base import (
    Deadline,
    DesktopSpec,
    MachineCapacity,
    Names,
    Observed,
    Phase,
    ResourceQuotaUse,
    RuntimeFault,
    RuntimeUnknown,
    StorageSpace,
    Usage,
    VNCEndpoint,
)
from desktops.runtimes.home_usage import LOG_LINES, HomeUsage, last_measurement, without_measurements
from desktops.runtimes.local import cgroups, desktop_files, machine, processes, session_commands, unix_account, usage
from desktops.runtimes.local.desktop_files import DesktopFolder, HolderState
from desktops.runtimes.local.errors import faults
from desktops.runtimes.local.launcher import Launcher
from desktops.runtimes.local.session_log import tail
from desktops.runtimes.names import LABEL
from desktops.runtimes.names import check as check_name

PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"  # the PATH of a login, not the portal's
HUNG = 10.0  # seconds after a stop request before the holder is killed
JUST_NOW = 2.0  # seconds; covers the time between two watches


class LocalRuntime:
    steps: tuple[str, ...] = ("created", "started", "ready")

    def __init__(self, root: Path, *, installation: str, user: str = "podesk", path: str = PATH) -> None:
        """`user` is the account of desktops if we are root. `path` is where programs are found, outside and inside."""
        self.root, self.installation, self.user, self.path = root, installation, user, path
        self._launcher = Launcher(path)

    def warm_up(self) -> None:
        self._launcher.keep_ready()

    def start(self, spec: DesktopSpec, *, deadline: Deadline) -> None:
        place = DesktopFolder(self.root, check_name(spec.name))
        check_name(spec.volume)
        with faults():
            account = unix_account.account(self.user)
            self._make_folders(account)
            if spec.volume_used and not (self.root / "volumes" / spec.volume).is_dir():
                raise RuntimeFault("volume_lost", f"no folder {spec.volume} in {self.root / 'volumes'}")
            lock = self._lock_for(spec, place, deadline)
            if lock is None:
                return
            try:
                if self._prepare(spec, place, account, deadline):
                    self._launcher.launch(place, lock, deadline)
            finally:
                os.close(lock)  # the holder's copy keeps the lock

    def stop(self, name: str, *, deadline: Deadline) -> None:
        with faults():
            place, state = self._known(name)
            if state is None:
                return
            with suppress(FileNotFoundError):  # already being removed
                desktop_files.ask_to_stop(place)
                lock = desktop_files.take_lock(place)
                if lock is None:
                    self._signal_holder(place)
                    return
                try:
                    self._clear(place, state, deadline)
                    desktop_files.forget(place)
                finally:
                    os.close(lock)

    def mend(self, spec: DesktopSpec, *, deadline: Deadline) -> Names:
        """Return nothing: a local desktop has no objects around it."""
        return []

    def renew_keys(self, name: str, authorized_keys: str, *, deadline: Deadline) -> None:
        """Do nothing: local desktops have no SSH."""

    def delete_volume(self, volume: str, *, deadline: Deadline) -> None:
        with faults():
            unix_account.remove_home(self.root / "volumes" / check_name(volume), deadline)

    def observe(self, name: str) -> Observed | None:
        try:
            return self._observe(check_name(name))
        except OSError as error:
            raise RuntimeUnknown(str(error)) from error

    def list(self) -> list[Observed]:
        seen = []
        for name in self._names("desktops"):
            if observed := self.observe(name):
                seen.append(observed)
            elif DesktopFolder(self.root, name).stop.exists():  # its holder was killed while it stopped
                self.stop(name, deadline=Deadline.after(1))
        return seen

    def volumes(self) -> Names:
        """Return all volumes, because a runtime folder belongs to one installation."""
        return self._names("volumes")

    def watch(self, *, timeout: float) -> Iterator[str]:
        end = time.monotonic() + timeout
        with faults():
            self.root.mkdir(parents=True, exist_ok=True)
            with _open_event_socket(self.root) as events:
                yield from self._changed_just_now()
                while (left := end - time.monotonic()) > 0:
                    events.settimeout(left)
                    try:
                        yield events.recv(128).decode()
                    except TimeoutError:
                        return

    def logs(self, name: str, *, lines: int = 100) -> str:
        place, state = self._known(name)
        return without_measurements(tail(place.log, lines)) if state else ""

    def usage(self, name: str) -> Usage | None:
        place, state = self._known(name)
        if state is None or state.holder is None or not desktop_files.is_held(place):
            return None
        return usage.measure(place, state, state.holder)

    def home_usage(self, name: str) -> HomeUsage | None:
        place, state = self._known(name)
        return last_measurement(tail(place.log, LOG_LINES)) if state else None

    def quota_use(self) -> tuple[ResourceQuotaUse, ...]:
        return ()

    def storage_space(self) -> StorageSpace | None:
        return machine.storage_space(self.root)

    def capacity(self) -> MachineCapacity:
        return machine.capacity()

    def usage_of_all(self) -> dict[str, Usage]:
        known = map(self._known, self._names("desktops"))
        return usage.measure_all((place, state) for place, state in known if state and desktop_files.is_held(place))

    def unlimited(self) -> str | None:
        return cgroups.why_unlimited()

    # --- starting ---------------------------------------------------------------------------------------------------

    def _make_folders(self, account: unix_account.Account) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        passing = 0o711 if account.switch else 0o700
        for folder, mode in ((".", passing), ("desktops", 0o700), ("s", passing), ("volumes", passing)):
            (self.root / folder).mkdir(exist_ok=True)
            (self.root / folder).chmod(mode)
        unix_account.check_reach(account, self.root / "s")
        if account.switch and not (sockets := Path("/tmp/.X11-unix")).exists():  # noqa: S108  # nosec B108
            sockets.mkdir(exist_ok=True)
            sockets.chmod(0o1777)  # otherwise other users' X servers could not use a folder that belongs to the account

    def _lock_for(self, spec: DesktopSpec, place: DesktopFolder, deadline: Deadline) -> int | None:
        """Return the lock for a start, once no earlier run holds it, or None if this run already exists."""
        while True:
            with suppress(FileNotFoundError):  # removed between the two calls
                place.folder.mkdir(exist_ok=True)
                if (lock := desktop_files.take_lock(place)) is not None:
                    return lock
            state = desktop_files.read(place)
            if state and self._is_same(state, spec) and state.run >= spec.run:
                return None
            if state and state.run < spec.run and state.holder:
                processes.send(state.holder, signal.SIGTERM)
            if not deadline.remaining:
                raise RuntimeFault("still_stopping", f"an earlier run of {spec.name} has not ended", permanent=False)
            time.sleep(0.02)

    def _is_same(self, state: HolderState, spec: DesktopSpec) -> bool:
        if (state.installation, state.desktop_id) != (spec.installation, spec.desktop_id):
            raise RuntimeFault("name_taken", f"{spec.name} belongs to {state.installation}/{state.desktop_id}")
        return True

    def _prepare(
        self, spec: DesktopSpec, place: DesktopFolder, account: unix_account.Account, deadline: Deadline
    ) -> bool:
        """Write everything that a holder needs. Returns False if this run or a later one already exists."""
        state = desktop_files.read(place)
        if state and self._is_same(state, spec):
            if state.run > spec.run or (state.run == spec.run and state.holder):
                return False
            self._clear(place, state, deadline)
        try:
            self._write(spec, place, account)
        except BaseException:
            desktop_files.forget(place)
            raise
        return True

    def _write(self, spec: DesktopSpec, place: DesktopFolder, account: unix_account.Account) -> None:
        for file in (place.stop, place.folder / "state.json"):
            file.unlink(missing_ok=True)
        shutil.rmtree(place.private, ignore_errors=True)
        (place.folder / "spare").write_bytes(bytes(8192))
        plan = session_commands.plan(spec, place, account, self.path)
        unix_account.make_home(Path(plan.home), account, session_commands.SESSION / "skel")
        desktop_files.write_plan(place, plan)
        limits = cgroups.Limits(float(spec.cpu), spec.memory_mib)
        groups = cgroups.create(self.installation, spec.name, limits)
        state = HolderState(spec.installation, spec.desktop_id, spec.name, spec.run, groups=groups, limits=limits)
        desktop_files.write(place, state.entered("created"))

    # --- looking and ending -----------------------------------------------------------------------------------------

    def _names(self, folder: str) -> Names:
        """Return the names of all entries of a folder. Raises RuntimeUnknown."""
        try:
            return sorted(entry.name for entry in (self.root / folder).iterdir() if LABEL.fullmatch(entry.name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RuntimeUnknown(str(error)) from error

    def _known(self, name: str) -> tuple[DesktopFolder, HolderState | None]:
        """Return the state of a desktop, or None if another installation owns it."""
        place = DesktopFolder(self.root, check_name(name))
        state = desktop_files.read(place)
        return place, state if state and state.installation == self.installation else None

    def _observe(self, name: str) -> Observed | None:
        # check first, so that the state read below is final if it is not held
        held = desktop_files.is_held(DesktopFolder(self.root, name))
        place, state = self._known(name)
        if state is None or (place.stop.exists() and not held):
            return None
        # its starter was killed; the desktop does not exist until it is started again
        if not held and not state.holder:
            return None
        phase = Phase(state.phase)
        if held and place.stop.exists():
            phase = Phase.STOPPING
        elif not held and phase not in (Phase.ENDED, Phase.FAILED):
            phase, state = Phase.FAILED, state._replace(reason="session_crashed", detail="its holder was killed")
        return Observed(
            name=state.name,
            desktop_id=state.desktop_id,
            run=state.run,
            phase=phase,
            endpoint=VNCEndpoint("unix", str(place.socket)) if phase is Phase.READY else None,
            steps={step: datetime.fromisoformat(at) for step, at in state.steps.items()},
            reason=state.reason,
            detail=state.detail,
            restarts=state.restarts,
        )

    def _signal_holder(self, place: DesktopFolder) -> None:
        state = desktop_files.read(place)
        if state and state.holder:
            hung = time.time() - place.stop.stat().st_mtime > HUNG
            processes.send(state.holder, signal.SIGKILL if hung else signal.SIGTERM)

    def _clear(self, place: DesktopFolder, state: HolderState, deadline: Deadline) -> None:
        """Kill processes that a killed holder left."""
        while left := self._leftovers(place, state):  # repeat, because they may fork until the last one ends
            if not processes.kill_all(left, timeout=deadline.remaining):
                raise RuntimeFault("still_stopping", f"{place.name}: some of its processes do not end", permanent=False)
        cgroups.remove(state.groups)

    def _leftovers(self, place: DesktopFolder, state: HolderState) -> set[processes.Process]:
        members = map(processes.find, cgroups.members(state.groups))
        return {*filter(None, members), *processes.marked(place.marker)}

    def _changed_just_now(self) -> Iterator[str]:
        """Yield desktops that changed a moment ago, so that changes between two watches are not missed."""
        for state in (self.root / "desktops").glob("*/state.json"):
            with suppress(FileNotFoundError):
                if time.time() - state.stat().st_mtime < JUST_NOW:
                    yield state.parent.name


@contextmanager
def _open_event_socket(root: Path) -> Iterator[socket.socket]:
    """Open the socket to which holders report, replacing one left by a killed watcher."""
    path = desktop_files.events_path(root)
    new = path.with_name(f"events.{os.getpid()}")
    new.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as events:
        events.bind(str(new))
        new.replace(path)
        yield events
