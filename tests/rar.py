"""RAR archives for tests, as the public description of the formats has them: RAR 4 and 5, stored or compressed, links.

There is no free program that writes them. What is *compressed* here holds its bytes as literals of about eight bits
each: it gains nothing, but only a program that knows the compression can read it.
"""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Iterable

COUNTED = "".join(f"{n:03d}\n" for n in range(512)).encode()
"""Something to pack."""

NO_PROGRAM = "no program that unpacks compressed rar files is installed (Debian: apt-get install unar)"

_LINK_MODE, _FILE_MODE = 0o120777, 0o100644
_NEW_YEAR_1980 = 1 << 21 | 1 << 16  # month and day; unar complains in the middle of its output where there is none


def has_program() -> bool:
    """Whether a program is there that rarfile can unpack with."""
    return any(shutil.which(name) for name in ("unrar", "unar", "7z", "7zz", "bsdtar"))


def stored_rar(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a RAR 4 archive that holds these files uncompressed."""
    return _archive(0, [_file(name, data, data) for name, data in files], last=True)


def compressed_rar(name: str, data: bytes) -> bytes:
    """Return a RAR 4 archive of one compressed file."""
    # literals, no table from before, 299 + 60 + 17 + 28 symbols; at the end no further table
    packed = _bytes("00" + _table(404) + _literals(data) + _LAST_SYMBOL + "00")
    return _archive(0, [_file(name, packed, data, method=0x33)], last=True)


def symbolic_link_rar(name: str, target: str) -> bytes:
    """Return a RAR 4 archive of one symbolic link."""
    return _archive(0, [_file(name, target.encode(), target.encode(), mode=_LINK_MODE)], last=True)


def volumes(name: str, data: bytes, count: int) -> list[bytes]:
    """Return a stored RAR 4 archive of one file in several volumes (``.part1.rar``, …)."""
    size = -(-len(data) // count)
    parts = [data[n * size : (n + 1) * size] for n in range(count)]
    made = []
    for n, part in enumerate(parts):
        before, after = n > 0, n < count - 1
        block = _file(name, part, data, checked=part if after else data, flags=before | after << 1)
        made.append(_archive(0x0011 | (not before) << 8, [block], last=not after))
    return made


def compressed_rar_5(name: str, data: bytes) -> bytes:
    """Return a RAR 5 archive of one compressed file."""
    # 306 + 64 + 16 + 44 symbols; then one block, the last, with a table, whose size takes two bytes
    bits = _table(430) + _literals(data)
    packed = _bytes(bits)
    flags, size = 0x80 | 0x40 | 1 << 3 | (len(bits) - 1) % 8, struct.pack("<H", len(packed))
    head = bytes([flags, 0x5A ^ flags ^ size[0] ^ size[1]]) + size
    return _archive_5([_file_5(name, head + packed, data, method=3)])


def link_rar_5(files: Iterable[tuple[str, bytes]], kind: int, name: str, target: str) -> bytes:
    """Return a RAR 5 archive of a link and of stored files after it; kind 1: symbolic, 4: hard, 5: a copy."""
    record = b"\x05" + _number(kind) + _number(0) + _number(len(target)) + target.encode()
    link = _file_5(name, b"", b"", extra=_number(len(record)) + record)
    return _archive_5([link, *(_file_5(n, data, data) for n, data in files)])


def _table(symbols: int) -> str:
    """Return the bits of a table of codes: 8 bits for the bytes 0 to 254, 9 bits for 255 and 256, none for the rest.

    Lengths are coded themselves: here 8 as 0, 9 as 10, and "eleven zeros and so many more" as 11 and seven bits.
    """
    lengths = "".join({8: "0001", 9: "0010", 19: "0010"}.get(n, "0000") for n in range(20))
    rest = symbols - 257
    first = min(rest - 11, 138)
    return lengths + "0" * 255 + "1010" + f"11{first - 11:07b}11{rest - first - 11:07b}"


_LAST_SYMBOL = f"{0x1FF:09b}"


def _literals(data: bytes) -> str:
    return "".join(f"{0x1FE:09b}" if byte == 255 else f"{byte:08b}" for byte in data)


def _bytes(bits: str) -> bytes:
    return b"".join(int(bits[n : n + 8].ljust(8, "0"), 2).to_bytes() for n in range(0, len(bits), 8))


def _block(kind: int, flags: int, rest: bytes) -> bytes:
    head = struct.pack("<BHH", kind, flags, 7 + len(rest)) + rest
    return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head


def _file(
    name: str,
    packed: bytes,
    data: bytes,
    *,
    checked: bytes | None = None,
    flags: int = 0,
    method: int = 0x30,
    mode: int = _FILE_MODE,
) -> bytes:
    raw, crc = name.encode("ascii"), zlib.crc32(data if checked is None else checked)
    sizes = struct.pack("<IIBI", len(packed), len(data), 3, crc)
    rest = sizes + struct.pack("<IBBHI", _NEW_YEAR_1980, 29, method, len(raw), mode) + raw
    return _block(0x74, 0x8000 | flags, rest) + packed


def _archive(flags: int, files: list[bytes], *, last: bool) -> bytes:
    return b"".join(
        [b"Rar!\x1a\x07\x00", _block(0x73, flags, bytes(6)), *files, _block(0x7B, 0x4000 | (not last), b"")]
    )


def _number(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low]) if not rest else bytes([low | 0x80]) + _number(rest)


def _block_5(body: bytes) -> bytes:
    sized = _number(len(body)) + body
    return struct.pack("<I", zlib.crc32(sized)) + sized


def _file_5(name: str, packed: bytes, data: bytes, *, method: int = 0, extra: bytes = b"") -> bytes:
    has_extra, has_data, has_crc, unix = 1, 2, 4, 1
    head = _number(2) + _number((has_extra if extra else 0) | has_data)
    head += (_number(len(extra)) if extra else b"") + _number(len(packed))
    head += _number(has_crc) + _number(len(data)) + _number(_FILE_MODE) + struct.pack("<I", zlib.crc32(data))
    head += _number(method << 7) + _number(unix) + _number(len(name)) + name.encode()
    return _block_5(head + extra) + packed


def _archive_5(files: list[bytes]) -> bytes:
    main, end = bytes([1, 0, 0]), bytes([5, 0, 0])
    return b"".join([b"Rar!\x1a\x07\x01\x00", _block_5(main), *files, _block_5(end)])
