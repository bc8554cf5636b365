"""The commands, environment and secrets of a local desktop: its X server and its session."""

import hashlib
import os
import re
import secrets
import shutil
import struct
import subprocess
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from desktops.runtimes.base import DesktopSpec, RuntimeFault
from desktops.runtimes.local.desktop_files import SOCKET_PATH_LIMIT, DesktopFolder, SessionPlan
from desktops.runtimes.local.unix_account import Account, private_folder

SESSION = Path(__file__).parents[1] / "session"  # see session/README.md
PROGRAMS = ("Xvnc", "dbus-run-session", "xfwm4", "xfce4-panel", "xfdesktop", "xfsettingsd")
BROWSERS = ("chromium", "firefox-esr", "firefox", "google-chrome")  # names of desktop entries, in order of preference
LOCALES = {"zh-hans": "zh_CN"}
CUT_TEXT_LIMIT = 8 * 1024 * 1024  # maximum bytes of clipboard text
# All VNC clients use this key, so the password file is protected by its mode, not by encryption.
PASSWORD_FILE_KEY = bytes.fromhex("e84ad660c4721ae0")


def plan(spec: DesktopSpec, place: DesktopFolder, account: Account, path: str) -> SessionPlan:
    """Write the desktop's secrets and session files and return how to start it. `path` is where programs are found."""
    find_programs(path)
    session = publish(place.root)
    private_folder(place.private, account)
    private_folder(place.private / "run", account)
    _secret(place.private / "passwd", obfuscated(spec.vnc_password), account)
    _secret(place.private / "Xauthority", authority(secrets.token_bytes(16)), account)
    home = place.root / "volumes" / spec.volume
    return SessionPlan(
        server=server_command(place, spec, path),
        session=session_command(session, path),
        environment=environment(spec, place, account, path) | xdg_folders(session),
        home=str(home),
        account=account.popen(),
    )


def server_command(place: DesktopFolder, spec: DesktopSpec, path: str) -> list[str]:
    """Return the command of the X server. Add `-displayfd N` to learn its display. It listens only on UNIX sockets."""
    if not re.fullmatch(r"[1-9]\d{2,4}x[1-9]\d{2,4}", spec.resolution):
        raise RuntimeFault("bad_resolution", f"not a resolution: {spec.resolution!r}")
    if len(os.fsencode(place.socket)) > SOCKET_PATH_LIMIT:
        raise RuntimeFault("path_too_long", f"{place.socket} is too long for a socket; shorten LOCAL_RUNTIME_DIR")
    title = "".join(filter(str.isprintable, spec.owner_name)) or spec.name
    return [
        *(shutil.which("Xvnc", path=path) or "Xvnc", "-geometry", spec.resolution, "-depth", "24"),
        *("-auth", str(place.private / "Xauthority"), "-nolisten", "tcp", "-rfbport", "-1"),
        *("-rfbunixpath", str(place.socket), "-rfbunixmode", "384"),  # 384 is 0600
        *("-SecurityTypes", "VncAuth", "-PasswordFile", str(place.private / "passwd")),
        # The proxy is the only client, so bans are unnecessary and a second window must be allowed.
        *("-UseBlacklist=0", "-AlwaysShared=1", "-AcceptSetDesktopSize=1", f"-MaxCutText={CUT_TEXT_LIMIT}"),
        "-SendPrimary=0",  # selected text must not replace copied text
        *(f"-desktop={title}", "-noreset", "-s", "0"),
    ]  # fmt: skip


def session_command(session: Path, path: str) -> list[str]:
    dbus = shutil.which("dbus-run-session", path=path) or "dbus-run-session"
    return ["/bin/bash", str(session / "login"), dbus, "--", "sh", str(session / "start")]


def environment(spec: DesktopSpec, place: DesktopFolder, account: Account, path: str) -> dict[str, str]:
    """Return the complete environment. Nothing of the portal's own environment, which holds secrets, is passed on."""
    name, _, value = place.marker.partition("=")
    return {
        name: value,
        "PATH": path,
        "HOME": str(place.root / "volumes" / spec.volume),
        "USER": account.name,
        "LOGNAME": account.name,
        "SHELL": "/bin/bash",  # a system account's own shell may be nologin
        "XAUTHORITY": str(place.private / "Xauthority"),
        "XDG_RUNTIME_DIR": str(place.private / "run"),
        "XDG_CURRENT_DESKTOP": "XFCE",
        "XDG_SESSION_TYPE": "x11",
        "NO_AT_BRIDGE": "1",  # there is no screen reader; the accessibility bus would slow the start of every program
        "TZ": spec.time_zone,
        "PODESK_STORAGE_GIB": str(spec.storage_gib),
        **languages(spec.language),
    }


def languages(code: str) -> dict[str, str]:
    """Return the language variables.

    LANGUAGE works even if the locale is missing, and C.UTF-8 supports all characters.
    """
    locale = LOCALES.get(code)
    if locale is None:
        return {"LANG": "C.UTF-8"}
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False, timeout=5).stdout.split()
    return {"LANG": f"{locale}.UTF-8" if f"{locale}.utf8" in known else "C.UTF-8", "LANGUAGE": locale}


def xdg_folders(session: Path) -> dict[str, str]:
    """Return the XDG folders: our defaults override the machine's, and the person's own settings override ours."""
    return {
        "XDG_CONFIG_DIRS": f"{session / 'config'}:/etc/xdg",
        "XDG_DATA_DIRS": f"{session / 'data'}:/usr/local/share:/usr/share",
    }


def find_programs(path: str) -> None:
    missing = [program for program in PROGRAMS if not shutil.which(program, path=path)]
    if missing:
        raise RuntimeFault("program_missing", ", ".join(missing))


def publish(root: Path) -> Path:
    """Copy session/ to a folder that the account can read, once per content, and return its path."""
    browser = next((name for name in BROWSERS if Path(f"/usr/share/applications/{name}.desktop").exists()), "")
    files = {file.relative_to(SESSION): file.read_text() for file in sorted(SESSION.rglob("*")) if file.is_file()}
    digest = hashlib.sha256(repr((files, browser)).encode()).hexdigest()[:8]
    folder = root / f"session-{digest}"
    if folder.is_dir():
        return folder
    new = Path(mkdtemp(dir=root, prefix=".session-"))
    try:
        new.chmod(0o755)
        for name, text in files.items():
            target = new / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_fill(text, folder, browser))
        for path in new.rglob("*"):  # readable for the account, whatever the umask
            path.chmod(0o755 if path.is_dir() else 0o644)
        with suppress(OSError):  # another process was first
            new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder


def _fill(text: str, folder: Path, browser: str) -> str:
    lines = (line for line in text.splitlines(keepends=True) if browser or "@browser@" not in line)
    return "".join(lines).replace("@session@", str(folder)).replace("@browser@", browser)


def obfuscated(password: str) -> bytes:
    """Return the content of a VNC password file."""
    block = password.encode()[:8].ljust(8, b"\0")
    encryptor = Cipher(TripleDES(PASSWORD_FILE_KEY * 3), modes.ECB()).encryptor()  # noqa: S305  # nosec B305
    return encryptor.update(block) + encryptor.finalize()


def authority(cookie: bytes) -> bytes:
    """Return an Xauthority file with one cookie.

    It applies to any display (family "wild"), because the number is not known yet.
    """
    fields = (b"", b"", b"MIT-MAGIC-COOKIE-1", cookie)
    return struct.pack(">H", 0xFFFF) + b"".join(struct.pack(">H", len(part)) + part for part in fields)


def _secret(path: Path, content: bytes, account: Account) -> None:
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
    account.own(path)
