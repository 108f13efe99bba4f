"""Texts at the top level of an archived file's header, decoded by its Specific Character Set.

Read with the admission's own walker, which is bounded whatever the bytes are; pixels are never touched.
"""

from __future__ import annotations

import mmap
from collections.abc import Collection
from pathlib import Path

from pydicom.charset import convert_encodings, decode_bytes
from pynetdicom.dsutils import split_dataset

from dicom_node.network.encoding import read_values

__all__ = ["UnreadableHeaderError", "read_texts"]

_CHARACTER_SET = 0x00080005


class UnreadableHeaderError(ValueError):
    """The file cannot be read as a DICOM file; the text names no value of it."""


def read_texts(path: Path, tags: Collection[int]) -> dict[int, str]:
    """Return the values of some text attributes of a DICOM file, tag -> text, empty where absent.

    Raises
    ------
    UnreadableHeaderError
        If the file is gone or damaged.
    """
    try:
        meta, offset = split_dataset(path)
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as whole,
            whole[offset:] as data_set,
        ):
            values = read_values(data_set, str(meta.TransferSyntaxUID), (_CHARACTER_SET, *tags))
    except Exception as error:  # pydicom's readers raise many kinds; all mean the same here
        raise UnreadableHeaderError(f"{path.name} cannot be read ({type(error).__name__})") from error
    encodings = _encodings(values.get(_CHARACTER_SET, b""))
    return {tag: _decoded(values.get(tag, b""), encodings) for tag in tags}


def _encodings(value: bytes) -> list[str]:
    """Return Python's codecs for Specific Character Set (0008,0005); Latin-1 where that is odd."""
    terms = [term.strip() for term in value.decode("latin-1").strip("\0 ").split("\\")]
    try:
        return list(convert_encodings(terms))
    except (LookupError, ValueError):
        return ["latin-1"]


def _decoded(value: bytes, encodings: list[str]) -> str:
    text = decode_bytes(value.strip(b"\0 "), encodings, {0x5C, 0x5E, 0x3D})  # PS3.5 6.1.2.5.3: \, ^ and =
    return text.strip("\0 ").rstrip("=")
