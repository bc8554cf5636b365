"""The viewer in a real browser, on a real desktop: picture, keys, clipboard, tools."""

import re
import time

import pytest
from playwright.sync_api import expect

from tests.support.running_podesk import wait_for

pytestmark = pytest.mark.browser

POEM = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏"  # more characters than Xvnc has spare keys


def test_picture_comes_without_a_fault(screen):
    viewer = screen()
    assert viewer.colours() > 20
    assert viewer.faults == []


def test_token_stands_in_no_address(device, desktop, portal):
    page = device().new_page()
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.on("websocket", lambda socket: addresses.append(socket.url))
    page.goto(f"/desktops/{desktop}/view/")
    page.wait_for_selector("#overlay[data-state=connected]", state="attached")
    assert f"ws://127.0.0.1:{portal.port}/ws/desktops/{desktop}/vnc" in addresses
    assert not [address for address in addresses if "eyJ" in address]


def test_typed_text_arrives(screen):
    viewer = screen().terminal()
    viewer.run("echo 'Hello, World ~!@#$%^&*()_+{}|:\"<>?' > typed")
    viewer.wait_file("typed", 'Hello, World ~!@#$%^&*()_+{}|:"<>?\n')


def test_desktop_is_as_large_as_the_window(screen):
    viewer = screen()
    wait_for(lambda: viewer.size() == (1440, 900))
    viewer.page.set_viewport_size({"width": 1000, "height": 700})
    wait_for(lambda: viewer.size() == (1000, 700))
    viewer.tool("Picture")
    viewer.page.check("[name=view][value=fit]")
    viewer.page.set_viewport_size({"width": 800, "height": 600})
    time.sleep(1)  # nothing may change meanwhile
    assert viewer.size() == (1000, 700)
    assert viewer.page.locator("#screen canvas").bounding_box()["width"] == pytest.approx(800, abs=1)
    viewer.page.reload()
    viewer.wait_connected()
    assert viewer.page.is_checked("[name=view][value=fit]")


def test_native_resolution_on_a_hidpi_screen(screen):
    viewer = screen(device_scale_factor=2, viewport={"width": 1000, "height": 700})
    wait_for(lambda: viewer.size() == (1000, 700))
    viewer.tool("Picture")
    viewer.page.check("[name=view][value=native]")
    wait_for(lambda: viewer.size() == (2000, 1400))
    box = viewer.page.locator("#screen canvas").bounding_box()
    assert (box["width"], box["height"]) == (1000, 700)
    viewer.page.reload()
    viewer.wait_connected()
    wait_for(lambda: viewer.size() == (2000, 1400))


def test_native_resolution_is_not_offered_where_it_is_the_same(screen):
    viewer = screen()
    viewer.tool("Picture")
    expect(viewer.page.locator("[name=view][value=native]")).to_be_hidden()


# --- clipboard ---


def test_clipboard_of_this_device_is_pasted_with_the_paste_key(screen):
    viewer = screen(permissions=()).terminal()
    viewer.page.context.grant_permissions(["clipboard-write"])
    viewer.type_into("pasted", at_once=True)
    viewer.copy_here("剪贴板 😀 ok")
    viewer.page.keyboard.press("Control+Shift+V")
    viewer.wait_file("pasted", "剪贴板 😀 ok")


def test_clipboard_of_this_device_is_offered_when_the_window_gets_the_focus(screen):
    viewer = screen()
    viewer.copy_here("第一行\n第二行 🚀")
    viewer.page.evaluate("dispatchEvent(new Event('focus'))")
    wait_for(lambda: viewer.inside("xclip", "-o", "-selection", "clipboard") == "第一行\n第二行 🚀")


def test_what_the_desktop_copies_is_here(screen):
    viewer = screen().terminal()
    viewer.run(r"printf '\u684c\u9762 \U1F680' | xclip -selection clipboard")
    expect(viewer.page.locator("#paste-text")).to_have_value("桌面 🚀")
    assert viewer.local_clipboard() == "桌面 🚀"


def test_text_that_only_changed_its_line_ends_takes_nothing_from_the_desktop(screen):
    viewer = screen().terminal()
    viewer.run(
        r"(printf 'one\ntwo' | xclip -quiet -selection clipboard; touch lost) &"
    )  # ends when it loses the clipboard
    expect(viewer.page.locator("#paste-text")).to_have_value("one\ntwo")
    viewer.copy_here("one\r\ntwo")  # as the clipboard of Windows returns it
    viewer.page.evaluate("dispatchEvent(new Event('focus'))")
    time.sleep(1)  # nothing may change meanwhile
    viewer.page.keyboard.press("Control+Shift+V")
    time.sleep(1)
    assert not viewer.file("lost").exists()
    viewer.copy_here("new")
    viewer.page.evaluate("dispatchEvent(new Event('focus'))")
    wait_for(lambda: viewer.file("lost").exists())
    viewer.file("lost").unlink()


def test_paste_box_works_without_any_permission(screen):
    viewer = screen(permissions=()).terminal()
    viewer.tool("Clipboard")
    viewer.page.fill("#paste-text", "框里的文字")
    viewer.page.click("#paste-send")
    expect(viewer.page.locator("#paste-status")).to_contain_text("The text is in the desktop's clipboard now")
    viewer.page.keyboard.press("Escape")
    viewer.page.focus("#screen canvas")
    viewer.run("xclip -o -selection clipboard > boxed")
    viewer.wait_file("boxed", "框里的文字")


def test_paste_box_keeps_what_was_not_sent(screen):
    viewer = screen().terminal()
    viewer.tool("Clipboard")
    viewer.page.fill("#paste-text", "not sent yet")
    viewer.page.focus("#screen canvas")
    viewer.run("printf other | xclip -selection clipboard")
    expect(viewer.page.locator("#paste-status")).to_contain_text("Something else was copied in the desktop")
    assert viewer.page.input_value("#paste-text") == "not sent yet"


# --- keys ---


def test_input_method_writes_any_number_of_characters(screen):
    viewer = screen().terminal()
    viewer.tool("Keyboard")
    typed = viewer.page.context.new_cdp_session(viewer.page)
    viewer.type_into("composed")
    typed.send("Input.imeSetComposition", {"text": "tian di", "selectionStart": 7, "selectionEnd": 7})
    typed.send("Input.insertText", {"text": POEM})
    viewer.page.keyboard.type(" and x")
    viewer.page.keyboard.press("Backspace")
    viewer.run("more")
    viewer.end_input()
    viewer.wait_file("composed", f"{POEM} and more\n")


def test_held_key_stays_down_until_pressed_again(screen):
    viewer = screen().terminal()
    viewer.type_into("held")
    viewer.run("x")
    viewer.tool("Special keys")
    viewer.page.get_by_role("button", name="Ctrl", exact=True).click()
    viewer.page.focus("#screen canvas")
    viewer.page.keyboard.press("d")
    viewer.page.get_by_role("button", name="Ctrl", exact=True).click()
    viewer.page.focus("#screen canvas")
    viewer.run("echo y >> held")
    viewer.wait_file("held", "x\ny\n")


def test_keyboard_alone_leads_out_and_back(screen):
    viewer = screen().terminal()
    page = viewer.page
    page.keyboard.press("Control+Alt+Shift")
    expect(page.get_by_role("toolbar").get_by_text("My Desktop")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "back"
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "paste-text"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.getAttribute('aria-controls')") == "clipboard"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "handle"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "CANVAS"
    viewer.run("echo nothing is stuck > free")
    viewer.wait_file("free", "nothing is stuck\n")


# --- tools ---


def test_screenshot_is_saved(screen, tmp_path):
    viewer = screen()
    with viewer.page.expect_download() as saving:
        viewer.tool("Screenshot")
    assert re.fullmatch(r"desktop \d{4}-\d\d-\d\d \d\d-\d\d-\d\d\.png", saving.value.suggested_filename)
    saving.value.save_as(tmp_path / "shot.png")
    assert (tmp_path / "shot.png").read_bytes().startswith(b"\x89PNG")


def test_full_screen_and_back(screen):
    viewer = screen()
    viewer.tool("Full screen")
    wait_for(lambda: viewer.page.evaluate("document.fullscreenElement !== null"))
    viewer.tool("Exit full screen")
    wait_for(lambda: viewer.page.evaluate("document.fullscreenElement === null"))


def test_connection_panel_says_how_it_is(screen):
    viewer = screen()
    wait_for(lambda: viewer.size() == (1440, 900))
    viewer.tool("Connection")
    expect(viewer.page.locator("[data-fact=state]")).to_have_text("Connected")
    expect(viewer.page.locator("[data-fact=size]")).to_have_text("1440 × 900")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(screen, theme):
    viewer = screen(color_scheme=theme, reduced_motion="reduce")
    findings = {"": viewer.axe()}
    for panel in ("Clipboard", "Special keys", "Picture", "Connection", "Keyboard"):
        viewer.tool(panel)
        findings[panel] = viewer.axe()
    viewer.page.context.set_offline(True)
    viewer.expect_card("This device is offline.")
    findings["offline"] = viewer.axe()
    assert {where: found for where, found in findings.items() if found} == {}


def test_phone(screen):
    viewer = screen(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = viewer.page
    wait_for(lambda: viewer.size() == (390, 844))
    page.wait_for_selector("#tools", state="hidden")  # it was shown first and then hidden
    page.tap("#handle")
    boxes = [tool.bounding_box() for tool in page.locator("#tools .tool").all()]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["height"] >= 44 for box in boxes)
    page.get_by_role("toolbar").get_by_text("Keyboard").tap()
    page.touchscreen.tap(200, 500)
    assert page.evaluate("document.activeElement.id") == "typing-text"  # the on-screen keyboard stays


def test_in_its_page_links_leave_the_frame(device, desktop):
    page = device().new_page()
    page.goto(f"/desktops/{desktop}/")
    frame = page.frame_locator("iframe.viewer")
    frame.locator("#overlay[data-state=connected]").wait_for(state="attached")
    frame.locator("#handle").wait_for()
    if frame.locator("#tools").is_hidden():
        frame.locator("#handle").click()
    frame.get_by_text("Full window").click()
    page.wait_for_url(f"**/desktops/{desktop}/view/")
