"""RAR archives for tests: a writer of stored (not compressed) RAR 4 files, and real ones that only the tool can write.

The real ones are test files of the library ``rarfile``, Copyright Marko Kreen, ISC licence.
"""

from __future__ import annotations

import base64
import shutil
import struct
import zlib
from collections.abc import Iterable

COUNTED = "".join(f"{n:03d}\n" for n in range(512)).encode()
"""What the compressed files hold."""

SOLID_4 = base64.b64decode(  # stest1.txt, stest2.txt: compressed, solid
    "UmFyIRoHADvQcwgADQAAAAAAAAArNHSAkCwAXAAAAAAIAAADoua3xbBmzD4dMwoApIEAAHN0ZXN0MS50eHQAwBEMzP6MnrD+MYGrrLG7QHeo"
    "CmTWSzeDwQe8AeCFku77th0ACCAACIjpeAzSDAdhOkF4S7Nun1IK2sonQLrnC2SKYnH7uACRnlAv2FX/+sZY6+vE14h+VJaHH03s2RZ0kJAs"
    "AA4AAAAACAAAA6Lmt8WwZsw+HTMKAKSBAABzdGVzdDIudHh0AMCxIACIB+vyCmn6/JTe0MQ9ewBABwA="
)
COMPRESSED_5 = base64.b64decode(  # stest1.txt
    "UmFyIRoHAQDz4YLrCwEFBwAGAQGAgIAAWZ3nQygCAwu3AASAEKSDAqLmt8WAAwEKc3Rlc3QxLnR4dAoDC52M9E0EeEFXxKo0RDQk+jLrR/rE"
    "TX295gWAggqMwQMqlcoim1Aak91A/ABAAgDUYAQ27RX5t1SDKmROzXwf4B13VlEDBQQA"
)
LINKS = {
    "symbolic link, RAR 4": base64.b64decode(
        "UmFyIRoHAM+QcwAADQAAAAAAAAAmGHTAkC4ACAAAAAgAAAADCXk4i725+lAUMAkA/6EAAGRhdGFfbGluawCwgyQTZGF0YS50eHTWnHTAkC0A"
        "BQAAAAUAAAADgsXB5rC5+lAdMAgAtIEAAGRhdGEudHh0APC4t1ZkYXRhClRjdMCQMAAMAAAADAAAAAMFdrbPBLz6UBQwCwD/oQAAcmFuZG9t"
        "X2xpbmsAsH7OiC4uL3JhbmRvbTEyM8Q9ewBABwA="
    ),
    "hard link, RAR 5": base64.b64decode(
        "UmFyIRoHAQDz4YLrCwEFBwAGAQGAgIAAYRz1tiACArcABoAQtIMCnYz0TaLmt8WAAwEKc3Rlc3QxLnR4dMSqNEQ0JPoy60f6xE19veYFgIIK"
        "jMEDKpXKIptQGpPdQPwAQAIA1GAENu0V+bdUgypkTs18H+C32RN0MAIDD4AABoAQtIMCnYz0TQAAAACAAAEKc3Rlc3QyLnR4dA4FBAAKc3Rl"
        "c3QxLnR4dPHidBEwAgMPgAAGgBC0gwKdjPRNAAAAAIAAAQpzdGVzdDMudHh0DgUEAApzdGVzdDEudHh0HXdWUQMFBAA="
    ),
    "folder link that leads out, RAR 5": base64.b64decode(
        "UmFyIRoHAQAzkrXlCgEFBgAFAQGAgAAu1g9EJQIDEgAEAO3DAgAAAACAAAECdXAKAxM+UQJqEzImFwYFAQECLi5/IjYIKgIDC5cABJcApIMC"
        "R30ywIAAAQx1cC9wd25lZC50eHQKAxM+UQJqrNEsF1pJUFNMSVAtVklBLVNZTUxJTkstT0sKHXdWUQMFBAA="
    ),
}

NO_PROGRAM = "no program that unpacks compressed rar files is installed (Debian: apt-get install unar)"


def has_program() -> bool:
    """Whether a program is there that rarfile can unpack with."""
    return any(shutil.which(name) for name in ("unrar", "unar", "7z", "7zz", "bsdtar"))


def stored_rar(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a RAR 4 archive that holds these files uncompressed, as the format's public description has it."""
    return _archive(0, [_file(name, data, len(data), 0) for name, data in files], last=True)


def volumes(name: str, data: bytes, count: int) -> list[bytes]:
    """Return a stored RAR 4 archive of one file in several volumes (``.part1.rar``, …)."""
    size = -(-len(data) // count)
    parts = [data[n * size : (n + 1) * size] for n in range(count)]
    made = []
    for n, part in enumerate(parts):
        before, after = n > 0, n < count - 1
        checked = data if not after else part
        block = _file(name, part, len(data), before | after << 1, checked)
        made.append(_archive(0x0011 | (not before) << 8, [block], last=not after))
    return made


def _block(kind: int, flags: int, rest: bytes) -> bytes:
    head = struct.pack("<BHH", kind, flags, 7 + len(rest)) + rest
    return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head


def _file(name: str, packed: bytes, size: int, flags: int, checked: bytes | None = None) -> bytes:
    raw, crc = name.encode("ascii"), zlib.crc32(packed if checked is None else checked)
    sizes = struct.pack("<IIBI", len(packed), size, 3, crc)
    rest = sizes + struct.pack("<IBBHI", 0, 20, 0x30, len(raw), 0o100644) + raw
    return _block(0x74, 0x8000 | flags, rest) + packed


def _archive(flags: int, files: list[bytes], *, last: bool) -> bytes:
    return b"".join(
        [b"Rar!\x1a\x07\x00", _block(0x73, flags, bytes(6)), *files, _block(0x7B, 0x4000 | (not last), b"")]
    )
