"""All of Podesk in the cluster by `kubectl apply -k k8s/overlays/dev`, as a user sees it in a real browser."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from playwright.sync_api import BrowserContext, expect

from podesk_cli.folders import CHECKOUT
from tests.cluster.conftest import BUILT
from tests.support.cluster.deployed_podesk import Window, clear, generations, reaches, wait_status
from tests.support.nginx import listens
from tests.support.operations_page import commands, table_row, typed
from tests.support.page_client import Visitor
from tests.support.running_podesk import wait_for

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def person(deployed) -> Visitor:
    return deployed.person()


@pytest.fixture
def browser(chromium, deployed) -> Iterator[BrowserContext]:
    """Return a browser that is signed in with the password of the Secret."""
    context = chromium.new_context(base_url=deployed.url, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto("/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", deployed.password)
    page.press("[name=password]", "Enter")
    page.wait_for_url(lambda url: "/login/" not in url)
    yield context
    context.close()


@pytest.fixture
def launch(person, deployed) -> Iterator[Callable[[], str]]:
    """Return a function that launches a desktop and waits until it runs. All of them are deleted afterwards."""

    def make() -> str:
        desktop = person.launch()
        wait_status(person, deployed, desktop, "running")
        return desktop

    yield make
    clear(person, deployed)


@pytest.fixture
def window(browser, deployed, launch) -> Window:
    """Return the screen of a new desktop with a terminal."""
    made = Window(browser.new_page(), launch(), deployed)
    made.open()
    return made.terminal()


# --- the way of a user ---


def test_from_the_first_click_to_a_file_that_stays(browser, deployed, person):
    page = browser.pages[0]
    page.goto("/")
    page.click("#launch-button")
    page.wait_for_url("**/desktops/*/")
    desktop = str(UUID(page.url.rstrip("/").rpartition("/")[2]))
    expect(page.locator("#stage iframe")).to_be_visible(timeout=170_000)
    viewer = Window(browser.new_page(), desktop, deployed)
    viewer.open()
    viewer.terminal().run("echo 'typed by hand' > typed")
    viewer.wait_file("typed", "typed by hand\n")
    first = deployed.pod(desktop)

    page.click("#stop-button")
    expect(page.locator("#state")).to_have_attribute("data-status", "stopped", timeout=60_000)
    assert not deployed.pod(desktop)
    page.click("#start-button")
    expect(page.locator("#stage iframe")).to_be_visible(timeout=170_000)
    assert deployed.pod(desktop) == first  # the name is the same
    assert deployed.file(desktop, "typed") == "typed by hand\n"
    clear(person, deployed)


def test_files_are_kept_and_given_to_a_later_desktop(launch, person, deployed):
    desktop = launch()
    deployed.desktops.exec(deployed.pod(desktop), "sh", "-c", "echo mine > kept")
    claims = deployed.claims()
    person.act(desktop, "delete", home_folder="keep")
    wait_for(lambda: person.http.get(f"/desktops/{desktop}/panel/").status_code == 404, 120)
    assert deployed.claims() == claims
    (volume,) = re.findall(r'<option value="([0-9a-f-]{36})"', person.http.get("/?new").text)
    answer = person.post("/desktops/launch/", **person.launch_choice(), volume=volume)
    later = re.search(r"/desktops/([0-9a-f-]{36})/", str(answer.url))[1]
    wait_status(person, deployed, later, "running")
    assert deployed.file(later, "kept") == "mine\n"
    assert deployed.claims() == claims


def test_files_go_when_the_person_says_so(launch, person, deployed):
    person.act(launch(), "delete", home_folder="delete")
    wait_for(lambda: not deployed.objects(), 120)


def test_page_tells_what_the_desktop_uses_and_says(launch, person):
    """Metrics and logs need the permissions of the web pods."""
    desktop = launch()
    wait_for(lambda: "CPU" in person.http.get(f"/desktops/{desktop}/usage/").text, 60)
    wait_for(lambda: person.http.get(f"/desktops/{desktop}/log/").status_code == 200)


# --- updates while desktops are in use ---


def test_roll_out_of_the_pages_cuts_no_screen(window, deployed):
    deployed.restart("web")
    window.run("echo 'same stream' > after")
    window.wait_file("after", "same stream\n")
    assert len(window.streams) == 1
    assert not window.streams[0].is_closed()


def test_roll_out_of_the_proxy_brings_the_browser_back(window, deployed):
    deployed.restart("proxy")
    wait_for(lambda: window.page.wait_for_timeout(100) or len(window.streams) > 1, 60)
    window.wait_connected(60)
    wait_for(lambda: window.colours() > 20)
    window.page.focus("#screen canvas")
    window.run("echo 'another stream' > after")
    window.wait_file("after", "another stream\n")
    assert window.streams[0].is_closed()


def test_page_says_that_the_controller_is_away_and_goes_on_when_it_is_back(browser, deployed, person):
    page = browser.pages[0]
    deployed.system("scale", "deployment/podesk-controller", "--replicas=0")
    try:
        wait_for(lambda: person.http.get("/readyz").json()["controller"].startswith("late"), 60)
        page.goto("/")
        page.click("#launch-button")
        expect(page.locator("#state")).to_contain_text("The controller is not running", timeout=30_000)
    finally:
        deployed.system("scale", "deployment/podesk-controller", "--replicas=1")
    expect(page.locator("#stage iframe")).to_be_visible(timeout=170_000)
    clear(person, deployed)


def test_applied_again_nothing_changes_and_no_log_tells_the_password(deployed):
    before, password = generations(deployed.system), deployed.password
    deployed.system("delete", "job", "podesk-keys", "podesk-migrate", "--ignore-not-found")
    deployed.apply()
    assert generations(deployed.system) == before
    assert deployed.password == password
    names = [pod["metadata"]["name"] for pod in deployed.system.list("pods")]
    logs = "".join(deployed.system("logs", name, "--all-containers") for name in names)
    assert "Applying" in logs or "No migrations to apply" in logs
    assert password not in logs


def test_redis_outage_keeps_streams_open_and_pods_ready(window, deployed, person):
    redis = deployed.system.get("pod", "podesk-redis-0")["metadata"]["uid"]
    began = time.monotonic()
    deployed.system("scale", "statefulset/podesk-redis", "--replicas=0")
    try:
        wait_for(lambda: not deployed.system.get("pod", "podesk-redis-0"), 30)
        assert time.monotonic() - began < 20, "it was killed after its grace period: it did not hear SIGTERM"
        time.sleep(25)  # longer than the probe of a pod may fail
        assert [deployed.addresses(name) for name in ("web", "proxy")] == [2, 2]
        assert person.http.get("/").status_code == 200
        assert person.http.get("/readyz").json()["redis"] == "does not answer"
        window.run("echo 'without Redis' > meanwhile")
        window.wait_file("meanwhile", "without Redis\n")
    finally:
        deployed.system("scale", "statefulset/podesk-redis", "--replicas=1")
    wait_for(lambda: person.http.get("/readyz").json()["redis"] == "ok", 60)
    assert deployed.system.get("pod", "podesk-redis-0")["metadata"]["uid"] != redis
    assert len(window.streams) == 1
    assert not window.streams[0].is_closed()


# --- closed connections ---


def test_desktop_reaches_nothing_of_the_portal(launch, deployed):
    pod = deployed.desktops, deployed.pod(launch())
    addresses = {s["metadata"]["name"]: s["spec"]["clusterIP"] for s in deployed.system.list("services")}
    ports = {"podesk-web": 80, "podesk-proxy": 80, "podesk-redis": 6379, "podesk-postgres": 5432}
    assert reaches(*pod, "127.0.0.1", 5901), "the test itself cannot see anything"
    assert [name for name, port in ports.items() if reaches(*pod, addresses[name], port)] == []


def test_pod_without_a_policy_of_its_own_reaches_nothing(deployed):
    """The portal's own pods are restricted too: the entry must not reach the database."""
    entry = deployed.system.list("pods", "app.kubernetes.io/component=entry")[0]["metadata"]["name"]
    addresses = {s["metadata"]["name"]: s["spec"]["clusterIP"] for s in deployed.system.list("services")}
    for name, port, reached in (
        ("podesk-web", 80, True),
        ("podesk-redis", 6379, False),
        ("podesk-postgres", 5432, False),
    ):
        assert reaches(deployed.system, entry, addresses[name], port) is reached, name


# --- commands of docs/operations.md, exactly as written ---


def test_a_new_user_tries_it(deployed, tmp_path):
    """PODESK_CLUSTER builds the images instead of Docker. All other commands are run as written."""
    *building, apply, wait, show, forward = commands("Try it on a small cluster")
    assert building == [f"docker build -t {tag} -f docker/{file} ." for tag, file in BUILT]
    for command in (apply, wait):
        typed(command, CHECKOUT)
    password = typed(show, tmp_path).strip()
    with subprocess.Popen(["bash", "-c", f"exec {forward}"], stdout=subprocess.DEVNULL) as tunnel:
        try:
            wait_for(lambda: listens(8080))
            newcomer = Visitor("http://localhost:8080")
            newcomer.sign_in("admin", password)
            assert newcomer.http.get("/").status_code == 200
        finally:
            tunnel.terminate()


def test_an_operator_looks_backs_up_and_brings_back(launch, deployed, tmp_path):
    pod = deployed.pod(launch())
    said = {
        heading: "".join(typed(command, tmp_path) for command in commands(heading))
        for heading in ("Watch", "Capacity", "When something is wrong", "What desktops can reach")
    }
    assert '"ready": true' in said["Watch"]
    assert pod in said["Watch"]
    assert re.search(r"^home-\S+ +admin +\d+", said["Capacity"], re.MULTILINE)

    dump, secret, *_restore, pods, take_home, bring_home = commands("Back up")
    for command in (dump, secret):
        typed(command, tmp_path)
    listed = typed(
        f"kubectl -n vnc-system exec -i podesk-postgres-0 -- pg_restore --list < {tmp_path}/podesk.dump", tmp_path
    )
    assert "TABLE DATA public desktops_desktop" in listed
    assert "SECRETS_KEYS" in (tmp_path / "podesk-keys.yaml").read_text()

    assert re.search(rf"^{pod} +admin$", typed(pods, tmp_path), re.MULTILINE)
    deployed.desktops.exec(pod, "sh", "-c", "echo mine > kept; echo mine > .hidden")
    typed(take_home.replace("POD", pod), tmp_path)
    deployed.desktops.exec(pod, "rm", "kept", ".hidden")
    typed(bring_home.replace("POD", pod), tmp_path)
    assert deployed.desktops.exec(pod, "cat", "kept", ".hidden") == "mine\nmine\n"


def test_an_operator_finds_volumes_that_no_row_knows(launch, deployed, tmp_path):
    launch()
    claim = deployed.desktops.get("pvc", deployed.claims()[0])
    kept = {key: claim["metadata"][key] for key in ("labels", "annotations")}
    spec = {key: claim["spec"][key] for key in ("accessModes", "resources")}

    def found() -> str:
        return "".join(typed(command, tmp_path) for command in commands("Claims without a row"))

    assert found() == ""
    lost = {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": kept | {"name": "home-lost"}, "spec": spec}
    deployed.desktops.apply(lost)
    try:
        assert found() == "home-lost\n"
    finally:
        deployed.desktops("delete", "pvc", "home-lost")


def test_a_node_with_a_desktop_is_emptied_by_force_alone(launch, deployed, tmp_path):
    pod = deployed.pod(launch())
    node = deployed.desktops.get("pod", pod)["spec"]["nodeName"]
    _cordon, people, drain, _uncordon = (each.replace("NODE", node) for each in commands("Node maintenance"))
    assert re.search(rf"^{pod} +admin$", typed(people, tmp_path), re.MULTILINE)
    only_asked = [*drain.split()[1:], "--dry-run=client"]
    assert pod in deployed.system.run(*only_asked).stdout
    refused = deployed.system.run(*(word for word in only_asked if word != "--force"), check=False)
    assert refused.returncode
    assert pod in refused.stderr


def test_the_password_of_redis_is_changed_while_people_work(window, deployed, person, tmp_path):
    functions, row = commands("Change secrets")[:3], table_row("Change secrets", "`REDIS_PASSWORD`")
    typed("\n".join([*functions, row[1].strip("`").replace("\\|", "|")]), tmp_path)
    for name in ("web", "proxy", "worker", "controller"):
        assert person.http.get("/").status_code == 200
        deployed.rolled_out(name)
    wait_for(lambda: person.http.get("/readyz").json()["redis"] == "ok", 60)
    window.wait_connected(60)
    person.act(window.desktop, "restart")
    wait_for(lambda: 'data-status="running"' not in person.panel(window.desktop))
    wait_status(person, deployed, window.desktop, "running")
