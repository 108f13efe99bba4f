"""What a compressed frame says of its own size, read from its first bytes before anybody decodes it.

A frame of a kilobyte can claim to hold a gigabyte of pixels, and decoders believe it. Headers: JPEG and
JPEG-LS, ITU-T T.81 annex B.2.2 and T.87 annex C.2.2 (frame header); JPEG 2000 and HTJ2K, ITU-T T.800
annex A.5.1 (SIZ); RLE, DICOM PS3.5 annex G.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = ["END_MARKER", "FrameHeader", "least_rle_bytes", "read_frame_header"]


END_MARKER = b"\xff\xd9"
"""EOI of JPEG and JPEG-LS, EOC of JPEG 2000 and HTJ2K; bit stuffing keeps it out of what is compressed."""


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """Size of one compressed frame in its own words."""

    rows: int
    columns: int
    samples: int
    bits: int
    """Of one sample."""


def read_frame_header(frame: bytes) -> FrameHeader | None:
    """Return what the codestream of one frame declares; None if it is no complete JPEG-family header."""
    try:
        if frame.startswith(_JPEG_START):
            return _jpeg(frame)
        start = frame.find(_JPEG_2000_START, 0, _JP2_BOXES_BYTES)
        return _jpeg_2000(frame, start) if start >= 0 else None
    except struct.error:  # it ends inside its header
        return None


def least_rle_bytes(size: int) -> int:
    """Return the fewest bytes that RLE needs for `size` bytes of pixels: two for every run of 128."""
    return _RLE_HEADER_BYTES + 2 * -(-size // 128)


_JPEG_START = b"\xff\xd8"
_JPEG_2000_START = b"\xff\x4f\xff\x51"
"""SOC, which SIZ must follow at once."""
_JP2_BOXES_BYTES = 4096
"""Some senders leave the codestream in its JP2 file, against PS3.5 A.4.4: its boxes come first."""
_RLE_HEADER_BYTES = 64

_NOT_FRAMES = {0xC4, 0xC8, 0xCC}
"""Within the range of the frame markers: Huffman tables, an extension, arithmetic conditioning."""
_JPEG_LS_FRAME = 0xF7
_SCAN, _END = 0xDA, 0xD9
_ALONE = {0x01, *range(0xD0, 0xD8)}
"""Markers without a segment."""
_MAX_SEGMENTS = 1000


def _jpeg(frame: bytes) -> FrameHeader | None:
    at = 2
    for _ in range(_MAX_SEGMENTS):
        if frame[at : at + 1] != b"\xff":
            return None
        marker = frame[at + 1] if at + 1 < len(frame) else _END
        if marker == 0xFF:  # fill
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in (_SCAN, _END):
            return None
        elif marker == _JPEG_LS_FRAME or (0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES):
            bits, rows, columns, samples = struct.unpack_from(">BHHB", frame, at + 4)
            return FrameHeader(rows, columns, samples, bits)
        else:
            at += 2 + struct.unpack_from(">H", frame, at + 2)[0]
    return None


def _jpeg_2000(frame: bytes, start: int) -> FrameHeader:
    # after SOC, SIZ, Lsiz and Rsiz: the reference grid's size and offset, that of the tiles, components
    right, bottom, left, top, *_, samples, depth = struct.unpack_from(">8LHB", frame, start + 8)
    return FrameHeader(bottom - top, right - left, samples, (depth & 0x7F) + 1)
