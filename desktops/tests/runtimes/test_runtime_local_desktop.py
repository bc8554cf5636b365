"""What a local desktop offers its user, and what it hides from others. All tests use a real Xvnc."""

import struct
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from desktops.runtimes.base import Phase
from desktops.runtimes.local import desktop_files, session_commands
from desktops.tests.support.rfb_client import EXTENDED_CLIPBOARD, RfbClient, colours
from desktops.tests.support.runtime_specs import PASSWORD, soon, until


def test_it_listens_on_no_network(house):
    spec = house.run()
    house.program(spec.name, "xfce4-panel")
    listening = [
        connection
        for process in house.processes(spec.name)
        for connection in process.net_connections("inet")
        if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
    ]
    assert listening == []


def test_only_the_password_opens_it(house):
    spec = house.run()
    path = house.runtime.observe(spec.name).endpoint.address
    assert Path(path).stat().st_mode & 0o777 == 0o600
    for _ in range(10):  # more than the limit of a ban: all users connect through the same proxy
        with pytest.raises(ConnectionRefusedError):
            RfbClient(path, "wrong")
    with RfbClient(path, PASSWORD) as client:
        assert (client.width, client.height, client.name) == (800, 600, "Ada")


def test_the_session_knows_no_secret_of_the_portal(house, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://portal:hunter2@db/portal")
    spec = house.run()
    until(lambda: len(house.processes(spec.name)) > 6, what="the session")
    texts = []
    for process in (house.holder(spec.name), *house.processes(spec.name)):
        with suppress(ProcessLookupError, FileNotFoundError):  # it ended in the meantime
            texts += [Path(f"/proc/{process.pid}/{file}").read_text() for file in ("environ", "cmdline")]
    assert len(texts) > 10
    secrets = ("hunter2", "SECRET_KEY", "TOKEN_SIGNING_KEY", "REDIS_URL", PASSWORD)
    assert not [secret for secret in secrets if secret in "".join(texts)]


def test_secrets_are_for_their_readers_only(house):
    spec = house.run()
    place = house.place(spec.name)
    private = (place.private, place.private / "passwd", place.private / "Xauthority", house.home(spec), place.plan)
    assert [path.stat().st_mode & 0o077 for path in private] == [0] * len(private)
    assert PASSWORD not in "".join(file.read_text() for file in place.folder.iterdir() if file.is_file())


def test_deleting_a_volume_follows_no_link(house):
    spec = house.run()
    outside = house.root / "outside"
    outside.mkdir()
    (outside / "precious").write_text("kept")
    (house.home(spec) / "link").symlink_to(outside)
    house.runtime.stop(spec.name, deadline=soon())
    house.wait(spec.name, None)
    house.runtime.delete_volume(spec.volume, deadline=soon())
    (house.root / "volumes" / "evil").symlink_to(outside)
    house.runtime.delete_volume("evil", deadline=soon())
    assert (outside / "precious").read_text() == "kept"
    assert list((house.root / "volumes").iterdir()) == []


def test_a_desktop_with_a_terminal_to_type_into(house):
    spec = house.run()
    with RfbClient(house.runtime.observe(spec.name).endpoint.address, PASSWORD) as client:
        until(lambda: colours(client.screen()) > 100, what="a picture")
        house.program(spec.name, "xfsettingsd")  # it handles shortcuts

        def terminal() -> bool:
            client.key(0xFFE3, 0xFFE9, ord("t"))  # Ctrl Alt T
            time.sleep(0.5)
            return bool(house.programs(spec.name, "bash"))

        until(terminal, what="a terminal")
        made = house.home(spec) / "made.txt"

        def typed() -> bool:
            client.click(client.width // 2, client.height // 2)  # the last of several terminals may lack focus
            client.type("echo typed > ~/made.txt\n")
            time.sleep(0.5)
            return bool(made.exists() and made.read_text() == "typed\n")

        assert until(typed, what="the typed file")


def test_the_clipboard_speaks_utf8(house):
    spec = house.run()
    with RfbClient(house.runtime.observe(spec.name).endpoint.address, PASSWORD) as client:
        client.encodings(0, EXTENDED_CLIPBOARD)
        length, body = client.clipboard_message()
        flags = struct.unpack(">I", body[:4])[0]
        assert length < 0, "not the extended clipboard"
        assert flags & 1, "no UTF-8 text"


def test_characters_of_any_script_find_a_key_code(house):
    spec = house.run()
    environment = house.program(spec.name, "xfwm4").environ()
    house.program(spec.name, "python3")  # session/keycodes.py
    with RfbClient(house.runtime.observe(spec.name).endpoint.address, PASSWORD) as client:
        for codepoint in range(0xAC00, 0xAC00 + 300):
            client.key(0x100_0000 + codepoint)
            time.sleep(0.02)
            if codepoint == 0xAC00 + 150:  # the user selects another layout in the desktop
                subprocess.run(["setxkbmap", "us,ru"], env=environment, check=True)
        client.key(0x100_0000 + 0x1F600)
        client.screen()  # the answer shows that all keys have arrived
    log = house.place(spec.name).log.read_text()
    assert "Failure adding new keysym" not in log
    assert "Traceback" not in log


def test_own_settings_win_over_ours(house):
    spec = house.spec()
    house.runtime.start(spec, deadline=soon())
    house.wait(spec.name, Phase.READY)
    session = next(house.root.glob("session-*"))
    environment = desktop_files.read_plan(house.place(spec.name)).environment
    assert environment["XDG_CONFIG_DIRS"].split(":") == [str(session / "config"), "/etc/xdg"]
    assert environment["HOME"] == str(house.home(spec))
    assert "XDG_CONFIG_HOME" not in environment
    (house.home(spec) / "Desktop" / "terminal.desktop").unlink()
    house.runtime.stop(spec.name, deadline=soon())
    house.wait(spec.name, None)
    house.run(desktop_id=spec.desktop_id, run=2)
    assert not (house.home(spec) / "Desktop" / "terminal.desktop").exists()


def test_broken_dotfiles_do_not_keep_the_desktop_away(house):
    spec = house.run()
    house.runtime.stop(spec.name, deadline=soon())
    house.wait(spec.name, None)
    home = house.home(spec)
    for file in (".profile", ".bashrc", ".xsession", ".xinitrc", ".Xresources"):
        (home / file).write_text("exit 1 (((\n")
    for channel in ("xfce4-panel", "xfwm4", "xsettings", "xfce4-desktop"):
        file = home / f".config/xfce4/xfconf/xfce-perchannel-xml/{channel}.xml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("<channel this is not XML")
    again = house.run(desktop_id=spec.desktop_id, run=2)
    with RfbClient(house.runtime.observe(again.name).endpoint.address, PASSWORD) as client:
        assert until(lambda: colours(client.screen()) > 100, what="a picture")


@pytest.mark.parametrize(("code", "language"), [("en", None), ("zh-hans", "zh_CN"), ("xx", None)])
def test_language(code, language):
    found = session_commands.languages(code)
    assert found.get("LANGUAGE") == language
    assert found["LANG"].upper().replace("-", "").endswith("UTF8")
