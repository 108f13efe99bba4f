"""The header walk accepts exactly what is complete, whatever the nesting, and never fails otherwise."""

from __future__ import annotations

import contextlib
import mmap
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_file_meta_info
from pydicom.sequence import Sequence
from pynetdicom.dsutils import encode
from raw_scu import encoded, secondary_capture

from dicom_node.network import encoding
from dicom_node.network.encoding import MAX_NESTING, MalformedDataSetError, read_values

EXPLICIT, IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
RLE = "1.2.840.10008.1.2.5"
STUDY = 0x0020000D
SYNTAXES = pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])


def nested(depth: int, *, undefined: bool = False) -> Dataset:
    dataset = Dataset()
    for _ in range(depth):
        outer = Dataset()
        outer.ReferencedStudySequence = Sequence([dataset])
        outer["ReferencedStudySequence"].is_undefined_length = undefined
        dataset.is_undefined_length_sequence_item = undefined
        dataset = outer
    dataset.StudyInstanceUID = "1.2.3"
    return dataset


def in_syntax(dataset: Dataset, syntax: str) -> bytes:
    """Encode as the syntax says, the lengths of sequences as the data set says."""
    data = encode(
        dataset,
        is_implicit_vr=syntax == IMPLICIT,
        is_little_endian=syntax != BIG_ENDIAN,
        deflated=syntax == DEFLATED,
    )
    assert data is not None
    return data


@SYNTAXES
@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("depth", [0, 1, MAX_NESTING])
def test_nested_sequences_are_walked_to_the_end(syntax: str, undefined: bool, depth: int) -> None:
    data = in_syntax(nested(depth, undefined=undefined), syntax)
    assert read_values(data, syntax, [STUDY])[STUDY].strip(b"\0") == b"1.2.3"


@SYNTAXES
@pytest.mark.parametrize("undefined", [False, True])
def test_deeper_nesting_is_refused(syntax: str, undefined: bool) -> None:
    data = in_syntax(nested(MAX_NESTING + 1, undefined=undefined), syntax)
    with pytest.raises(MalformedDataSetError, match="nested more than 32 deep"):
        read_values(data, syntax, [STUDY])


def test_a_hundred_thousand_open_sequences_cost_no_stack_and_no_time() -> None:
    opened = struct.pack("<HH2sHL", 0x0008, 0x1110, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    started = time.monotonic()
    with pytest.raises(MalformedDataSetError, match="nested"):
        read_values(opened * 100_000, EXPLICIT, [STUDY])
    assert time.monotonic() - started < 1


def test_values_inside_sequences_are_not_mistaken_for_the_objects_own() -> None:
    dataset = Dataset()
    dataset.StudyInstanceUID = "1.9"
    outer = Dataset()
    outer.ReferencedStudySequence = Sequence([dataset])
    assert read_values(encoded(outer), EXPLICIT, [STUDY]) == {}


def test_an_element_that_occurs_twice_is_refused() -> None:
    one = Dataset()
    one.StudyInstanceUID = "1.2.3"
    with pytest.raises(MalformedDataSetError, match=r"\(0020,000D\) occurs twice"):
        read_values(encoded(one) * 2, EXPLICIT, [STUDY])


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_a_uid_that_is_a_sequence_is_refused(length: int) -> None:
    """Found by fuzzing: a second SOP Instance UID of VR SQ is none to us, but another reader takes it."""
    one = Dataset()
    one.StudyInstanceUID = "1.2.3"
    end = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0) if length else b""
    second = struct.pack("<HH2sxxL", 0x0020, 0x000D, b"SQ", length) + end
    with pytest.raises(MalformedDataSetError, match=r"\(0020,000D\) is a sequence, not a value"):
        read_values(encoded(one) + second, EXPLICIT, [STUDY])


def test_a_length_of_two_gigabytes_is_compared_with_what_is_there() -> None:
    bomb = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, 2**31 - 2) + bytes(16)
    with pytest.raises(MalformedDataSetError, match="claims 2147483646 bytes, 16 are there"):
        read_values(bomb, EXPLICIT, [])


def test_encapsulated_pixel_data_needs_its_delimiter() -> None:
    head = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    fragments = struct.pack("<HHL", 0xFFFE, 0xE000, 0) + struct.pack("<HHL4s", 0xFFFE, 0xE000, 4, b"abcd")
    end = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    assert read_values(head + fragments + end, RLE, []) == {}
    with pytest.raises(MalformedDataSetError, match="ends inside"):
        read_values(head + fragments, RLE, [])
    with pytest.raises(MalformedDataSetError, match="transfer syntax is uncompressed"):
        read_values(head + fragments + end, EXPLICIT, [])


@pytest.mark.parametrize("vr", [b"SQ", b"UN"])
def test_fragments_that_a_reader_would_take_for_items_are_refused(vr: bytes) -> None:
    head = struct.pack("<HH2sHL", 0x7FE0, 0x0010, vr, 0, 0xFFFFFFFF)
    fragments = struct.pack("<HHL4s", 0xFFFE, 0xE000, 4, b"abcd") + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    with pytest.raises(MalformedDataSetError, match=f"VR {vr.decode()} instead of OB"):
        read_values(head + fragments, RLE, [])


def test_only_what_may_be_a_sequence_has_an_undefined_length_in_implicit_vr() -> None:
    inside = in_syntax(nested(1), IMPLICIT)
    rest = struct.pack("<HHL", 0xFFFE, 0xE000, len(inside)) + inside + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    for group, element in ((0x0008, 0x1110), (0x0009, 0x1001)):  # known as a sequence; private
        assert read_values(struct.pack("<HHL", group, element, 0xFFFFFFFF) + rest, IMPLICIT, []) == {}
    for group, element in ((0x0008, 0x103E), (0xFFFC, 0xFFFC)):
        with pytest.raises(MalformedDataSetError, match="is no sequence, but has an undefined length"):
            read_values(struct.pack("<HHL", group, element, 0xFFFFFFFF) + rest, IMPLICIT, [])


def test_a_sequence_of_unknown_vr_is_implicit_little_endian_whatever_surrounds_it() -> None:
    """PS3.5 6.2.2, note 1: how a node passes on a private sequence that it got in Implicit VR."""
    inside = encoded(nested(1), implicit=True)
    item = struct.pack("<HHL", 0xFFFE, 0xE000, len(inside)) + inside
    for order, syntax in (("<", EXPLICIT), (">", BIG_ENDIAN)):
        head = struct.pack(f"{order}HH2sHL", 0x0009, 0x1001, b"UN", 0, 0xFFFFFFFF)
        end = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
        assert read_values(head + item + end, syntax, [STUDY]) == {}
        with pytest.raises(MalformedDataSetError, match="claims"):
            read_values(head + item[:4] + b"\xff\xff\0\0" + item[8:] + end, syntax, [STUDY])


def test_a_deflated_bomb_is_stopped_at_the_cap_not_after_it() -> None:
    packer = zlib.compressobj(9, wbits=-15)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    assert len(bomb) < 300_000
    with pytest.raises(MalformedDataSetError, match="inflates to more than"):
        read_values(bomb, DEFLATED, [])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda data: data[:-9], "does not end where"),
        (lambda data: data + b"\0\1", "does not end where"),
        (lambda data: b"\xff" * 30, "cannot be inflated"),
    ],
)
def test_a_damaged_deflated_stream_is_refused(spoil: Callable[[bytes], bytes], says: str) -> None:
    whole = in_syntax(secondary_capture(), DEFLATED)
    assert read_values(whole, DEFLATED, [STUDY])
    with pytest.raises(MalformedDataSetError, match=says):
        read_values(spoil(whole), DEFLATED, [STUDY])


def test_a_mapped_file_is_read_as_bytes_are(tmp_path: Path) -> None:
    (tmp_path / "object").write_bytes(encoded(secondary_capture()))
    with (tmp_path / "object").open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        expected = {STUDY: b"1.2.3\0"}
        assert read_values(mapped, EXPLICIT, [STUDY]) == expected
        assert read_values(memoryview(encoded(secondary_capture())), EXPLICIT, [STUDY]) == expected


def test_a_long_value_is_returned_in_part() -> None:
    data = struct.pack("<HHL", 0x0020, 0x000D, 1 << 20) + b"1" * (1 << 20)
    assert len(read_values(data, IMPLICIT, [STUDY])[STUDY]) == encoding.MAX_WANTED_BYTES


REAL_FILES = ["CT_small.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm", "test-SR.dcm", "reportsi.dcm"]


def data_set_of(name: str) -> tuple[bytes, FileMetaDataset]:
    """Return the encoded data set of one of pydicom's test files, and its File Meta Information."""
    path = str(get_testdata_file(name, download=False))
    meta = read_file_meta_info(path)
    length_element = 12  # (0002,0000) itself, not counted by its value
    return Path(path).read_bytes()[132 + length_element + meta.FileMetaInformationGroupLength :], meta


@pytest.mark.parametrize("name", REAL_FILES)
def test_real_objects_are_walked_to_the_end(name: str) -> None:
    data, meta = data_set_of(name)
    values = read_values(data, meta.TransferSyntaxUID, [0x00080018])
    assert values[0x00080018].strip(b"\0 ").decode() == meta.MediaStorageSOPInstanceUID


def test_a_real_truncated_object_is_refused() -> None:
    data, meta = data_set_of("MR_truncated.dcm")
    with pytest.raises(MalformedDataSetError, match=r"\(7FE0,0010\) .* claims 8192 bytes, 8130 are there"):
        read_values(data, meta.TransferSyntaxUID, [])


@given(st.binary(max_size=300), st.sampled_from([EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED, RLE]))
def test_any_bytes_are_either_read_or_refused(data: bytes, syntax: str) -> None:
    with contextlib.suppress(MalformedDataSetError):
        read_values(data, syntax, [STUDY])


@given(st.data())
@settings(max_examples=200)
def test_a_data_set_cut_inside_its_last_element_is_always_refused(data: st.DataObject) -> None:
    implicit = data.draw(st.booleans())
    whole = encoded(secondary_capture(), implicit=implicit)
    kept = data.draw(st.integers(len(whole) - 192, len(whole) - 1))
    with pytest.raises(MalformedDataSetError):
        read_values(whole[:kept], IMPLICIT if implicit else EXPLICIT, [STUDY])


@given(st.data())
@settings(max_examples=200)
def test_one_flipped_byte_never_makes_the_walk_fail_otherwise(data: st.DataObject) -> None:
    whole = bytearray(encoded(nested(5, undefined=data.draw(st.booleans()))))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedDataSetError):
        read_values(bytes(whole), EXPLICIT, [STUDY])
