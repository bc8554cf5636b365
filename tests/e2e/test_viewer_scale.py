"""The size of text and controls in a desktop, chosen in the viewer for each screen."""

import time

import pytest
from playwright.sync_api import expect

from tests.support.running_podesk import wait_for

pytestmark = pytest.mark.browser


def xsetting(viewer, name: str, *value: str) -> str:
    return viewer.inside("xfconf-query", "-c", "xsettings", "-p", name, *value)


def test_size_of_text_and_controls_is_set_inside_and_remembered_for_the_screen(screen):
    factor, dpi = "/Gdk/WindowScalingFactor", "/Xft/DPI"
    viewer = screen(device_scale_factor=2, viewport={"width": 1000, "height": 700})

    def frames() -> str:
        return viewer.inside("xfconf-query", "-c", "xfwm4", "-p", "/general/theme")

    viewer.tool("Picture")
    viewer.page.check("[name=view][value=native]")
    viewer.page.select_option("#scale", "200")
    wait_for(lambda: xsetting(viewer, factor) == "2")
    xsetting(viewer, factor, "-s", "1")
    assert xsetting(viewer, factor) == "1"
    viewer.page.reload()
    viewer.wait_connected()
    wait_for(lambda: xsetting(viewer, factor) == "2")
    viewer.tool("Picture")
    expect(viewer.page.locator("#scale")).to_have_value("200")
    assert frames() == "Default-xhdpi"
    viewer.page.select_option("#scale", "125")
    wait_for(lambda: (xsetting(viewer, factor), xsetting(viewer, dpi)) == ("1", "120"))
    wait_for(lambda: "Xft.dpi:\t120" in viewer.inside("xrdb", "-query"))
    viewer.page.select_option("#scale", "100")
    wait_for(lambda: (xsetting(viewer, dpi), frames()) == ("96", "Greybird"))
    assert viewer.faults == []


def test_size_of_text_and_controls_is_left_alone_on_a_screen_where_none_was_chosen(screen):
    viewer = screen()
    xsetting(viewer, "/Xft/DPI", "-n", "-t", "int", "-s", "110")
    viewer.page.evaluate("""localStorage.setItem("podesk.viewer", '{"scale": "200", "scale of another": "200"}')""")
    viewer.page.reload()
    viewer.wait_connected()
    time.sleep(6)  # in which nothing may happen
    assert xsetting(viewer, "/Xft/DPI") == "110"
    xsetting(viewer, "/Xft/DPI", "-s", "96")
