"""One live stream: whose it is, what has gone through, and the one way in which it ends."""

import asyncio
import time

from desktops.proxy.access import Admission
from desktops.proxy.input_counter import InputCounter


class Stream:
    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.began = time.monotonic()
        self.down = self.up = 0  # bytes to the browser, bytes to the desktop
        # Since when a write has been waiting, by time.monotonic(); None while nothing waits.
        self.browser_blocked: float | None = None
        self.desktop_blocked: float | None = None
        self.input = InputCounter(blind=admission.permission != "vnc")
        self.noted = (0, 0, 0.0)  # input count and bytes up when activity was last noted, and when that was
        self.browser_left = False
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def end(self, reason: str) -> None:
        """`reason` names a desktops.wording.close_codes.CloseCode. The first call counts."""
        if not self._end.done():
            self._end.set_result(reason)

    async def ended(self) -> str:
        return await self._end

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def has_news(self) -> bool:
        """Was there input since activity was last noted? Beyond an unknown message, and in SSH, nobody can tell input
        from the rest: then any byte counts. Stopping a desktop in use costs work, keeping an unused one only time."""
        count, up, _ = self.noted
        return self.input.count > count or (self.input.blind and self.up > up)
