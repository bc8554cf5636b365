"""Podesk in the cluster, as the overlay `dev` deploys it, and its viewer in a browser."""

import base64
import json
import re
from typing import Any

from playwright.sync_api import Page, TimeoutError, WebSocket

from podesk_cli.folders import CHECKOUT
from tests.support.cluster.kubectl import Kube
from tests.support.page_client import Visitor
from tests.support.running_podesk import wait_for
from tests.support.viewer_page import TERMINAL, Screen

OVERLAY = str(CHECKOUT / "k8s/overlays/dev")
HOME = "/home/void/workspace"
DEPLOYMENTS = ("web", "proxy", "worker", "controller", "entry")


class Deployed:
    def __init__(self) -> None:
        self.system, self.desktops = Kube("vnc-system"), Kube("vnc-pods")

    # --- The installation ---

    def apply(self) -> None:
        """Deploy to an empty cluster as documented, and return when all parts are ready."""
        Kube("").run("apply", "-k", OVERLAY)  # the overlay names its namespaces
        for job in ("keys", "migrate"):
            self.system("wait", "--for=condition=complete", f"job/podesk-{job}", "--timeout=170s")
        for name in DEPLOYMENTS:
            self.rolled_out(name)

    def remove(self) -> None:
        """Remove everything, and return when the cluster's resources are free for other tests."""
        for kube in (self.desktops, self.system):
            kube.forget_namespace()
        for kube in (self.desktops, self.system):
            kube.run("wait", "--for=delete", f"namespace/{kube.namespace}", "--timeout=170s", check=False)
            assert not kube.get("namespace", kube.namespace)

    def restart(self, name: str) -> None:
        self.system("rollout", "restart", f"deployment/podesk-{name}")
        self.rolled_out(name)
        wait_for(lambda: not self._ending(name), 120)

    def rolled_out(self, name: str) -> None:
        self.system("rollout", "status", f"deployment/podesk-{name}", "--timeout=170s")

    def addresses(self, name: str) -> int:
        """Return to how many pods the Service of this part sends requests."""
        subsets = (self.system.get("endpoints", f"podesk-{name}") or {}).get("subsets", [])
        return sum(len(subset.get("addresses", [])) for subset in subsets)

    def _ending(self, name: str) -> bool:
        pods = self.system.list("pods", f"app.kubernetes.io/component={name}")
        return any("deletionTimestamp" in pod["metadata"] for pod in pods)

    @property
    def url(self) -> str:
        addresses = self.system.list("nodes")[0]["status"]["addresses"]
        return f"http://{next(each['address'] for each in addresses if each['type'] == 'InternalIP')}:32080"

    @property
    def password(self) -> str:
        data = (self.system.get("secret", "podesk-keys") or {})["data"]
        return base64.b64decode(data["ADMIN_PASSWORD"]).decode()

    def person(self) -> Visitor:
        visitor = Visitor(self.url)
        visitor.sign_in("admin", self.password)
        return visitor

    # --- Its desktops ---

    def pod(self, desktop: str) -> str:
        """Return the name of the desktop's pod; empty if it has none."""
        pods = self.desktops.list("pods", f"podesk/desktop={desktop}")
        return pods[0]["metadata"]["name"] if pods else ""

    def claims(self) -> list[str]:
        return [claim["metadata"]["name"] for claim in self.desktops.list("persistentvolumeclaims")]

    def objects(self) -> list[str]:
        """Return the objects of all desktops and volumes, as kind/name."""
        kinds = "pods,configmaps,secrets,services,persistentvolumeclaims,networkpolicies,ingresses"
        found = self.desktops.list(kinds, "app.kubernetes.io/managed-by=podesk")
        return [f"{each['kind']}/{each['metadata']['name']}" for each in found]

    def file(self, desktop: str, name: str) -> str:
        """Return the contents of a file in the desktop's home folder; empty if it does not exist."""
        return self.desktops.exec(self.pod(desktop), "cat", f"{HOME}/{name}", check=False)

    def evidence(self, *parts: str) -> str:
        """Return details for a failed test: the cluster's pods and events, and the logs of these parts."""
        seen = self.desktops.run("get", "pods,events", check=False).stdout
        chosen = [("-l", f"app.kubernetes.io/component={part}", "--prefix", "--tail=15") for part in parts]
        return "\n".join([seen, *(self.system.run("logs", *each, check=False).stdout for each in chosen)])[-6000:]


def clear(person: Visitor, deployed: Deployed) -> None:
    """Delete all desktops with their files, and all kept files."""
    page = person.http.get("/").text
    address = str(person.http.get("/").url)
    for desktop in set(re.findall(r"/desktops/([0-9a-f-]{36})/", page + address)):
        person.act(desktop, "delete", home_folder="delete")
        wait_for(lambda desktop=desktop: person.http.get(f"/desktops/{desktop}/panel/").status_code == 404, 120)
    for volume in set(re.findall(r"/volumes/([0-9a-f-]{36})/delete/", person.http.get("/?new").text)):
        person.post(f"/volumes/{volume}/delete/")
    wait_for(lambda: not deployed.claims(), 60)
    # The quota includes the storage until the portal knows that the claim is deleted.
    wait_for(lambda: "You cannot launch" not in person.http.get("/?new").text, 60)


def wait_status(person: Visitor, deployed: Deployed, desktop: str, status: str) -> None:
    try:
        wait_for(lambda: f'data-status="{status}"' in person.panel(desktop), 170)
    except AssertionError:
        raise AssertionError(
            f"not {status}: {person.panel(desktop)}\n{deployed.evidence('worker', 'controller')}"
        ) from None


class Window(Screen):
    """The viewer of a desktop in a pod."""

    def __init__(self, page: Page, desktop: str, deployed: Deployed) -> None:
        super().__init__(page, desktop, portal=None)
        self.deployed = deployed
        self.streams: list[WebSocket] = []
        self.unanswered: set[str] = set()
        page.on("request", lambda request: self.unanswered.add(request.url))
        for ended in ("requestfinished", "requestfailed"):
            page.on(ended, lambda request: self.unanswered.discard(request.url))
        page.on("websocket", lambda socket: "/ws/desktops/" in socket.url and self.streams.append(socket))

    def open(self) -> "Window":
        self.page.goto(f"/desktops/{self.desktop}/view/")
        try:
            self.wait_connected(60)
        except TimeoutError:
            raise AssertionError(f"{self.says()}\n{self.deployed.evidence('proxy')}") from None
        wait_for(lambda: self.colours() > 20)
        return self

    def says(self) -> str:
        """Return details for a failed test: what the viewer shows and what it waits for."""
        sockets = [(socket.url, "closed" if socket.is_closed() else "open") for socket in self.streams]
        return f"{self.page.inner_text('#overlay')}\nunanswered: {self.unanswered}\nstreams: {sockets}\n{self.faults}"

    def terminal(self) -> "Window":
        def opened() -> bool:
            """Click the terminal's button. The panel appears a little later than the first picture."""
            self.page.mouse.click(TERMINAL[0], self.page.viewport_size["height"] - TERMINAL[1])
            self.page.wait_for_timeout(2000)
            return bool(self._in_pod("pgrep", "-x", "xfce4-terminal"))

        def answers() -> bool:
            self.run("echo yes > opened")
            return self.deployed.file(self.desktop, "opened") == "yes\n"

        wait_for(opened, 60)
        wait_for(answers)
        return self

    def wait_file(self, name: str, text: str) -> None:
        wait_for(lambda: self.deployed.file(self.desktop, name) == text)

    def _in_pod(self, *command: str) -> str:
        return self.deployed.desktops.exec(self.deployed.pod(self.desktop), *command, check=False)


def generations(kube: Kube) -> dict[str, Any]:
    """Return the generation of each Deployment and StatefulSet. A change that rolls out new pods increases it."""
    items = json.loads(kube("get", "deployments,statefulsets", "-o", "json"))["items"]
    return {item["metadata"]["name"]: item["metadata"]["generation"] for item in items}


def reaches(kube: Kube, pod: str, host: str, port: int) -> bool:
    """Return whether the pod can connect to this host and port."""
    opened = f"timeout 3 bash -c 'exec 3<>/dev/tcp/$0/$1' {host} {port}"
    return kube.exec(pod, "sh", "-c", f"{opened} && echo reached || echo refused").split()[-1] == "reached"
