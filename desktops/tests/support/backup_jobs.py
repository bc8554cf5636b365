"""Backup tasks on a real cluster, with the rights of the portal's accounts, and a server for their repositories."""

import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from desktops.runtimes.backups.base import (
    NewVolume,
    ObservedTask,
    RepositoryAccess,
    TaskKind,
    TaskResult,
    TaskSpec,
    TaskState,
)
from desktops.runtimes.base import RuntimeFault
from desktops.runtimes.kubernetes.backup_engine import KubernetesBackupEngine
from desktops.runtimes.kubernetes.backup_manifests import BackupJobSettings
from desktops.tests.support.kubernetes_namespace import a_cluster
from desktops.tests.support.runtime_specs import soon, until
from tests.support.cluster.kubectl import Kube
from tests.support.cluster.service_accounts import accounts_in

IMAGE = os.environ.get("BACKUP_IMAGE", "vnc/manager-api:dev")
# Temporary addresses of this machine (RFC 5737): one has the repositories, at the other one something else listens.
# Each test process has its own.
_PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
SERVER, ELSEWHERE = f"198.51.100.{10 + 2 * _PROCESS}", f"198.51.100.{11 + 2 * _PROCESS}"
_LINK = f"podesk-bk-{_PROCESS}"  # at most 15 characters


class BackupHarness:
    """The engine, used like in the portal: the worker begins and removes tasks, the controller observes them."""

    def __init__(self, kube: Kube, installation: str = "", image: str = IMAGE) -> None:
        self.kube = kube
        self.installation = installation or f"test-{secrets.token_hex(4)}"
        accounts, settings = accounts_in(kube.namespace), BackupJobSettings(image, deadline=600, networks=())
        self.cluster = a_cluster(kube.namespace, self.installation)
        self.apis = {process: accounts.api(process) for process in ("worker", "controller")}
        self.worker = KubernetesBackupEngine(self.cluster, settings, self.apis["worker"])
        self.controller = KubernetesBackupEngine(self.cluster, settings, self.apis["controller"])

    def task(self, kind: TaskKind, repository: RepositoryAccess, **more: Any) -> TaskSpec:
        return TaskSpec(id=str(uuid4()), kind=kind, repository=repository, **more)

    def begin(self, task: TaskSpec) -> TaskSpec:
        self.worker.begin(task, deadline=soon())
        return task

    def seen(self, task: TaskSpec) -> ObservedTask | None:
        return next((each for each in self.controller.observe() if each.id == task.id), None)

    def ended(self, task: TaskSpec) -> ObservedTask:
        """Wait until the task has ended, and remove it, as the portal does."""
        seen = until(lambda: self._end_of(task), what=f"the end of {task.kind}", seconds=120, every=0.3)
        self.remove(task)
        return seen  # type: ignore[no-any-return]

    def _end_of(self, task: TaskSpec) -> ObservedTask | None:
        seen = self.seen(task)
        return seen if seen and seen.state is not TaskState.RUNNING else None

    def result(self, kind: TaskKind, repository: RepositoryAccess, **more: Any) -> TaskResult:
        """Run a task, and return its result. Fail the test if the task fails."""
        seen = self.ended(self.begin(self.task(kind, repository, **more)))
        assert seen.result, seen
        return seen.result

    def remove(self, task: TaskSpec) -> None:
        until(lambda: self._removed(task), what="the task to be removed", every=0.2)

    def _removed(self, task: TaskSpec) -> bool:
        with suppress(RuntimeFault):
            self.worker.remove(task.id, deadline=soon())
            return True
        return False

    def pod_of(self, task: TaskSpec) -> str:
        """Wait until the task's pod runs, and return its name."""

        def running() -> str:
            pods = self.kube.list("pods", f"podesk/task={task.id}")
            return next((each["metadata"]["name"] for each in pods if each["status"]["phase"] == "Running"), "")

        return str(until(running, what="the task's pod", every=0.2))

    def objects(self, task: TaskSpec) -> set[str]:
        found = self.kube.list("job,pod,secret,networkpolicy", f"podesk/task={task.id}")
        return {each["kind"] for each in found}

    def new_volume(self) -> NewVolume:
        return NewVolume(owner_id="1", owner_name="Ada", storage_gib=1)


class RepositoryServer:
    """`rclone serve restic` for the pods of a cluster. Two servers may share a folder."""

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.create_server((SERVER, 0)) as free:
            self.port = free.getsockname()[1]
        command = ["rclone", "serve", "restic", "--addr", f"{SERVER}:{self.port}", *options, str(folder)]
        environment = os.environ | {"RCLONE_CONFIG": "/nonexistent/rclone.conf"}
        self._process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        until(self._answers, what="the server of repositories")

    @property
    def location(self) -> str:
        return f"rest:http://{SERVER}:{self.port}"

    def access(self, name: str = "", password: str = "s3cret-of-one-home") -> RepositoryAccess:
        return RepositoryAccess(f"{self.location}/homes/{name or uuid4()}", password)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection((SERVER, self.port), timeout=1):
            return True
        return False

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)


@contextmanager
def silent_server(port: int = 0) -> Iterator[int]:
    """Yield the port of a server that accepts connections and never answers."""
    with socket.create_server((SERVER, port)) as silent:
        yield silent.getsockname()[1]


@contextmanager
def a_waiting_task(backups: BackupHarness, kind: TaskKind, at: str, **more: Any) -> Iterator[TaskSpec]:
    """Yield a task that runs until it is ended, because its repository is on a silent server."""
    access = RepositoryAccess(f"rest:http://{at}/homes/x", "s3cret-of-x")
    task = backups.begin(backups.task(kind, access, **more))
    try:
        backups.pod_of(task)
        yield task
    finally:
        backups.remove(task)


@contextmanager
def addresses(*more: str) -> Iterator[None]:
    """Add both addresses, and more, to this machine."""
    subprocess.run(["ip", "link", "add", _LINK, "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "link", "set", _LINK, "up"], check=True)
        for host in (SERVER, ELSEWHERE, *more):
            subprocess.run(["ip", "address", "add", f"{host}/32", "dev", _LINK], check=True)
        yield
    finally:
        subprocess.run(["ip", "link", "delete", _LINK], check=True)
