"""Define the commands of ./podesk and their options."""

import argparse
import os
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from podesk_cli import backup, server, settings, testing
from podesk_cli.environment import python
from podesk_cli.folders import CHECKOUT, Folders, default_data
from podesk_cli.report import Failure
from podesk_cli.supervisor import Interrupted, interruptible

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str]) -> int:
    """Run a command and return the exit status. A failure prints one sentence to standard error."""
    try:
        chosen, rest = _parser().parse_known_args(arguments)
        if rest and chosen.command in ("run", "backup", "restore"):
            raise Failure(f"`{chosen.command}` does not accept {rest[0]}. See ./podesk {chosen.command} --help.")
        return _do(chosen, rest)
    except Failure as failure:
        print(f"podesk: {failure}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"podesk: {error.filename or 'the system'}: {error.strerror or error}.", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, Interrupted):
        return 130


def _do(chosen: argparse.Namespace, rest: list[str]) -> int:
    if chosen.command == "test":
        return testing.test(Folders(CHECKOUT, CHECKOUT / "var"), rest, kind=chosen.kind)
    place = Folders(CHECKOUT, Path(chosen.data).resolve())
    if chosen.command == "run":
        return server.run(place, chosen.host, chosen.port)
    if chosen.command in ("backup", "restore"):
        with interruptible():
            return _save_or_restore(place, chosen)
    return _manage(place, chosen, rest)


def _save_or_restore(place: Folders, chosen: argparse.Namespace) -> int:
    repository = backup.open_repository(chosen.repository, chosen.passphrase_file)
    if chosen.command == "backup":
        return backup.back_up(place, repository)
    return backup.restore(place, repository, chosen.snapshot, replace=chosen.replace)


def _manage(place: Folders, chosen: argparse.Namespace, rest: list[str]) -> int:
    if not Path(python(CHECKOUT)).exists() or not place.secrets.is_dir():
        raise Failure(f"Podesk is not set up in {place.data}. Run ./podesk run first, or use --data.")
    os.chdir(CHECKOUT)
    env = settings.environment(place, host=chosen.host, port=chosen.port)
    os.execve(python(CHECKOUT), [python(CHECKOUT), "manage.py", *rest], env)  # noqa: S606  # nosec B606


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./podesk", description="A private Linux desktop for each user, in the browser."
    )
    parser.add_argument("--version", action="version", version=f"Podesk {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        allow_abbrev=False,
        help="install what is missing, then serve until Ctrl-C",
        description="Installs what is missing, starts everything, and prints the address when the portal is ready. "
        "Ctrl-C stops everything except the desktops; the next run finds them again. METRICS_PORT=9400 serves metrics "
        "on this machine only, on one port per process: 9400 for web, 9401 for worker, 9402 for controller.",
    )
    manage = commands.add_parser(
        "manage",
        help="run a Django management command with the settings of `run`, e.g. changepassword admin",
        add_help=False,
        allow_abbrev=False,
    )
    for command in (run, manage, *_add_backup(commands)):
        command.add_argument(
            "--data", metavar="DIR", default=default_data(), help="data folder (default: %(default)s; DATA_DIR sets it)"
        )
    for command in (run, manage):
        _add_address(command)
    _add_test(commands)
    return parser


def _add_test(commands: Commands) -> None:
    test = commands.add_parser(
        "test",
        allow_abbrev=False,
        help="install what is missing, then run the tests",
        description="Installs what is missing, then runs pytest. Further arguments go to pytest.",
    )
    kinds = test.add_mutually_exclusive_group()
    for kind, what in (
        ("browser", "run the tests in Chromium"),
        ("postgres", "run the tests on a temporary PostgreSQL"),
        ("cluster", "run the tests on the cluster in KUBECONFIG; they install Podesk and remove it again"),
    ):
        kinds.add_argument(f"--{kind}", dest="kind", action="store_const", const=kind, help=what)
    test.set_defaults(kind="")


def _add_backup(commands: Commands) -> list[argparse.ArgumentParser]:
    save = commands.add_parser(
        "backup",
        allow_abbrev=False,
        help="save database, keys and home folders, encrypted, with restic",
        description="Saves database, keys and home folders as one encrypted snapshot, also while Podesk runs.",
    )
    restore = commands.add_parser(
        "restore",
        allow_abbrev=False,
        help="restore what `backup` saved",
        description="Restores a snapshot completely or not at all. Stop Podesk and its desktops first.",
    )
    restore.add_argument("--snapshot", metavar="ID", default="latest", help="which snapshot (default: the last one)")
    restore.add_argument("--replace", action="store_true", help="move the present data folder aside first")
    for command in (save, restore):
        command.add_argument("repository", help="a folder, or another location of restic, such as sftp:host:/folder")
        command.add_argument(
            "--passphrase-file",
            metavar="FILE",
            default="",
            help="file with the passphrase, or - for standard input (BACKUP_PASSPHRASE_FILE sets it)",
        )
    return [save, restore]


def _version() -> str:
    """Return the version of this checkout."""
    return str(tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def _add_address(command: argparse.ArgumentParser) -> None:
    host, port = os.environ.get("PODESK_HOST", "127.0.0.1"), os.environ.get("PODESK_PORT", "8000")
    command.add_argument(
        "--host", default=host, help="address to listen on (default: %(default)s; PODESK_HOST sets it)"
    )
    command.add_argument(
        "--port", type=_port, default=port, help="port to listen on (default: %(default)s; PODESK_PORT sets it)"
    )


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port; choose 1 to 65535")
    return int(text)
