"""`./podesk test`: set up, then run pytest on SQLite or a temporary PostgreSQL, in a browser, or on a cluster."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from podesk_cli import packages, setup
from podesk_cli.commands import Runner
from podesk_cli.environment import python
from podesk_cli.folders import Folders
from podesk_cli.report import Failure, Progress, say
from podesk_cli.supervisor import Interrupted, Service, Supervisor, interruptible

_HERE = "not browser and not cluster"
# A later -m among the user's own arguments overrides these.
_MARKED = {
    "": f"{_HERE} and not postgres",
    "postgres": f"{_HERE} and not once",
    "browser": "browser and not cluster",
    "cluster": "cluster",
}
# Where marked tests are, so that not every process reads all test files. tests/test_structure.py compares.
PLACES = {
    "browser": ["tests/e2e"],
    "cluster": [
        *("tests/cluster", "desktops/tests/runtimes"),
        *("tests/test_manifests_of_the_portal.py", "tests/test_manifests_of_monitoring.py"),
    ],
}
_EXTRA = {
    "postgres": packages.POSTGRES,
    "browser": packages.BROWSER,
    "cluster": packages.BROWSER + packages.POSTGRES + packages.LOAD + packages.REPOSITORY,
}


def test(place: Folders, arguments: Sequence[str], *, kind: str = "") -> int:
    """Return pytest's exit status; for several runs, the first that is not 0.

    `kind`: browser, cluster, postgres, or empty. Raises Failure when the setup fails.
    """
    if kind == "cluster":
        _refuse_without_cluster()
    postgres = kind == "postgres"
    progress = Progress(total=setup.STEPS_INSTALL + postgres)
    place.logs.mkdir(parents=True, exist_ok=True)
    runner = Runner(place.checkout, place.logs / "setup.log", progress)
    extra = packages.TESTS + _EXTRA.get(kind, [])
    with interruptible():
        try:
            setup.install(place, runner, setup.Requirements(debian=packages.DESKTOP + extra, development=True))
            with throwaway_postgres(runner) if postgres else nullcontext("") as url:
                ended = [_pytest(place, run, url) for run in _runs(kind, arguments)]
                return next(filter(None, ended), 0)  # negative: killed
        except Interrupted as asked:
            say(f"Stopped ({asked}).")
            return 130


def _runs(kind: str, arguments: Sequence[str]) -> list[list[str]]:
    """Return the arguments of each pytest run. Selected tests run in one process, the whole suite in several."""
    marked, places = _MARKED[kind], PLACES.get(kind, [])
    if arguments:
        return [["-m", marked, *arguments]]
    if kind == "cluster":
        together = ["-m", f"{marked} and not alone", *_parallel_options(2)]
        return [["-m", f"{marked} and alone", *places], [*together, *places]]
    return [["-m", marked, *_parallel_options(1 if kind == "browser" else 3), *places]]


def _parallel_options(more: int) -> list[str]:
    """Return options for more processes than cores, since tests also wait.

    A file stays in one process, since its tests share what they start.
    """
    return ["-n", str(more + (os.cpu_count() or 1)), "--dist", "loadfile", "--no-loadscope-reorder"]


def _refuse_without_cluster() -> None:
    if not os.environ.get("KUBECONFIG"):
        raise Failure("KUBECONFIG is not set. Set it to the kubeconfig file of an administrator of the test cluster.")
    if not shutil.which("kubectl"):
        raise Failure("kubectl is not in PATH. Install one within one minor version of the cluster.")


def _pytest(place: Folders, arguments: list[str], database_url: str) -> int:
    env = {**os.environ, "DATABASE_URL": database_url} if database_url else None
    with subprocess.Popen([python(place.checkout), "-m", "pytest", *arguments], cwd=place.checkout, env=env) as process:
        try:
            return process.wait()
        finally:
            process.terminate()


@contextmanager
def throwaway_postgres(runner: Runner) -> Iterator[str]:
    """Yield the DATABASE_URL of a temporary PostgreSQL on a UNIX socket."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=None)
    if programs is None:
        raise Failure("PostgreSQL is not installed below /usr/lib/postgresql.")
    folder = Path(tempfile.mkdtemp(prefix="podesk-pg-"))
    # PostgreSQL refuses to run as root.
    become = (
        ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL"]
        if os.geteuid() == 0
        else []
    )
    if become:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    try:
        with runner.progress.step("PostgreSQL"):
            initdb = [
                str(programs / "initdb"),
                "-D",
                str(folder / "data"),
                "-U",
                "podesk",
                "--auth=trust",
                "--locale=C.UTF-8",
            ]
            in_folder = Runner(folder, runner.log, runner.progress)
            in_folder.run([*become, *initdb, "-E", "UTF8", "--no-sync"], what="Creating a PostgreSQL cluster")
            server = _postgres_server([*become, str(programs / "postgres")], folder)
            server.start("postgres")
            ready = [str(programs / "pg_isready"), "--host", str(folder), "--timeout", "30"]
            in_folder.run(["sh", "-c", 'until "$@"; do sleep 0.1; done', "sh", *ready], what="Waiting for PostgreSQL")
        try:
            yield f"postgresql://podesk@{str(folder).replace('/', '%2F')}/postgres"
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_server(command: list[str], folder: Path) -> Supervisor:
    fast_not_safe = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]  # temporary data: fast, not safe
    given = ["max_connections=200", "listen_addresses=", f"unix_socket_directories={folder}", *fast_not_safe]
    options = [part for setting in given for part in ("-c", setting)]
    service = Service("postgres", [*command, "-D", str(folder / "data"), *options], stop_seconds=10)
    return Supervisor([service], environment=dict(os.environ), directory=folder, logs=folder)
