"""Typing on any keyboard layout, in a real browser on a real desktop: every character arrives, in order."""

import time
import unicodedata
from collections.abc import Callable, Iterator

import pytest

from tests.support.running_podesk import wait_for
from tests.support.viewer_page import Screen

pytestmark = pytest.mark.browser

RUSSIAN = "съешь ещё этих мягких французских булок, да выпей же чаю"
CONTROL, SHIFT = 2, 8  # modifiers in the debugger's protocol
SCRIPTS = {
    "Cyrillic": range(0x0400, 0x0460),
    "Greek": range(0x0391, 0x03CA),
    "Arabic": range(0x0621, 0x064B),
    "Hebrew": range(0x05D0, 0x05EB),
    "Armenian": range(0x0561, 0x0587),
    "Georgian": range(0x10D0, 0x10FA),
    "Thai": range(0x0E01, 0x0E2F),
    "Latin": range(0x00C0, 0x0180),
    "Hangul": range(0xAC00, 0xAC00 + 300),
    "CJK": range(0x4E00, 0x4E00 + 300),
    "emoji": range(0x1F600, 0x1F640),
}


class Keyboard:
    """Sends key events like those of a real keyboard of any layout."""

    def __init__(self, viewer: Screen) -> None:
        self._debugger = viewer.page.context.new_cdp_session(viewer.page)

    def event(self, kind: str, key: str, code: str = "", **more: object) -> None:
        text = {"text": key} if kind == "keyDown" and len(key) == 1 and not more.get("modifiers") else {}
        event = {"type": kind, "key": key, "code": code or f"Intl{ord(key[0])}", **text, **more}
        self._debugger.send("Input.dispatchKeyEvent", event)

    def press(self, key: str, code: str = "", **more: object) -> None:
        self.event("keyDown", key, code, **more)
        self.event("keyUp", key, code, **more)

    def type(self, text: str) -> None:
        for character in text:
            self.press(*{"\n": ("Enter", "Enter"), "\b": ("Backspace", "Backspace")}.get(character, (character,)))


@pytest.fixture
def viewer(screen) -> Screen:
    return screen().terminal()


@pytest.fixture
def keyboard(viewer) -> Keyboard:
    return Keyboard(viewer)


@pytest.fixture
def received(viewer) -> Iterator[Callable[[str], None]]:
    """Send typed text to `cat`. Yield a function that checks what arrived."""
    viewer.type_into("typed")

    def check(text: str) -> None:
        viewer.end_input()
        viewer.wait_file("typed", text, seconds=120)  # a thousand characters take half a minute

    yield check


def characters(script: str) -> str:
    found = (chr(code) for code in SCRIPTS[script])
    return "".join(each for each in found if unicodedata.category(each) in ("Lu", "Ll", "Lo", "So"))


def test_a_russian_sentence(keyboard, received):
    keyboard.type(f"{RUSSIAN}\n{RUSSIAN.upper()}\n")
    received(f"{RUSSIAN}\n{RUSSIAN.upper()}\n")


def test_every_script_one_after_another(keyboard, received):
    lines = "".join(f"{characters(script)}\n" for script in SCRIPTS)
    keyboard.type(lines)
    keyboard.type(f"{RUSSIAN}\n")
    received(f"{lines}{RUSSIAN}\n")


def test_scripts_mixed_with_latin_enter_and_backspace(keyboard, received):
    pairs = zip(characters("Hangul"), characters("CJK"), strict=True)
    words = [f"{a}x{b}{a}" + ("\n" if at % 20 == 19 else " ") for at, (a, b) in enumerate(pairs)]
    keyboard.type("".join(f"q\b{word}" for word in words))
    received("".join(words))


def test_shortcuts_on_a_russian_layout(viewer, keyboard):
    page = viewer.page
    viewer.run("cat > stopped; echo interrupted > stopped")
    wait_for(lambda: viewer.file("stopped").exists())  # Ctrl+C discards what the shell has not read yet
    page.keyboard.down("Control")
    keyboard.press("с", "KeyC", modifiers=CONTROL)
    page.keyboard.up("Control")
    viewer.type_into("pasted", at_once=True)
    viewer.copy_here("вставка")
    page.evaluate("dispatchEvent(new Event('focus'))")
    wait_for(lambda: viewer.inside("xclip", "-o", "-selection", "clipboard") == "вставка")
    page.keyboard.down("Control")
    page.keyboard.down("Shift")
    keyboard.press("М", "KeyV", modifiers=CONTROL | SHIFT)
    page.keyboard.up("Shift")
    page.keyboard.up("Control")
    wait_for(lambda: viewer.file("pasted").read_text() == "вставка")
    keyboard.type("с")  # a letter again, without Ctrl
    page.keyboard.down("Control")
    keyboard.press("в", "KeyD", modifiers=CONTROL)
    page.keyboard.up("Control")
    viewer.wait_file("pasted", "вставкас\x04")
    assert viewer.file("stopped").read_text() == ""


def test_a_letter_that_is_held_down_repeats_until_it_is_released(keyboard, received):
    for repeat in range(5):
        keyboard.event("keyDown", "ы", "KeyS", autoRepeat=repeat > 0)
    keyboard.event("keyUp", "ы", "KeyS")
    time.sleep(1)  # nothing more may arrive meanwhile
    keyboard.type("\n")
    received("ыыыыы\n")


def test_keys_of_more_than_one_character(viewer, keyboard, received):
    for key in ("لا", "¨ẗ", "👍🏽"):  # the debugger cannot send these
        viewer.page.locator("#screen canvas").dispatch_event("keydown", {"key": key, "code": "KeyB", "bubbles": True})
    keyboard.type("\n")
    received("لا¨ẗ👍🏽\n")


def test_the_desktop_takes_all_characters(viewer, keyboard, received):
    for _ in range(3):
        keyboard.type(characters("Greek") + characters("Georgian"))
    keyboard.type("\n")
    received((characters("Greek") + characters("Georgian")) * 3 + "\n")
    (log,) = (viewer.portal.data / "local/desktops").glob("*/log")
    assert "Failure adding new keysym" not in log.read_text()
