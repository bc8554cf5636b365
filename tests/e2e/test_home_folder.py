"""The use of a home folder on the page of its desktop, from a real session and before it is full."""

from pathlib import Path

import pytest

from podesk_cli.folders import CHECKOUT
from tests.support.page_client import Visitor
from tests.support.running_podesk import Portal, wait_for

pytestmark = pytest.mark.browser
AXE = Path(CHECKOUT / "node_modules/axe-core/axe.min.js")
MEASURED = "SELECT used_bytes, usable_bytes FROM desktops_volume WHERE used_bytes > 0 AND kept_at IS NULL"


def stop(desktop: str, person: Visitor, portal: Portal) -> None:
    person.act(desktop, "stop")
    wait_for(lambda: portal.query("SELECT status FROM desktops_desktop") == [("stopped",)])


def test_a_session_measures_itself_and_the_page_shows_it(device, desktop, person, portal):
    (log,) = (portal.data / "local/desktops").glob("*/log")
    wait_for(lambda: "podesk-home-usage: " in log.read_text())
    stop(desktop, person, portal)  # its figures are read then, and not only every three minutes
    wait_for(lambda: portal.query(MEASURED))
    [(used, usable)] = portal.query(MEASURED)
    assert 4096 < used < usable
    person.act(desktop, "start")
    page = device().new_page()
    page.goto(f"/desktops/{desktop}/")
    page.wait_for_selector("#usage .meters li:nth-child(3)")
    assert "Storage" in page.inner_text("#usage")


@pytest.fixture
def nearly_full(desktop, person, portal) -> str:
    """Return the id of a stopped desktop, which is no longer measured, with a home folder of which 96 % are used."""
    stop(desktop, person, portal)
    used = "used_bytes=F('storage_gib') * 2**30 * 97 / 100, usable_bytes=2**40, used_measured_at=timezone.now()"
    modules = "from desktops.models import Volume; from django.db.models import F; from django.utils import timezone"
    portal.manage("shell", "--no-imports", "-c", f"{modules}; Volume.objects.update({used})").check_returncode()
    return desktop


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (360, 740)])
def test_the_warning_fits_and_axe_finds_nothing(device, nearly_full, scheme, size):
    page = device(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme).new_page()
    page.goto(f"/desktops/{nearly_full}/")
    assert "96 %" in page.inner_text("#home-folder")
    assert "does not enforce this limit" in page.inner_text("#home-folder")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run({iframes: false}).then((found) => found.violations)")
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
