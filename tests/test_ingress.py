"""Exposure by ingress: a real nginx asks the running portal whether a request may pass to the desktop's noVNC."""

import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from django.conf import settings
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from core.request_token import SUBPROTOCOL_PREFIX
from desktops.runtimes.kubernetes import network_manifests
from desktops.runtimes.kubernetes.manifests import NOVNC, Body
from desktops.tests.support.kubernetes_namespace import a_cluster
from desktops.tests.support.runtime_specs import a_spec
from desktops.token_scopes import SUBPROTOCOL
from tests.support.nginx import nginx, novnc
from tests.support.page_client import Visitor
from tests.support.running_podesk import Portal, free_port, running, wait_for

pytestmark = pytest.mark.once

UNCHECKED = ssl._create_unverified_context()  # the certificate is made for this test
UPGRADE = {
    **{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
    **{"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "binary"},
}
ISSUE = """
from accounts.models import User
from accounts import tokens
bob, _ = User.objects.get_or_create(username="bob")
print(tokens.issue(bob, scope=tokens.TokenScope("sess_bob", pod_name="{}")))
"""


def visitor(url: str) -> Visitor:
    made = Visitor(url)
    made.http = httpx.Client(base_url=url, verify=UNCHECKED, follow_redirects=True, headers={"Referer": url})
    return made


@pytest.fixture(scope="module")
def site() -> Iterator[SimpleNamespace]:
    """Yield the portal behind nginx, with the noVNC of its first desktop."""
    front, desktop_port = free_port(), free_port()
    url = f"https://127.0.0.1:{front}"
    given = {"PUBLIC_URL": url, "TRUSTED_PROXY_COUNT": "1", "DESKTOP_EXPOSURE": "ingress"}
    with tempfile.TemporaryDirectory(prefix="podesk-ingress-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        folder.chmod(0o755)  # the account that runs desktops must be able to enter it
        (folder / "web").mkdir()
        (folder / "web/vnc.html").write_text("noVNC of this desktop")
        with (
            running(folder / "data", **given) as portal,
            nginx(folder / "nginx", port=front, portal=portal.port) as entrance,
        ):
            person = visitor(url)
            person.sign_in("admin", portal.password)
            desktop = person.launch()
            wait_for(lambda: row(portal)[0] == "running")
            entrance.show(ingress_of(desktop, row(portal)[2], url), {NOVNC: desktop_port})
            with novnc(folder / "web", port=desktop_port, address=row(portal)[1]):
                yield SimpleNamespace(portal=portal, url=url, desktop=desktop, person=person)


def ingress_of(desktop: str, name: str, url: str) -> Body:
    """Return the Ingress as in a cluster, with the default of DESKTOP_INGRESS_AUTH_URL."""
    usual = a_cluster("vnc-pods", exposure="ingress")
    asked = replace(usual.ingress, public_url=url, auth_url=settings.DESKTOP_INGRESS_AUTH_URL)
    return network_manifests.ingress(a_spec(desktop_id=desktop, name=name), replace(usual, ingress=asked))


def row(portal: Portal) -> tuple[str, str, str]:
    return portal.query("SELECT status, endpoint_address, object_name FROM desktops_desktop")[0]


@pytest.fixture
def person(site) -> Visitor:
    """Return a newly signed-in user in another browser."""
    fresh = visitor(site.url)
    fresh.sign_in("admin", site.portal.password)
    return fresh


def stream(site, person: Visitor) -> ClientConnection:
    """Connect directly to the X server, as noVNC in the browser does."""
    return socket(site, person, f"/direct/{site.desktop}/websockify", "binary")


def socket(site, person: Visitor, path: str, *protocols: str, origin: str = "") -> ClientConnection:
    cookies = "; ".join(f"{each.name}={each.value}" for each in person.http.cookies.jar if path.startswith(each.path))
    return connect(
        site.url.replace("https", "wss") + path,
        ssl=UNCHECKED,
        subprotocols=list(protocols) or None,
        origin=origin or site.url,
        additional_headers={"Cookie": cookies},
    )


def refused(site, person: Visitor, **headers: str) -> int:
    """Return the status when the same connection is refused."""
    asked = UPGRADE | {"Origin": site.url} | headers
    path = f"/direct/{site.desktop}/websockify"
    return person.http.get(path, headers=asked, follow_redirects=False).status_code


# --- the portal at its own port, as behind a controller on node ports ---


def test_forms_are_taken_from_its_own_port_alone(site, person):
    """Browsers send an Origin with the port. The test above shows that signing in works."""
    form = {"csrfmiddlewaretoken": person.http.cookies["csrftoken"]}
    for origin, status in ((site.url, 303), ("https://127.0.0.1", 403), ("https://127.0.0.1:1", 403)):
        path = f"/desktops/{site.desktop}/open-directly/"
        answer = person.http.post(path, data=form, headers={"Origin": origin}, follow_redirects=False)
        assert answer.status_code == status, origin


def test_sockets_are_opened_from_its_own_port_alone(site, person):
    with socket(site, person, "/ws/status/"):
        pass
    token = person.act(site.desktop, "session-token").json()["token"]
    with socket(site, person, f"/ws/desktops/{site.desktop}/vnc", SUBPROTOCOL, SUBPROTOCOL_PREFIX + token) as opened:
        assert opened.recv(timeout=10) == b"RFB 003.008\n"
    for path in ("/ws/status/", f"/ws/desktops/{site.desktop}/vnc"):
        with pytest.raises(InvalidStatus) as refused:
            socket(site, person, path, origin="https://127.0.0.1")
        assert refused.value.response.status_code == 403


def test_plain_http_is_sent_to_the_port_of_https(site):
    """The redirect uses neither the port of the request nor 443, at which nothing listens."""
    answer = httpx.get(f"http://127.0.0.1:{site.portal.port}/accounts/login/", headers={"Host": "127.0.0.1:31290"})
    assert (answer.status_code, answer.headers["Location"]) == (301, f"{site.url}/accounts/login/")


def test_the_ingress_of_a_desktop_has_a_host_without_a_port(site):
    code = "from django.conf import settings; print(settings.DESKTOP_INGRESS_HOST)"
    said = site.portal.manage("shell", "--no-imports", "-c", code)
    assert said.stdout.split()[-1] == "127.0.0.1"


# --- direct access to the desktop ---


def test_who_opens_it_directly_passes(site, person):
    answer = person.act(site.desktop, "open-directly")
    assert (answer.status_code, answer.text) == (200, "noVNC of this desktop")
    assert answer.url.path == f"/direct/{site.desktop}/vnc.html"
    with stream(site, person) as opened:
        assert opened.recv(timeout=10) == b"RFB 003.008\n"


def test_without_a_token_one_is_led_to_the_login(site):
    stranger = visitor(site.url)
    answer = stranger.http.get(f"/direct/{site.desktop}/vnc.html", follow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(f"{site.url}/accounts/login/?next=/desktops/{site.desktop}/")
    assert refused(site, stranger) == 302
    stranger.http.cookies.set("podesk_direct", "nonsense", path=f"/direct/{site.desktop}/")
    assert refused(site, stranger) == 302


def test_a_login_alone_does_not_pass(site, person):
    assert refused(site, person) == 302


def test_a_page_of_another_site_does_not_pass(site, person):
    person.act(site.desktop, "open-directly")
    assert refused(site, person, Origin="https://127.0.0.1:1") == 403


def test_another_persons_token_does_not_pass(site):
    issued = site.portal.manage("shell", "--verbosity", "0", "-c", ISSUE.format(row(site.portal)[2])).stdout
    bobs = issued.split()[-1]
    assert bobs.count(".") == 2
    stranger = visitor(site.url)
    answer = stranger.http.get(f"/direct/{site.desktop}/vnc.html", headers={"X-User-Token": bobs})
    assert answer.status_code == 403
    assert refused(site, stranger, **{"X-User-Token": bobs}) == 403


def test_after_the_logout_nothing_new_passes_but_what_is_open_stays(site, person):
    """With this exposure the portal cannot close open connections, as docs/exposure.md says."""
    person.act(site.desktop, "open-directly")
    with stream(site, person) as opened:
        assert opened.recv(timeout=10) == b"RFB 003.008\n"
        path = f"/direct/{site.desktop}/"
        cookie = next(each.value for each in person.http.cookies.jar if each.path == path)
        person.post("/accounts/logout/")
        person.http.cookies.set("podesk_direct", cookie, path=path)  # as if the browser had kept it
        assert refused(site, person) == 302
        opened.send(b"RFB 003.008\n")
        assert opened.recv(timeout=10)  # the security types of the X server


def test_stopping_the_desktop_ends_what_is_open(site, person):
    """This has to be the last test, because it leaves the desktop stopped."""
    person.act(site.desktop, "open-directly")
    with stream(site, person) as opened:
        assert opened.recv(timeout=10) == b"RFB 003.008\n"
        person.act(site.desktop, "stop")
        with pytest.raises(ConnectionClosed):
            opened.recv(timeout=30)
    assert refused(site, person) == 403
