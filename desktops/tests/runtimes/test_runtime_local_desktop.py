"""What a local desktop offers its user, and what it hides from others. All tests use a real Xvnc."""

import struct
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from desktops.runtimes.base import Phase
from desktops.runtimes.local import desktop_files, session_commands
from desktops.tests.support.rfb_client import EXTENDED_CLIPBOARD, RfbClient, colours, panel_drawn
from desktops.tests.support.runtime_specs import PASSWORD, soon, until


def test_it_listens_on_no_network(harness):
    spec = harness.run()
    harness.program(spec.name, "xfce4-panel")
    listening = [
        connection
        for process in harness.processes(spec.name)
        for connection in process.net_connections("inet")
        if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
    ]
    assert listening == []


def test_only_the_password_opens_it(harness):
    spec = harness.run()
    path = harness.runtime.observe(spec.name).endpoint.address
    assert Path(path).stat().st_mode & 0o777 == 0o600
    for _ in range(10):  # more than the limit of a ban: all users connect through the same proxy
        with pytest.raises(ConnectionRefusedError):
            RfbClient(path, "wrong")
    with RfbClient(path, PASSWORD) as client:
        assert (client.width, client.height, client.name) == (800, 600, "Ada")


def test_the_session_knows_no_secret_of_the_portal(harness, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://portal:hunter2@db/portal")
    spec = harness.run()
    until(lambda: len(harness.processes(spec.name)) > 6, what="the session")
    texts = []
    for process in (harness.holder(spec.name), *harness.processes(spec.name)):
        with suppress(ProcessLookupError, FileNotFoundError):  # it ended in the meantime
            texts += [Path(f"/proc/{process.pid}/{file}").read_text() for file in ("environ", "cmdline")]
    assert len(texts) > 10
    secrets = ("hunter2", "SECRET_KEY", "TOKEN_SIGNING_KEY", "REDIS_URL", PASSWORD)
    assert not [secret for secret in secrets if secret in "".join(texts)]


def test_secrets_are_for_their_readers_only(harness):
    spec = harness.run()
    place = harness.place(spec.name)
    private = (place.private, place.private / "passwd", place.private / "Xauthority", harness.home(spec), place.plan)
    assert [path.stat().st_mode & 0o077 for path in private] == [0] * len(private)
    assert PASSWORD not in "".join(file.read_text() for file in place.folder.iterdir() if file.is_file())


def test_deleting_a_volume_follows_no_link(harness):
    spec = harness.run()
    outside = harness.root / "outside"
    outside.mkdir()
    (outside / "precious").write_text("kept")
    (harness.home(spec) / "link").symlink_to(outside)
    harness.runtime.stop(spec.name, deadline=soon())
    harness.wait(spec.name, None)
    harness.runtime.delete_volume(spec.volume, deadline=soon())
    (harness.root / "volumes" / "evil").symlink_to(outside)
    harness.runtime.delete_volume("evil", deadline=soon())
    assert (outside / "precious").read_text() == "kept"
    assert list((harness.root / "volumes").iterdir()) == []


def test_a_desktop_with_a_terminal_to_type_into(harness):
    spec = harness.run()
    with RfbClient(harness.runtime.observe(spec.name).endpoint.address, PASSWORD) as client:
        until(lambda: panel_drawn(client), what="the panel")
        harness.program(spec.name, "xfsettingsd")  # it handles shortcuts

        def terminal() -> bool:
            client.key(0xFFE3, 0xFFE9, ord("t"))  # Ctrl Alt T
            time.sleep(0.5)
            return bool(harness.programs(spec.name, "xfce4-terminal"))

        until(terminal, what="a terminal")
        made = harness.home(spec) / "made.txt"

        def typed() -> bool:
            client.click(client.width // 2, client.height // 2)  # the last of several terminals may lack focus
            client.type("echo typed > ~/made.txt\n")
            time.sleep(0.5)
            return bool(made.exists() and made.read_text() == "typed\n")

        assert until(typed, what="the typed file")


def test_the_clipboard_speaks_utf8(harness):
    spec = harness.run()
    with RfbClient(harness.runtime.observe(spec.name).endpoint.address, PASSWORD) as client:
        client.encodings(0, EXTENDED_CLIPBOARD)
        length, body = client.clipboard_message()
        flags = struct.unpack(">I", body[:4])[0]
        assert length < 0, "not the extended clipboard"
        assert flags & 1, "no UTF-8 text"


def test_own_settings_win_over_ours(harness):
    spec = harness.spec()
    harness.runtime.start(spec, deadline=soon())
    harness.wait(spec.name, Phase.READY)
    session = next(harness.root.glob("session-*"))
    environment = desktop_files.read_plan(harness.place(spec.name)).environment
    assert environment["XDG_CONFIG_DIRS"].split(":") == [str(session / "config"), "/etc/xdg"]
    assert environment["HOME"] == str(harness.home(spec))
    assert "XDG_CONFIG_HOME" not in environment
    (harness.home(spec) / "Desktop" / "terminal.desktop").unlink()
    harness.runtime.stop(spec.name, deadline=soon())
    harness.wait(spec.name, None)
    harness.run(desktop_id=spec.desktop_id, run=2)
    assert not (harness.home(spec) / "Desktop" / "terminal.desktop").exists()


def test_no_window_opens_before_the_window_manager_runs(harness):
    """Test a slow window manager. While it takes over windows that are already open, typed keys are lost."""
    spec = harness.run()
    harness.runtime.stop(spec.name, deadline=soon())
    harness.wait(spec.name, None)
    home = harness.home(spec)
    (home / ".profile").write_text('PATH="$HOME/.local/bin:$PATH"\n')
    slow = home / ".local/bin/xfwm4"
    slow.parent.mkdir(parents=True, exist_ok=True)
    slow.write_text('#!/bin/sh\nsleep 4; touch ~/begun; exec /usr/bin/xfwm4 "$@"\n')
    slow.chmod(0o755)
    again = harness.run(desktop_id=spec.desktop_id, run=2)
    with RfbClient(harness.runtime.observe(again.name).endpoint.address, PASSWORD) as client:
        until(lambda: panel_drawn(client), what="the panel")
    assert (home / "begun").exists()


def test_broken_dotfiles_do_not_keep_the_desktop_away(harness):
    spec = harness.run()
    harness.runtime.stop(spec.name, deadline=soon())
    harness.wait(spec.name, None)
    home = harness.home(spec)
    for file in (".profile", ".bashrc", ".xsession", ".xinitrc", ".Xresources"):
        (home / file).write_text("exit 1 (((\n")
    for channel in ("xfce4-panel", "xfwm4", "xsettings", "xfce4-desktop"):
        file = home / f".config/xfce4/xfconf/xfce-perchannel-xml/{channel}.xml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("<channel this is not XML")
    again = harness.run(desktop_id=spec.desktop_id, run=2)
    with RfbClient(harness.runtime.observe(again.name).endpoint.address, PASSWORD) as client:
        until(lambda: colours(client.screen()) > 500, what="icons and a background")  # the pointer alone has 115


@pytest.mark.parametrize(("code", "language"), [("en", None), ("zh-hans", "zh_CN"), ("xx", None)])
def test_language(code, language):
    found = session_commands.languages(code)
    assert found.get("LANGUAGE") == language
    assert found["LANG"].upper().replace("-", "").endswith("UTF8")
