"""The Simplified Chinese translation is complete: each text is in the catalog, and no page shows English."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from podesk_cli import environment
from podesk_cli.commands import Runner
from podesk_cli.folders import CHECKOUT
from podesk_cli.report import Progress

pytestmark = pytest.mark.once

LANGUAGE = "zh_Hans"
CATALOG = Path("locale", LANGUAGE, "LC_MESSAGES/django.po")
FILLED_IN = re.compile(r"%%|%\(\w+\)\w|%\w|\{\w+\}|</?\w+>")
CHINESE = {"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}  # as browsers send it
# Names, units and keys, which are the same in both languages, and the button that switches to English.
NOT_ENGLISH = {
    *(
        "Podesk",
        "Linux",
        "English",
        "alice",
        "work",
        "API",
        "CPU",
        "SSH",
        "GPU",
        "MiB",
        "GiB",
        "VNC",
        "Cookie",
        "JavaScript",
        "Page",
        "Insert",
    ),
    *("Ctrl", "Alt", "Shift", "Super", "Esc", "Tab", "Delete", "Home", "End", "Del", "PrtSc"),
}


def catalog(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def messages(path: Path) -> list[Message]:
    return [message for message in catalog(path) if message.id]  # the header is the message without an id


def texts(found: list[Message]) -> set[tuple[str | None, str]]:
    """Return contexts and texts; of a plural, the singular."""
    return {(message.context, message.id if isinstance(message.id, str) else message.id[0]) for message in found}


def strings(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string)


# --- The catalog --------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def in_sources(tmp_path_factory) -> set[tuple[str | None, str]]:
    """Return what makemessages finds in a copy of the sources, because it writes files beside the templates."""
    copy = tmp_path_factory.mktemp("sources")
    folders = [CHECKOUT / "templates", *(file.parent for file in CHECKOUT.glob("*/__init__.py"))]
    for folder in folders:
        shutil.copytree(folder, copy / folder.name, ignore=shutil.ignore_patterns("tests", "__pycache__"))
    (copy / "locale").mkdir()
    env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-m", "django", "makemessages", "--locale", LANGUAGE]
    subprocess.run(command, cwd=copy, env=env, check=True, timeout=60)
    return texts(messages(copy / CATALOG))


def test_every_text_is_in_the_catalog_and_no_other(in_sources):
    in_catalog = texts(messages(CHECKOUT / CATALOG))
    assert {"untranslated": in_sources - in_catalog, "unused": in_catalog - in_sources} == {
        "untranslated": set(),
        "unused": set(),
    }


def test_translations_are_finished():
    found = catalog(CHECKOUT / CATALOG)
    assert (found.num_plurals, found.fuzzy, dict(found.obsolete)) == (1, False, {})
    assert [message.id for message in found if message.id and (message.fuzzy or not all(strings(message)))] == []


def test_what_is_filled_in_stays():
    def blanks(text: str) -> list[str]:
        return sorted(FILLED_IN.findall(text))

    for message in messages(CHECKOUT / CATALOG):
        english = message.id if isinstance(message.id, str) else message.id[-1]
        assert [(english, blanks(chinese)) for chinese in strings(message)] == [(english, blanks(english))]


def test_functions_that_translate_have_names_that_makemessages_knows():
    """makemessages would miss all texts of `from … import gettext as say`."""
    renamed = re.compile(r"import \w*gettext\w* as (?!_\b)\w+")
    sources = [path for package in CHECKOUT.glob("*/__init__.py") for path in package.parent.rglob("*.py")]
    assert [path for path in sources if renamed.search(path.read_text()) and path != Path(__file__)] == []


# --- The pages ----------------------------------------------------------------------------------------------------
class Shown(HTMLParser):
    """Collects the texts of a page that a user reads or hears."""

    SPOKEN = ("title", "aria-label", "alt", "placeholder", "data-sentence")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: set[str] = set()
        self._silent = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent = tag in ("script", "style")
        for name, value in attrs:
            if name in self.SPOKEN:
                self._read(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._read(data)

    def _read(self, text: str) -> None:
        self.words |= set(re.findall(r"[A-Za-z]{2,}", text))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> Path:
    """Compile the catalog as `./podesk` does, and do not use an existing one, which may be old."""
    checkout = tmp_path_factory.mktemp("checkout")
    (checkout / CATALOG).parent.mkdir(parents=True)
    shutil.copy(CHECKOUT / CATALOG, checkout / CATALOG)
    (checkout / ".venv").symlink_to(sys.prefix)
    environment.ensure_translations(checkout, Runner(checkout, checkout / "setup.log", Progress(total=1)))
    return checkout / "locale"


@pytest.fixture
def chinese(settings, compiled) -> Iterator[None]:
    settings.LOCALE_PATHS = [compiled]


@pytest.mark.parametrize("accepted", ["zh-hans", "zh-CN,zh;q=0.9,en;q=0.8"])
def test_login_page_follows_the_browser(db, client, chinese, accepted):
    page = client.get("/accounts/login/", headers={"accept-language": accepted}).content.decode()
    for expected in ('<html lang="zh-hans">', "<h1>登录</h1>", "用户名", "密码"):
        assert expected in page


def test_what_a_new_installation_offers_is_translated(alice, client_for, chinese):
    page = client_for(alice).get("/", headers=CHINESE).content.decode()
    for expected in ("启动桌面", "Linux 桌面", "小型", "2 GiB 内存", 'name="name" value="桌面"'):
        assert expected in page


@pytest.mark.parametrize("address", ["/", "/accounts/login/", "/accounts/password/", "/desktops/launch/", "/nothing/"])
def test_no_english_on_pages(alice, client_for, client, chinese, address):
    browser = client if "login" in address else client_for(alice)
    assert Shown(browser.get(address, headers=CHINESE).content.decode()).words <= NOT_ENGLISH


@pytest.mark.parametrize("status", ["pending", "starting", "running", "stopping", "stopped", "failed", "deleting"])
@pytest.mark.parametrize("part", ["", "view/"])
def test_no_english_on_pages_of_a_desktop(alice, client_for, make_desktop, chinese, status, part):
    desktop = make_desktop(alice, name="work", status=status, reason="disk_full" if status == "failed" else "")
    page = client_for(alice).get(f"/desktops/{desktop.pk}/{part}", headers=CHINESE)
    assert page.status_code == 200
    assert Shown(page.content.decode()).words <= NOT_ENGLISH
