"""Use the viewer as a user does: press its buttons, read its picture, and check files in the desktop."""

import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Page, expect

from tests.support.running_podesk import Portal, wait_for

TERMINAL = (134, 20)  # its button on the desktop's panel: from the left, from the bottom; CSS pixels

COLOURS = """() => {
  const canvas = document.querySelector("#screen canvas");
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}"""


class Screen:
    def __init__(self, page: Page, desktop: str, portal: Portal) -> None:
        self.page, self.desktop, self.portal = page, desktop, portal
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.faults.append(message.text))

    def open(self) -> "Screen":
        self.page.goto(f"/desktops/{self.desktop}/view/")
        self.wait_connected()
        wait_for(lambda: self.colours() > 20)
        return self

    # --- The picture and the messages ---

    def wait_connected(self, seconds: float = 60) -> None:
        self.page.wait_for_selector("#overlay[data-state=connected]", state="attached", timeout=seconds * 1000)

    def colours(self) -> int:
        """Return the number of distinct colours in the picture. A blank screen has one."""
        return self.page.evaluate(COLOURS)

    def size(self) -> tuple[int, int]:
        """Return width and height of the desktop's picture, in its own pixels."""
        canvas = self.page.locator("#screen canvas")
        return canvas.evaluate("canvas => canvas.width"), canvas.evaluate("canvas => canvas.height")

    def expect_card(self, title: str, text: str = "", *, button: str = "") -> None:
        expect(self.page.locator("#overlay [data-part=title]")).to_have_text(title)
        if text:
            expect(self.page.locator("#overlay [data-part=text]")).to_contain_text(text)
        if button:
            expect(self.page.locator("#overlay .actions > :visible").first).to_have_text(button)

    # --- Actions ---

    def tool(self, name: str) -> None:
        self.page.hover("#handle")  # the toolbar stays open under the pointer
        if self.page.locator("#tools").is_hidden():
            self.page.click("#handle")
        self.page.get_by_role("toolbar").get_by_text(name, exact=True).click()

    def terminal(self) -> "Screen":
        """Open a terminal that has the keyboard focus."""
        wait_for(self._opens_terminal)

        def answers() -> bool:
            self.run("touch opened")
            time.sleep(0.3)
            return self.file("opened").exists()

        wait_for(answers)
        self.file("opened").unlink()
        return self

    def _opens_terminal(self) -> bool:
        """Click the terminal's button, and return whether a shell runs. The panel appears after the first picture.

        Another terminal would take the keyboard focus later, so the button is not clicked again once one has begun.
        """
        height = self.page.viewport_size["height"] if self.page.viewport_size else 0
        self.page.mouse.click(TERMINAL[0], height - TERMINAL[1])
        began = time.monotonic()
        while time.monotonic() < began + (60 if (terminals := self._terminals()) else 5):
            if any(each.children() for each in terminals):
                return True
            time.sleep(0.1)
        return False

    def tidy(self) -> None:
        """Close the terminals, so that they do not receive the keys of the next test."""
        for each in self._terminals():
            each.kill()

    def _terminals(self) -> list[psutil.Process]:
        home = str(self.portal.data)
        running = [each for each in psutil.process_iter(["name", "environ"]) if each.info["name"] == "xfce4-terminal"]
        return [each for each in running if (each.info["environ"] or {}).get("HOME", "").startswith(home)]

    def run(self, command: str) -> None:
        self.page.keyboard.type(command)
        self.page.keyboard.press("Enter")

    def type_into(self, name: str, *, at_once: bool = False) -> None:
        """Let the terminal write what is typed to a new file: each line at its end or, `at_once`, each character.

        The shell turns bracketed paste off first. The terminal has read that when it answers the question after it.
        """
        self.run(rf"read -rsdn -p $'\e[5n'; {'stty -icanon; ' * at_once}cat > {name}")
        wait_for(lambda: self.file(name).exists())

    def end_input(self) -> None:
        self.page.keyboard.press("Control+d")

    def local_clipboard(self) -> str:
        return self.page.evaluate("navigator.clipboard.readText()")

    def copy_here(self, text: str) -> None:
        self.page.evaluate("text => navigator.clipboard.writeText(text)", text)

    # --- Files in the desktop ---

    def file(self, name: str) -> Path:
        query = (
            "SELECT v.object_name FROM desktops_volume v JOIN desktops_desktop d ON d.volume_id = v.id WHERE d.id = "
        )
        [(volume,)] = self.portal.query(f"{query}'{self.desktop.replace('-', '')}'")
        return self.portal.data / "local/volumes" / volume / name

    def wait_file(self, name: str, text: str, *, seconds: int = 30) -> None:
        path, found = self.file(name), ""
        for _ in range(seconds * 10):
            found = path.read_text() if path.exists() else ""
            if found == text:
                path.unlink()
                return
            time.sleep(0.1)
        raise AssertionError(f"{name} holds {found!r}, not {text!r}")

    def inside(self, *command: str) -> str:
        """What a command in the desktop's session prints."""
        home = str(self.portal.data)
        (session,) = (
            each
            for each in psutil.process_iter(["name", "environ"])
            if each.info["name"] == "xfsettingsd" and (each.info["environ"] or {}).get("HOME", "").startswith(home)
        )
        user, group = session.uids().real, session.gids().real
        done = subprocess.run(
            command, env=session.environ(), user=user, group=group, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    def axe(self) -> list[Any]:
        """Return axe's findings that are serious or critical."""
        source = (Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js").read_text()
        # Through the debugger, because the page's Content-Security-Policy blocks other scripts.
        self.page.context.new_cdp_session(self.page).send("Runtime.evaluate", {"expression": source})
        found = self.page.evaluate("axe.run().then(result => result.violations)")
        return [
            (each["id"], [node["html"] for node in each["nodes"]])
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
