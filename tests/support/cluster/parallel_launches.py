"""Many signed-in users who press Launch at once, and a check that the database agrees with the cluster."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from podesk_cli.folders import CHECKOUT
from tests.support.cluster.podesk_outside import Driven
from tests.support.running_podesk import Portal

AT_ONCE = 20  # concurrent clicks
_CSRF = "c" * 32  # form and cookie must have the same value, which a client may choose

# A size that fits on no node, a size that fits many times on a small node, and users with a login each.
_PREPARE = """
import json
from django.test import Client
from accounts.models import Quota, User
from desktops.models import DesktopImage, DesktopSize
image = DesktopImage.objects.get()
Quota.objects.filter(user=None, group=None).update(cpu=1000)
sizes = {}
for name, cpu in (("huge", 500), ("tiny", "0.2")):
    size = DesktopSize.objects.create(name=name, cpu=cpu, memory_mib=1024, storage_gib=1)
    image.sizes.add(size)
    sizes[name] = size.pk
logins = {}
for number in range(PEOPLE):
    client, user = Client(), User.objects.create_user(f"person{number}")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    logins[user.username] = client.cookies["sessionid"].value
print(json.dumps({"image": image.pk, "sizes": sizes, "logins": logins}))
"""


@dataclass
class Person:
    url: str  # host and port
    login: str
    choice: dict[str, int | str]
    desktop: str = ""

    def launch(self) -> None:
        self.desktop = self._press("/desktops/launch/", name="desktop", **self.choice).rstrip("/").split("/")[-1]

    def delete(self) -> None:
        self._press(f"/desktops/{self.desktop}/delete/", home_folder="delete")

    def _press(self, path: str, **data: Any) -> str:
        """Press a button, and return where the answer redirects to."""
        wire = HTTPConnection(self.url, timeout=60)
        headers = {"Cookie": f"sessionid={self.login}; csrftoken={_CSRF}", "X-CSRFToken": _CSRF}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            wire.request("POST", path, urlencode(data), headers)
            answer = wire.getresponse()
            assert answer.status == 303, (answer.status, answer.read())
            return answer.headers["Location"]
        finally:
            wire.close()


class Crowd:
    """So many `people`. Every fifth chooses a size that fits, up to `fitting` of them."""

    def __init__(self, driven: Driven, people: int, fitting: int) -> None:
        self.driven = driven
        made = json.loads(driven.shell(f"PEOPLE = {people}\n{_PREPARE}").splitlines()[-1])
        self.people = []
        for number, login in enumerate(made["logins"].values()):
            size = "tiny" if number % 5 == 0 and number < 5 * fitting else "huge"
            image = made["image"]
            choice = {"image": image, f"size-{image}": made["sizes"][size]}
            self.people.append(Person(f"127.0.0.1:{driven.portal.port}", login, choice))

    def launch(self, people: list[Person] | None = None) -> None:
        """Press Launch for these people, and return when every click is answered."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(Person.launch, people or self.people))

    def delete(self, people: list[Person] | None = None) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(Person.delete, people or self.people))

    def rows(self) -> dict[str, tuple[str, str]]:
        """Return status and reason of each desktop, by the name of its objects."""
        found = self.driven.portal.query("SELECT object_name, status, reason FROM desktops_desktop")
        return {name: (status, reason) for name, status, reason in found}

    def disagreements(self) -> list[str]:
        """Return the rows and pods that do not agree, including rows without a pod and pods without a row."""
        rows, pods = self.rows(), self.driven.pods()
        should = {pod["metadata"]["name"]: _where(pod) for pod in pods}
        return [
            f"{name}: row {rows.get(name)}, pod {should.get(name)}"
            for name in rows.keys() | should.keys()
            if rows.get(name) != should.get(name)
        ]

    def pods_per_desktop(self) -> Counter[str]:
        return Counter(pod["metadata"]["labels"]["podesk/desktop"] for pod in self.driven.pods())


def _where(pod: dict[str, Any]) -> tuple[str, str]:
    """Return status and reason that the pod's row should have. For a pod that is still starting, no row agrees."""
    conditions = {each["type"]: each for each in pod["status"].get("conditions", [])}
    if conditions.get("Ready", {}).get("status") == "True":
        return "running", ""
    if conditions.get("PodScheduled", {}).get("reason") == "Unschedulable":
        return "starting", "unschedulable"
    return "nowhere", pod["status"]["phase"]


@contextmanager
def more(portal: Portal, word: str, count: int, **settings: str) -> Iterator[list[Path]]:
    """Run `count` more processes of a part (see Portal.part), with other `settings` than the portal's own.

    Yields the paths of their logs.
    """
    part = portal.part(word)
    assert part
    logs = [portal.data.parent / f"{word}-{number}.log" for number in range(2, count + 2)]
    processes = []
    try:
        for log in logs:
            with log.open("wb") as sink:
                command = subprocess.Popen(
                    part.cmdline(),
                    env=part.environ() | settings,
                    cwd=CHECKOUT,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                )
            processes.append(command)
        yield logs
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)
