"""A whole Podesk on this machine that drives the cluster, and what one does with it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.cluster.kube import Kube
from tests.visitor import Visitor
from tests.whole import Portal, running, wait_for

SMALL = "from desktops.models import DesktopSize; DesktopSize.objects.filter(name='Small').update(cpu='0.4')"


class Driven:
    """One portal, one namespace, one person (the administrator)."""

    def __init__(self, portal: Portal, kube: Kube) -> None:
        self.portal, self.kube = portal, kube
        self.person = Visitor(portal.url)
        self.person.sign_in("admin", portal.password)

    def row(self, desktop: str) -> tuple[str, str] | None:
        """Its status and the reason for it; None when it is gone."""
        found = self.portal.query(
            f"SELECT status, reason FROM desktops_desktop WHERE replace(CAST(id AS text), '-', '') = '{_hex(desktop)}'"
        )
        return found[0] if found else None

    def name(self, desktop: str) -> str:
        return self.portal.query(
            f"SELECT object_name FROM desktops_desktop WHERE replace(CAST(id AS text), '-', '') = '{_hex(desktop)}'"
        )[0][0]

    def wait(self, desktop: str, status: str | None, seconds: float = 90) -> None:
        def there() -> bool:
            row = self.row(desktop)
            return (row[0] if row else None) == status

        try:
            wait_for(there, seconds)
        except AssertionError:
            raise AssertionError(f"wanted {status}, the row is {self.row(desktop)}\n{self.evidence()}") from None

    def run(self) -> str:
        """The id of a desktop that runs."""
        desktop = self.person.launch()
        self.wait(desktop, "running")
        return desktop

    def pods(self) -> list[dict[str, Any]]:
        return self.kube.list("pods")

    def delete(self, desktop: str) -> None:
        """With its files, and nothing of it is left in the cluster."""
        self.person.act(desktop, "delete", home_folder="delete")
        self.wait(desktop, None)
        wait_for(lambda: not self.objects(), 60)

    def clear(self) -> None:
        """However a test left it."""
        for (identity,) in self.portal.query("SELECT id FROM desktops_desktop"):
            self.delete(str(UUID(str(identity))))

    def objects(self) -> list[str]:
        """All that is ours in the namespace, as kind/name."""
        kinds = "pods,configmaps,secrets,services,persistentvolumeclaims,networkpolicies,ingresses"
        found = self.kube.list(kinds, "app.kubernetes.io/managed-by=podesk")
        return [f"{each['kind']}/{each['metadata']['name']}" for each in found]

    def shell(self, code: str) -> str:
        """Python in the portal's own surroundings, as an administrator's `manage.py shell -c`."""
        done = self.portal.manage("shell", "--no-imports", "-c", code)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def evidence(self) -> str:
        logs = [f"{path.name}:\n{path.read_text()[-3000:]}" for path in (self.portal.data / "logs").glob("*er.log")]
        return "\n".join([self.kube.run("get", "pods,events", check=False).stdout[-3000:], *logs])


@contextmanager
def driving(kube: Kube, **settings: str) -> Iterator[Driven]:
    """`./podesk run` with that namespace of the cluster as the place of its desktops."""
    cluster = {"DESKTOP_RUNTIME": "kubernetes", "K8S_NAMESPACE": kube.namespace, "INSTALLATION_ID": kube.namespace}
    with (
        tempfile.TemporaryDirectory(prefix="podesk-cluster-", ignore_cleanup_errors=True) as made,
        running(Path(made) / "data", **cluster | settings) as portal,
    ):
        driven = Driven(portal, kube)
        driven.shell(SMALL)  # a test must not wait for what runs beside it
        yield driven


def _hex(desktop: str) -> str:
    return desktop.replace("-", "")
