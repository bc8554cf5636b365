"""The desktop image in pods like those of the portal: what a user finds in it, and how it handles faults."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import expect

from desktops.runtimes.base import Phase
from desktops.tests.support.rfb_client import RfbClient
from tests.cluster.conftest import IMAGE
from tests.support.cluster.image_pods import HOME, PASSWORD, Keys, Pod
from tests.support.running_podesk import wait_for

pytestmark = pytest.mark.cluster

CONTROL, ALT = 0xFFE3, 0xFFE9
RUSSIAN = "съешь ещё этих мягких французских булок да выпей же чаю"
BROKEN = {
    "garbage": """
        xfce=.config/xfce4/xfconf/xfce-perchannel-xml; mkdir -p $xfce .ICEauthority .profile
        for channel in xfce4-panel xsettings xfwm4 xfce4-desktop; do head -c 3000 /dev/urandom >$xfce/$channel.xml; done
        echo 'exit 3' >.bashrc; touch .Xauthority Desktop; chmod 0 .Xauthority""",
    "files": "touch .config .cache .local .bashrc Desktop",
    "folders": """
        xfce=.config/xfce4/xfconf/xfce-perchannel-xml; mkdir -p $xfce/{xfce4-panel,xsettings}.xml/x .bashrc .Xauthority
        touch .config/xfce4/{panel,desktop,terminal} .config/dconf""",
    "closed": "mkdir -p .config/xfce4 .cache .local/share; chmod 0 .config/xfce4; chmod 500 .cache .local",
}
SAVING = """cat >save.sh <<END
trap 'sleep 1; echo done >saved; exit' TERM
sleep infinity &
wait
END"""


PROFILES = {
    "profile": """
        echo 'export GREETING=hello; PATH=~/.local/bin:$PATH' >.profile
        mkdir -p .local/bin; printf '#!/bin/sh\necho $GREETING' >.local/bin/greet; chmod +x .local/bin/greet""",
    "hanging": "echo 'exec sleep 1000' >.profile",
}


def soon(condition: Callable[[], object]) -> None:
    """Wait longer than usual, because ten desktops start at once beside other pods of the node."""
    wait_for(condition, seconds=120)


@pytest.fixture(scope="module")
def keys() -> Iterator[Keys]:
    made = Keys()
    yield made
    made.close()


@pytest.fixture(scope="module")
def full_folder() -> Iterator[str]:
    """Return a full file system of the node, which is this machine."""
    with tempfile.TemporaryDirectory(prefix="podesk-full-", dir="/tmp") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,uid=1000,gid=1000", "none", folder], check=True)
        try:
            subprocess.run(["dd", "if=/dev/zero", f"of={folder}/film.mkv"], stderr=subprocess.DEVNULL, check=False)
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture(scope="module")
def pods(kube, keys, full_folder) -> dict[str, Pod]:
    """Start all pods of these tests at once, because each needs seconds to start."""
    wanted = [
        *(Pod(kube, name, IMAGE, keys) for name in ("plain", "leaver")),
        Pod(kube, "restarted", IMAGE, keys, before=SAVING),
        Pod(kube, "chinese", IMAGE, keys, language="zh-hans"),
        Pod(kube, "full", IMAGE, keys, home={"hostPath": {"path": full_folder}}),
        Pod(kube, "read-only", IMAGE, keys, home={"configMap": {"name": "plain"}}),
        *(Pod(kube, name, IMAGE, keys, before=before) for name, before in (BROKEN | PROFILES).items()),
    ]
    kube.apply(*(manifest for pod in wanted for manifest in pod.manifests()))
    kube("wait", "pod", *(pod.name for pod in wanted), "--for=condition=Ready", "--timeout=170s")
    return {pod.name: pod for pod in wanted}


@pytest.fixture
def plain(pods) -> Pod:
    return pods["plain"]


# --- what a user finds


def test_screen_by_password(plain):
    with plain.screen() as client:
        assert client.banner == b"RFB 003.008\n"
        assert (client.width, client.height, client.name) == (1280, 800, "Ada 中文")
    soon(plain.panel_drawn)


def test_wrong_password_is_refused(plain):
    with pytest.raises(ConnectionRefusedError):
        plain.screen("another8")


def test_files_are_made_in_the_workspace(plain):
    soon(lambda: plain.pid("xfce4-panel"))
    assert plain.environment("xfce4-panel")["HOME"] == HOME
    assert plain.exec("stat", "--format=%u", f"{HOME}/Desktop/terminal.desktop", f"{HOME}/.bashrc") == "1000\n1000\n"


def test_novnc_page_shows_the_desktop(plain, chromium):
    with chromium.new_page() as page:
        page.goto(f"http://{plain.ip()}:6080/")
        page.fill("#password", "another8")
        page.get_by_role("button").click()
        expect(page.get_by_role("status")).to_have_text("The password is incorrect.")
        page.fill("#password", PASSWORD)
        page.press("#password", "Enter")
        expect(page.locator("form")).to_be_hidden()
        expect(page.locator("canvas")).to_be_visible()


def test_browser_runs_without_privileges(plain):
    """Firefox draws a page, in this test noVNC's."""
    picture = f"{HOME}/page.png"
    command = f"firefox-esr --headless --screenshot {picture} http://127.0.0.1:6080/"
    plain.kube("exec", plain.name, "--", "timeout", "60", "sh", "-c", command)
    assert plain.exec("sh", "-c", f"head -c 4 {picture} | tail -c 3") == "PNG"


def test_ssh_by_key(plain, keys):
    done = plain.ssh("id -un; pwd; echo $DISPLAY; xset q | head -1", key=keys.person)
    assert done.stdout.splitlines() == ["void", HOME, ":1", "Keyboard Control:"], done.stderr


def test_sftp(plain, keys):
    put = plain.ssh(key=keys.person, program="sftp", stdin="mkdir sent\nls\n")
    assert "sent" in put.stdout, put.stderr
    assert plain.exec("stat", "--format=%F", f"{HOME}/sent") == "directory\n"


def test_ssh_without_the_key_is_refused(plain, keys):
    refused = plain.ssh("true", key=keys.stranger)
    assert refused.returncode == 255
    assert "Permission denied (publickey)." in refused.stderr  # it does not ask for a password


def test_host_key_is_the_one_of_the_secret(plain, keys):
    shown = subprocess.run(["ssh-keyscan", "-p", "2222", plain.ip()], capture_output=True, text=True, check=True).stdout
    assert shown.split()[1:] == keys.public(keys.host).split()


# --- typing


def start_cat(pod: Pod, client: RfbClient) -> None:
    """Open a terminal with its shortcut, and send what is typed into it to the file `typed`."""
    soon(lambda: pod.pid("xfwm4") and pod.panel_drawn())
    client.key(CONTROL, ALT, ord("t"))
    soon(lambda: pod.exec("pgrep", "-x", "bash", "--parent", pod.pid("xfce4-terminal")))
    client.type("cat >typed\n")
    soon(lambda: pod.pid("cat"))


def test_a_russian_sentence_is_typed(plain):
    with plain.screen() as client:
        start_cat(plain, client)
        client.type(f"{RUSSIAN}\n{RUSSIAN.upper()}\n")
        client.key(CONTROL, ord("d"))
        soon(lambda: not plain.pid("cat"))
        assert plain.exec("cat", f"{HOME}/typed") == f"{RUSSIAN}\n{RUSSIAN.upper()}\n"


# --- Chinese


def test_chinese(pods):
    chinese = pods["chinese"]
    soon(lambda: chinese.pid("ibus-daemon"))
    environment = chinese.environment("xfce4-panel")
    assert (environment["LANG"], environment["GTK_IM_MODULE"]) == ("zh_CN.UTF-8", "ibus")
    assert "星期" in chinese.exec("env", "LANG=zh_CN.UTF-8", "date", "+%A")
    assert "Noto Sans CJK SC" in chinese.exec("fc-match", "sans-serif:lang=zh-cn")


def test_chinese_is_typed(pods):
    chinese = pods["chinese"]
    soon(lambda: chinese.pid("ibus-daemon"))
    with chinese.screen() as client:
        start_cat(chinese, client)
        client.key(CONTROL, ord(" "))

        def typed() -> bool:
            client.type("nihao \n")  # letters arrive if the engine is still loading
            return "你好" in chinese.exec("cat", f"{HOME}/typed")

        soon(typed)


# --- the environment of a login


def test_menus_and_logins_have_what_the_profile_exports(pods, keys):
    pod = pods["profile"]
    soon(lambda: pod.pid("xfce4-panel"))
    environment = pod.environment("xfce4-panel")
    assert environment["GREETING"] == "hello"
    assert environment["PATH"].split(":")[0] == f"{HOME}/.local/bin"
    login = pod.ssh("-tt", key=keys.person, stdin="greet >greeted; exit\n")
    assert pod.exec("cat", f"{HOME}/greeted") == "hello\n", login


def test_clocks_show_the_time_of_the_person(plain, keys):
    soon(lambda: plain.pid("xfce4-panel"))
    assert plain.environment("xfce4-panel")["TZ"] == "Asia/Kathmandu"
    assert plain.exec("date", "+%z") == "+0545\n"
    assert plain.ssh("date +%z", key=keys.person).stdout == "+0545\n"


def test_a_hanging_profile_is_left_out_with_a_notice(pods):
    pod = pods["hanging"]
    soon(lambda: pod.pid("xfce4-notifyd"))
    assert "the login profile is not used" in pod.kube("logs", pod.name)


# --- privileges and secrets


def test_no_privileges(plain):
    status = dict(line.split(":\t", 1) for line in plain.exec("cat", "/proc/1/status").splitlines() if ":\t" in line)
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert set(plain.exec("ps", "-eo", "user=,group=").split()) == {"void"}


def test_root_is_read_only(plain):
    """This is the only path that the module tests."""
    assert " / overlay ro," in plain.exec("cat", "/proc/mounts")


def test_no_secret_in_environments_and_command_lines(plain, keys):
    seen = plain.exec("sh", "-c", "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline")
    secret_line = keys.host.read_text().splitlines()[2]
    assert "VNC_RESOLUTION" in seen
    assert "Xvnc" in seen
    assert PASSWORD not in seen
    assert secret_line not in seen


# --- ends and restarts


@pytest.mark.parametrize(("program", "port"), [("python3", 6080), ("sshd", 2222)])
def test_server_that_dies_is_started_again(plain, program, port):
    kill_and_see_anew(plain, program)
    if port == 6080:
        soon(lambda: answers(f"http://{plain.ip()}:{port}/"))
    else:
        soon(lambda: plain.ssh("true", key=plain.keys.person).returncode == 0)
    assert plain.restarts() == 0


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def kill_and_see_anew(pod: Pod, program: str) -> None:
    before = pod.pid(program)
    pod.exec("kill", "-KILL", before)
    soon(lambda: pod.pid(program) not in ("", before))


@pytest.mark.parametrize(
    ("program", "code", "reason"),
    [("Xvnc", 81, "screen_crashed"), ("sh /opt/podesk/session/start", 82, "session_crashed")],
)
def test_crash_starts_a_new_container_that_says_what_crashed(pods, program, code, reason):
    pod = pods["restarted"]
    before = pod.restarts()
    soon(pod.panel_drawn)
    pod.exec("pkill", "-KILL", "-xf" if " " in program else "-x", program)
    soon(lambda: pod.restarts() == before + 1)
    assert pod.last_exit() == code
    soon(lambda: pod.observed().phase is Phase.READY)
    assert (pod.observed().reason, pod.observed().restarts) == (reason, before + 1)
    soon(pod.panel_drawn)


def test_log_out_ends_the_pod_well(pods):
    leaver = pods["leaver"]
    soon(lambda: leaver.pid("xfwm4"))
    session = leaver.exec("pgrep", "-o", "-x", "-f", "sh /opt/podesk/session/start").strip()
    assert leaver.environment("xfwm4")["PODESK_SESSION"] == session  # the menu sends its signal to this process
    leaver.exec("/opt/podesk/log-out")
    soon(lambda: leaver.status()["phase"] == "Succeeded")


def test_stopping_lets_programs_save(pods):
    """Status 143 is a normal end; 137 would be a kill after the grace period."""
    pod = pods["restarted"]
    before = pod.restarts()
    pod.exec("sh", "-c", "setsid sh save.sh >/dev/null 2>&1 &")
    soon(lambda: pod.pid("sleep"))
    pod.exec("kill", "-TERM", "1")
    soon(lambda: pod.restarts() == before + 1)
    assert pod.last_exit() == 143
    soon(lambda: pod.exec("cat", f"{HOME}/saved") == "done\n")


# --- unusable homes


@pytest.mark.parametrize("name", ["full", "read-only", *BROKEN])
def test_desktop_comes_up_in_any_home(pods, name):
    soon(lambda: pods[name].pid("xfce4-panel"))
    soon(pods[name].panel_drawn)
    assert pods[name].restarts() == 0


def test_full_home_is_replaced_and_the_person_is_told(pods):
    full = pods["full"]
    soon(lambda: full.pid("xfce4-notifyd"))
    home = full.environment("xfce4-panel")["HOME"]
    assert home != HOME
    assert full.exec("ls", f"{home}/Desktop/workspace/") == "film.mkv\n"
    assert f"{HOME} cannot be written" in full.kube("logs", "full")
