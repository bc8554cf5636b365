"""A small VNC client for tests. It logs in with a password, reads the screen and the clipboard, and types."""

import socket
import struct
import zlib
from pathlib import Path
from types import TracebackType

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

EXTENDED_CLIPBOARD = -0x3F5E1A32  # 0xC0A1E5CE


class RfbClient:
    """A VNC connection. `address`: path of a Unix socket, or host and port.

    Raises ConnectionRefusedError if the password is not accepted.
    """

    def __init__(self, address: str | tuple[str, int], password: str, *, timeout: float = 10) -> None:
        self.socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        self.banner = self.read(12)
        self._log_in(password)
        self.socket.sendall(b"\x01")  # shared
        self.width, self.height = struct.unpack(">HH", self.read(4))
        self.read(16)
        self.name = self.read(struct.unpack(">I", self.read(4))[0]).decode()
        little_endian_rgb = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        self.socket.sendall(struct.pack(">B3x", 0) + little_endian_rgb)
        self.encodings(0)

    def _log_in(self, password: str) -> None:
        self.socket.sendall(self.banner)
        types = self.read(self.read(1)[0])
        if types != b"\x02":
            raise ConnectionRefusedError(f"not password authentication alone: {types!r}")
        self.socket.sendall(b"\x02")
        key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode()[:8].ljust(8, b"\0"))
        encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()
        self.socket.sendall(encryptor.update(self.read(16)))
        if self.read(4) != b"\0\0\0\0":
            raise ConnectionRefusedError("wrong password")

    def __enter__(self) -> "RfbClient":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()

    def read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise ConnectionResetError(f"closed after {len(data)} of {count} bytes")
            data += part
        return data

    def encodings(self, *numbers: int) -> None:
        self.socket.sendall(struct.pack(f">BxH{len(numbers)}i", 2, len(numbers), *numbers))

    def key(self, *symbols: int) -> None:
        """Press the keys in this order and release them in reverse order."""
        for down, order in ((1, symbols), (0, symbols[::-1])):
            for symbol in order:
                self.socket.sendall(struct.pack(">BBxxI", 4, down, symbol))

    def type(self, text: str) -> None:
        for character in text:
            self.key(keysym(character))

    def click(self, x: int, y: int, *, times: int = 1) -> None:
        for _ in range(times):
            for buttons in (0, 1, 0):
                self.socket.sendall(struct.pack(">BBHH", 5, buttons, x, y))

    def screen(self) -> bytes:
        """Return all pixels of the current screen, 4 bytes each: blue, green, red, unused."""
        pixels = bytearray(self.width * self.height * 4)
        self.request((0, 0, self.width, self.height))
        self.receive(pixels)
        return bytes(pixels)

    def request(self, place: tuple[int, int, int, int], *, changes: bool = False) -> None:
        """Ask for x, y, width and height of the screen: at once, or when something in it changes."""
        self.socket.sendall(struct.pack(">BBHHHH", 3, changes, *place))

    def receive(self, pixels: bytearray) -> None:
        """Wait for an update that was asked for, and draw it."""
        while (kind := self.read(1)[0]) != 0:
            self._skip(kind)
        for _ in range(struct.unpack(">xH", self.read(3))[0]):
            self._rectangle(pixels)

    def _rectangle(self, pixels: bytearray) -> None:
        x, y, width, height, encoding = struct.unpack(">HHHHi", self.read(12))
        if encoding != 0:
            raise ValueError(f"encoding {encoding}, not raw")
        for row in range(y, y + height):
            start = (row * self.width + x) * 4
            pixels[start : start + width * 4] = self.read(width * 4)

    def _skip(self, kind: int) -> None:
        """Skip a message. Bell (2) has no body; clipboard (3) has a length, negative for the extended clipboard."""
        if kind == 3:
            self.read(abs(struct.unpack(">3xi", self.read(7))[0]))

    def clipboard_message(self) -> tuple[int, bytes]:
        """Return the length and the body of the next clipboard message. The length is negative if it is extended."""
        while (kind := self.read(1)[0]) != 3:
            self._skip(kind)
        length = struct.unpack(">3xi", self.read(7))[0]
        return length, self.read(abs(length))


def keysym(character: str) -> int:
    code = ord(character)
    return 0xFF0D if character == "\n" else code if code < 0x100 else 0x100_0000 + code


def colours(pixels: bytes) -> int:
    """Return the number of distinct colours. A blank screen has one."""
    return len({pixels[start : start + 3] for start in range(0, len(pixels), 4)})


def panel_drawn(client: RfbClient) -> bool:
    """Return whether the panel shows its icons and clock. The pointer alone has many colours too."""
    return colours(client.screen()[-36 * client.width * 4 :]) > 100


def save_png(path: Path, client: RfbClient, pixels: bytes) -> None:
    rows = bytearray()
    for row in range(client.height):
        line = pixels[row * client.width * 4 : (row + 1) * client.width * 4]
        rgb = bytearray(client.width * 3)
        rgb[0::3], rgb[1::3], rgb[2::3] = line[2::4], line[1::4], line[0::4]
        rows += b"\0" + rgb
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", client.width, client.height, 8, 2, 0, 0, 0)),
              (b"IDAT", zlib.compress(bytes(rows), 1)), (b"IEND", b""))  # fmt: skip
    packed = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
