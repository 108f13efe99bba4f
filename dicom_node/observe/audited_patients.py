"""Reads from an archived file whom it is about, for audit messages only."""

from __future__ import annotations

import logging
import mmap
from pathlib import Path

from pydicom.charset import convert_encodings, decode_bytes
from pynetdicom.dsutils import split_dataset

from dicom_node.network.encoding import read_values
from dicom_node.observe.audit_messages import Patient

__all__ = ["read_patient"]

logger = logging.getLogger(__name__)

_CHARACTER_SET = 0x00080005
_PATIENT_NAME = 0x00100010
_PATIENT_ID = 0x00100020


def read_patient(path: Path) -> Patient:
    """Return a DICOM file's patient, by element headers alone; what cannot be read is "unknown"."""
    try:
        meta, offset = split_dataset(path)
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as whole,
            whole[offset:] as data_set,
        ):
            wanted = (_CHARACTER_SET, _PATIENT_NAME, _PATIENT_ID)
            values = read_values(data_set, str(meta.TransferSyntaxUID), wanted)
    except Exception as error:  # pydicom's readers raise many kinds; all mean the same here
        logger.info(
            "an audit message names no patient: %s cannot be read (%s)", path.name, type(error).__name__
        )
        return Patient()
    encodings = _encodings(values.get(_CHARACTER_SET, b""))
    name, identifier = (
        _decoded(values.get(tag, b""), encodings) or "unknown" for tag in (_PATIENT_NAME, _PATIENT_ID)
    )
    return Patient(id=identifier, name=name)


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
