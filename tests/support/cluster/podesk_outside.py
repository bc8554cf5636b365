"""All of Podesk on this machine, with its desktops in the cluster."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.support.cluster.kubectl import Kube
from tests.support.cluster.service_accounts import Accounts, accounts_in
from tests.support.page_client import Visitor
from tests.support.running_podesk import Portal, running, wait_for


class Driven:
    """One portal with one namespace and one user (the administrator)."""

    def __init__(self, portal: Portal, kube: Kube) -> None:
        self.portal, self.kube = portal, kube
        self.person = Visitor(portal.url)
        self.person.sign_in("admin", portal.password)

    def row(self, desktop: str) -> tuple[str, str] | None:
        """Return the desktop's status and its reason; None if the desktop is deleted."""
        found = self.portal.query(
            f"SELECT status, reason FROM desktops_desktop WHERE replace(CAST(id AS text), '-', '') = '{_hex(desktop)}'"
        )
        return found[0] if found else None

    def name(self, desktop: str) -> str:
        return self.portal.query(
            f"SELECT object_name FROM desktops_desktop WHERE replace(CAST(id AS text), '-', '') = '{_hex(desktop)}'"
        )[0][0]

    def wait(self, desktop: str, status: str | None, reason: str | None = None, seconds: float = 180) -> None:
        """Wait until the desktop has this status, and this reason if one is given. None as status: it is deleted."""

        def there() -> bool:
            seen, why = self.row(desktop) or (None, None)
            return seen == status and reason in (None, why)

        try:
            wait_for(there, seconds)
        except AssertionError:
            wanted, row = (status, reason), self.row(desktop)
            raise AssertionError(f"wanted {wanted}, the row is {row}\n{self.evidence()}") from None

    def launch(self, image: str = "", name: str = "desktop") -> str:
        """Launch a desktop, and return its id. `image`: by default the first on the page."""
        choice = self._choice(image) if image else self.person.launch_choice()
        answer = self.person.post("/desktops/launch/", **choice | {"name": name})
        found = re.search(r"/desktops/([0-9a-f-]{36})/", str(answer.url))
        assert found, (answer.status_code, answer.text)
        return found[1]

    def run(self, image: str = "", name: str = "desktop") -> str:
        """Launch a desktop, wait until it runs, and return its id."""
        desktop = self.launch(image, name)
        self.wait(desktop, "running")
        return desktop

    def pods(self) -> list[dict[str, Any]]:
        return self.kube.list("pods")

    def delete(self, *desktops: str) -> None:
        """Delete desktops with their files, and wait until the cluster contains no objects of any desktop."""
        for desktop in desktops:
            self.person.act(desktop, "delete", home_folder="delete")
        for desktop in desktops:
            self.wait(desktop, None)
        wait_for(lambda: not self.objects(), 60)

    def clear(self) -> None:
        """Delete all desktops that a test left."""
        self.delete(*(str(UUID(str(identity))) for (identity,) in self.portal.query("SELECT id FROM desktops_desktop")))

    def objects(self) -> list[str]:
        """Return all of Podesk's objects in the namespace, as kind/name."""
        kinds = "pods,configmaps,secrets,services,persistentvolumeclaims,networkpolicies,ingresses"
        found = self.kube.list(kinds, "app.kubernetes.io/managed-by=podesk")
        return [f"{each['kind']}/{each['metadata']['name']}" for each in found]

    def _choice(self, image: str) -> dict[str, str]:
        """Return the form fields for this image in its first size."""
        [(number, size)] = self.portal.query(
            "SELECT i.id, min(s.desktopsize_id) FROM desktops_desktopimage i JOIN desktops_desktopimage_sizes s"
            f" ON s.desktopimage_id = i.id WHERE i.name = '{image}' GROUP BY i.id"
        )
        return {"image": str(number), f"size-{number}": str(size)}

    def shell(self, code: str) -> str:
        """Run Python code in the portal's environment, as `manage.py shell -c` does, and return its output."""
        done = self.portal.manage("shell", "--no-imports", "-c", code)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def evidence(self) -> str:
        logs = [f"{path.name}:\n{path.read_text()[-3000:]}" for path in (self.portal.data / "logs").glob("*er.log")]
        return "\n".join([self.kube.run("get", "pods,events", check=False).stdout[-3000:], *logs])


@contextmanager
def driving(
    kube: Kube, *, accounts: Accounts | None = None, server: str = "", prepare: str = "", **settings: str
) -> Iterator[Driven]:
    """Run `./podesk run` with its desktops in this namespace, and with the rights of its processes.

    `accounts`: use those of another namespace. `server`: use this address instead of the API's. `prepare`: Python code
    to run first.
    """
    cluster = {
        "DESKTOP_RUNTIME": "kubernetes",
        "K8S_NAMESPACE": kube.namespace,
        "INSTALLATION_ID": kube.namespace,
        "DESKTOP_CPU_REQUEST_PERCENT": "5",  # so that the desktops of all tests fit on a node of two cores
    }
    with tempfile.TemporaryDirectory(prefix="podesk-cluster-", ignore_cleanup_errors=True) as made:
        account_set = accounts or accounts_in(kube.namespace, settings.get("DESKTOP_EXPOSURE", "proxy"))
        given = account_set.write_kubeconfig(Path(made) / "accounts", server)
        with running(Path(made) / "data", KUBECONFIG=str(given), **cluster | settings) as portal:
            driven = Driven(portal, kube)
            if prepare:
                driven.shell(prepare)
            yield driven


def _hex(desktop: str) -> str:
    return desktop.replace("-", "")
