"""Hold the state of one open stream: its admission, its byte counts, and the reason for which it ends."""

import asyncio
import time

from desktops.proxy.access import Admission
from desktops.proxy.input_counter import InputCounter


class Stream:
    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.began = time.monotonic()
        self.down = self.up = 0  # bytes to the browser, bytes to the desktop
        # The time.monotonic() at which the waiting write began; None if no write waits.
        self.browser_blocked: float | None = None
        self.desktop_blocked: float | None = None
        self.input = InputCounter(blind=admission.permission != "vnc")
        self.recorded = (0, 0, 0.0)  # at the last record of activity: input count, bytes up, time
        self.counted = (0, 0)  # bytes down and up that the metrics include
        self.first_picture_seconds = 0.0  # from `began` until the first picture; 0 before it
        self.picture_counted = False  # the metrics include it
        self.disconnected_at = 0.0  # time.time() of the disconnect that ended it
        self.browser_left = False
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def add_down(self, size: int) -> None:
        """Add bytes that the browser received. A VNC server sends no picture before the browser asks for one."""
        self.down += size
        if not self.first_picture_seconds and self.up:
            self.first_picture_seconds = self.seconds

    def end(self, reason: str, *, disconnected_at: float = 0.0) -> None:
        """End the stream; later calls change nothing. `reason` names a CloseCode in desktops.wording.close_codes."""
        if not self._end.done():
            self.disconnected_at = disconnected_at
            self._end.set_result(reason)

    async def ended(self) -> str:
        return await self._end

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def has_new_input(self) -> bool:
        """Return whether there was input since the last record of activity.

        In SSH and after an unknown message, input cannot be recognized, so any byte is treated as input: stopping a
        desktop in use loses work, while keeping an unused one running only costs time.
        """
        count, up, _ = self.recorded
        return self.input.count > count or (self.input.blind and self.up > up)
