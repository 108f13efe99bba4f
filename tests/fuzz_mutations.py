"""Sound objects and conversations, spoiled at random, but with knowledge of where it hurts.

Everything comes out of a `random.Random`: a seed names a run, and gives it again.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from pynetdicom.dsutils import encode
from raw_scu import secondary_capture
from wire import P_DATA, RELEASE_RQ, associate_request, command, item, pdu, pdv, store_command

SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
)
PRIVATE_CLASS = "1.2.826.0.1.3680043.10.9999.1"
CONTEXTS = tuple(
    (2 * number + 1, sop_class, [syntax])
    for number, (sop_class, syntax) in enumerate(
        (sop_class, syntax)
        for sop_class in (SecondaryCaptureImageStorage, PRIVATE_CLASS)
        for syntax in SYNTAXES
    )
)
"""Presentation contexts for every seed."""

_NUMBER = 12345678
"""Last component of a seed's SOP Instance UID; every run has its own of the same width."""


@dataclass(frozen=True)
class Spoiled:
    """A data set to send: perhaps still sound."""

    context_id: int
    sop_class: str
    syntax: str
    instance: bytes
    data: bytes


@dataclass(frozen=True)
class _Seed:
    sop_class: str
    syntax: str
    data: bytes
    headers: tuple[int, ...]
    """Where element headers begin."""


def spoiled_object(random: Random, number: int) -> Spoiled:
    """A data set with one to five things wrong, or nothing; `number` makes its UID its own."""
    context_id, sop_class, (syntax,) = random.choice(CONTEXTS)
    seed = _seed(sop_class, syntax)
    data = bytearray(seed.data.replace(str(_NUMBER).encode(), _own_number(number)))
    for _ in range(random.choice((0, 1, 1, 1, 2, 3, 5))):
        random.choice(_MUTATIONS)(random, data, seed)
    if syntax == DeflatedExplicitVRLittleEndian:
        packer = zlib.compressobj(wbits=-15)
        data = bytearray(packer.compress(bytes(data)) + packer.flush())
        if random.random() < 0.3:
            _flip(random, data, seed)
    return Spoiled(context_id, sop_class, syntax, b"1.2.3." + _own_number(number), bytes(data))


def spoiled_bytes(random: Random, data: bytes) -> bytes:
    """Any bytes with some of them wrong."""
    spoiled = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        random.choice((_flip, _flip, _cut, _insert, _repeat))(random, spoiled, _seed(*_FIRST))
    return bytes(spoiled)


def _own_number(number: int) -> bytes:
    return str(10_000_000 + number % 90_000_000).encode()


_FIRST = (SecondaryCaptureImageStorage, ExplicitVRLittleEndian)


@cache
def _seed(sop_class: str, syntax: str) -> _Seed:
    dataset = secondary_capture(f"1.2.3.{_NUMBER}", SOPClassUID=sop_class, SeriesDescription="Unterarm")
    dataset.SpecificCharacterSet = "ISO_IR 192"
    inner = Dataset()
    inner.ReferencedSOPClassUID, inner.ReferencedSOPInstanceUID = sop_class, "1.2.3.4"
    middle = Dataset()
    middle.ReferencedSOPSequence = [inner, inner]
    middle.is_undefined_length_sequence_item = True
    dataset.ReferencedStudySequence = [middle]
    dataset["ReferencedStudySequence"].is_undefined_length = True
    block = dataset.private_block(0x0029, "A MAKER", create=True)
    block.add_new(0x10, "UN", bytes(30))
    block.add_new(0x11, "SQ", [inner])
    if syntax == RLELossless:
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(RLELossless, generate_instance_uid=False, encoding_plugin="pydicom")
    little = syntax != ExplicitVRBigEndian
    data = encode(dataset, syntax == ImplicitVRLittleEndian, little)
    assert data is not None
    order = "<HH" if little else ">HH"
    tags = {struct.pack(order, element.tag.group, element.tag.element) for element in dataset.iterall()}
    headers = tuple(at for at in range(len(data) - 8) if data[at : at + 4] in tags)
    return _Seed(sop_class, syntax, data, headers)


# ---- mutations of data sets -----------------------------------------------------------------------------

_LENGTHS = (0, 1, 2, 3, 7, 8, 63, 64, 65, 255, 0x7FFF, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000)
_UNDEFINED = 0xFFFFFFFF
_VRS = b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT"
_TAGS = (0x00000000, 0x00020010, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x7FE00010, 0xFFFCFFFC)
_DELIMITERS = (0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD, 0xFFFE0000)
_UIDS = (b"", b"../../x", b"/etc/passwd", b"1.02", b"1.2.", b"1" * 70, b"1.2\0.3", b"1.2\n3", b"\xff" * 8)
_LONG_VRS = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")

Mutation = Callable[[Random, bytearray, _Seed], None]


def _flip(random: Random, data: bytearray, seed: _Seed) -> None:
    for _ in range(random.choice((1, 1, 2, 8)) if data else 0):
        data[random.randrange(len(data))] = random.choice((0, 0xFF, 0x80, random.randrange(256)))


def _cut(random: Random, data: bytearray, seed: _Seed) -> None:
    start = random.randrange(len(data) + 1)
    end = len(data) if random.random() < 0.5 else start + random.randrange(1, 64)
    del data[start:end]


def _insert(random: Random, data: bytearray, seed: _Seed) -> None:
    at = random.randrange(len(data) + 1)
    data[at:at] = random.choice((bytes(random.randrange(1, 40)), random.randbytes(random.randrange(1, 40))))


def _repeat(random: Random, data: bytearray, seed: _Seed) -> None:
    start = random.randrange(len(data) + 1)
    part = data[start : start + random.randrange(1, 200)]
    data[start:start] = part * random.choice((1, 1, 2, 50))


def _length(random: Random, data: bytearray, seed: _Seed) -> None:
    at = _header(random, data, seed)
    if at is None:
        return
    order = ">" if seed.syntax == ExplicitVRBigEndian else "<"
    value = random.choice((*_LENGTHS, _UNDEFINED, _UNDEFINED, len(data) - at, len(data) - at - 8, 2**31 - 1))
    explicit = seed.syntax != ImplicitVRLittleEndian
    if explicit and bytes(data[at + 4 : at + 6]) in _LONG_VRS:
        data[at + 8 : at + 12] = struct.pack(f"{order}L", value & 0xFFFFFFFF)
    elif explicit:
        data[at + 6 : at + 8] = struct.pack(f"{order}H", value & 0xFFFF)
    else:
        data[at + 4 : at + 8] = struct.pack("<L", value & 0xFFFFFFFF)


def _vr(random: Random, data: bytearray, seed: _Seed) -> None:
    at = _header(random, data, seed)
    if at is not None:
        data[at + 4 : at + 6] = random.choice((*_VRS.split(), b"??", b"\0\0", random.randbytes(2)))


def _tag(random: Random, data: bytearray, seed: _Seed) -> None:
    at = _header(random, data, seed)
    if at is not None:
        tag = random.choice((*_TAGS, *_DELIMITERS, random.randrange(1 << 32)))
        order = ">HH" if seed.syntax == ExplicitVRBigEndian else "<HH"
        data[at : at + 4] = struct.pack(order, tag >> 16, tag & 0xFFFF)


def _nest(random: Random, data: bytearray, seed: _Seed) -> None:
    at = _header(random, data, seed) or 0
    depth = random.choice((1, 5, 31, 32, 33, 100, 400))
    order = ">" if seed.syntax == ExplicitVRBigEndian else "<"
    head = struct.pack(f"{order}HHL", 0x0008, 0x1110, _UNDEFINED)
    if seed.syntax != ImplicitVRLittleEndian:
        head = struct.pack(f"{order}HH2sxxL", 0x0008, 0x1110, b"SQ", _UNDEFINED)
    opened = head + struct.pack(f"{order}HHL", 0xFFFE, 0xE000, _UNDEFINED)
    closed = struct.pack(f"{order}HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    data[at:at] = opened * depth + closed * random.choice((depth, depth, depth - 1, 0))


def _uid(random: Random, data: bytearray, seed: _Seed) -> None:
    """Put a hostile UID where one is, its length made right."""
    at = data.find(random.choice((b"1.2.3\0", b"1.2.3.0\0", b"1.2.840.10008")))
    if at < 4 or seed.syntax == ImplicitVRLittleEndian:
        return
    order = ">H" if seed.syntax == ExplicitVRBigEndian else "<H"
    (length,) = struct.unpack_from(order, data, at - 2)
    uid = random.choice(_UIDS)
    uid += b"\0" * (len(uid) % 2)
    data[at - 2 : at + length] = struct.pack(order, len(uid)) + uid


def _splice(random: Random, data: bytearray, seed: _Seed) -> None:
    other = _seed(*random.choice([(name, syntax[0]) for _, name, syntax in CONTEXTS]))
    at = _header(random, data, seed) or 0
    start = random.choice(other.headers)
    data[at : at + random.choice((0, 60))] = other.data[start : start + random.randrange(8, 300)]


def _header(random: Random, data: bytearray, seed: _Seed) -> int | None:
    usable = [at for at in seed.headers if at + 12 <= len(data)]
    return random.choice(usable) if usable else None


_MUTATIONS: Sequence[Mutation] = (
    _flip,
    _cut,
    _insert,
    _repeat,
    _length,
    _length,
    _length,
    _vr,
    _tag,
    _tag,
    _nest,
    _uid,
    _splice,
)


# ---- mutations of conversations -------------------------------------------------------------------------


def spoiled_conversation(random: Random, number: int) -> list[bytes]:
    """What a peer sends from its first byte to its last, in pieces; something is wrong with it."""
    sent = spoiled_object(random, number)
    parts = [
        random.choice((_greeting, _spoiled_greeting))(random),
        pdu(P_DATA, pdv(sent.context_id, 3, _spoiled_command(random, sent))),
        *_spoiled_fragments(random, sent),
        pdu(RELEASE_RQ, bytes(4)),
    ]
    for _ in range(random.choice((0, 1, 1, 2))):
        random.choice((_drop, _double, _swap, _lie, _kind, _noise))(random, parts)
    if random.random() < 0.2:
        whole = b"".join(parts)
        parts = [whole[: random.randrange(len(whole) + 1)]]
    return parts


def _greeting(random: Random) -> bytes:
    return associate_request(CONTEXTS)


def _spoiled_greeting(random: Random) -> bytes:
    ids = random.choice((range(1, 256, 2), range(0, 256), [random.randrange(256) for _ in range(300)], [1]))
    syntaxes = random.choice(([ExplicitVRLittleEndian], [], ["1.2.3"] * 50, ["x" * 200], list(SYNTAXES)))
    contexts = [(context_id, SecondaryCaptureImageStorage, syntaxes) for context_id in ids]
    items = b"".join(
        item(random.choice((0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x99)), random.randbytes(size))
        for size in random.choice(((), (4,), (0, 1, 2), (300,), (20_000,), tuple(range(40))))
    )
    request = associate_request(
        random.choice((CONTEXTS, contexts)),
        version=random.choice((0, 1, 1, 1, 2, 0xFFFF)),
        called=random.choice((b"RADIUSDXA", b"RADIUSDXA", b"X", b" " * 16, random.randbytes(16))),
        calling=random.choice((b"SCANNER", b"", b"\xff" * 16, b"A\\B", random.randbytes(16))),
        user_items=random.choice((b"", items)),
    )
    return request if random.random() < 0.6 else spoiled_bytes(random, request)


def _spoiled_command(random: Random, sent: Spoiled) -> bytes:
    sound = store_command(sent.instance, sop_class=sent.sop_class.encode())
    if random.random() < 0.4:
        return sound
    if random.random() < 0.4:
        return spoiled_bytes(random, sound)
    elements = {
        0x0002: random.choice((sent.sop_class.encode(), b"", random.randbytes(20), b"1" * 5000)),
        0x0100: struct.pack("<H", random.choice((0x0001, 0x0020, 0x0030, 0x0130, 0x0FFF, 0x8001, 0x8030))),
        0x0110: random.choice((b"\7\0", b"", b"\7", b"\7\0\0\0")),
        0x0800: struct.pack("<H", random.choice((0, 1, 0x0101, 0xFFFF))),
        0x1000: random.choice((sent.instance, *_UIDS)),
        random.randrange(0x10000): random.randbytes(random.randrange(60)),
    }
    kept = [tag for tag in elements if random.random() < 0.9]
    return command({tag: elements[tag] for tag in kept})


def _spoiled_fragments(random: Random, sent: Spoiled) -> list[bytes]:
    size = random.choice((1, 2, 100, 16_000))
    data = sent.data[: 200 * size]
    starts = range(0, len(data), size)
    parts = [
        pdv(
            sent.context_id if random.random() < 0.98 else random.randrange(256),
            (2 if at + size >= len(data) else 0) if random.random() < 0.98 else random.randrange(256),
            data[at : at + size],
        )
        for at in starts
    ]
    if random.random() < 0.5:
        return [pdu(P_DATA, part) for part in parts]
    return [pdu(P_DATA, b"".join(parts))]


def _drop(random: Random, parts: list[bytes]) -> None:
    if parts:
        del parts[random.randrange(len(parts))]


def _double(random: Random, parts: list[bytes]) -> None:
    if parts:
        at = random.randrange(len(parts))
        parts[at:at] = [parts[at]] * random.choice((1, 1, 20))


def _swap(random: Random, parts: list[bytes]) -> None:
    random.shuffle(parts)


def _lie(random: Random, parts: list[bytes]) -> None:
    """Let a PDU, or the first PDV in it, lie about its length."""
    if not parts:
        return
    at, value = (
        random.randrange(len(parts)),
        random.choice((0, 1, 2, 5, 6, 0xFFFF, 1 << 20, 0x7FFFFFFF, 0xFFFFFFFF)),
    )
    where = random.choice((2, 6))
    part = bytearray(parts[at])
    part[where : where + 4] = struct.pack(">L", value)
    parts[at] = bytes(part)


def _kind(random: Random, parts: list[bytes]) -> None:
    if parts:
        at = random.randrange(len(parts))
        parts[at] = bytes((random.randrange(256),)) + parts[at][1:]


def _noise(random: Random, parts: list[bytes]) -> None:
    if parts:
        at = random.randrange(len(parts))
        parts[at] = spoiled_bytes(random, parts[at])
