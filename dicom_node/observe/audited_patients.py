"""Reads from an archived file whom it is about, for audit messages only."""

from __future__ import annotations

import logging
from pathlib import Path

from dicom_node.network.header_texts import UnreadableHeaderError, read_texts
from dicom_node.observe.audit_messages import Patient

__all__ = ["read_patient"]

logger = logging.getLogger(__name__)

_PATIENT_NAME = 0x00100010
_PATIENT_ID = 0x00100020


def read_patient(path: Path) -> Patient:
    """Return a DICOM file's patient, by element headers alone; what cannot be read is "unknown"."""
    try:
        texts = read_texts(path, (_PATIENT_NAME, _PATIENT_ID))
    except UnreadableHeaderError as error:
        logger.info("an audit message names no patient: %s", error)
        return Patient()
    return Patient(id=texts[_PATIENT_ID] or "unknown", name=texts[_PATIENT_NAME] or "unknown")
