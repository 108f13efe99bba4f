"""Admission: may these bytes be acknowledged as the object that the C-STORE command names?

A pure function of command, presentation context and data set. Statuses follow PS3.4 table B.2-1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pydicom.uid import UID

from dicom_node.network.encoding import EncodedBytes, MalformedDataSetError, read_values
from dicom_node.patients import patient_key

__all__ = ["CANNOT_UNDERSTAND", "MISMATCH", "SUCCESS", "Admission", "Identification", "StoreRequest", "admit"]

SUCCESS = 0x0000
MISMATCH = 0xA900
"""Error: data set does not match SOP class."""
CANNOT_UNDERSTAND = 0xC000
"""Error: cannot understand."""

_SOP_CLASS_UID = 0x00080016
_SOP_INSTANCE_UID = 0x00080018
_STUDY_DATE = 0x00080020
_MODALITY = 0x00080060
_STATION_NAME = 0x00081010
_STUDY_DESCRIPTION = 0x00081030
_SERIES_DESCRIPTION = 0x0008103E
_MODEL_NAME = 0x00081090
_PATIENT_ID = 0x00100020
_ISSUER_OF_PATIENT_ID = 0x00100021
_BODY_PART_EXAMINED = 0x00180015
_STUDY_INSTANCE_UID = 0x0020000D
_SERIES_INSTANCE_UID = 0x0020000E

_UIDS = {
    _SOP_CLASS_UID: "SOP Class UID",
    _SOP_INSTANCE_UID: "SOP Instance UID",
    _STUDY_INSTANCE_UID: "Study Instance UID",
    _SERIES_INSTANCE_UID: "Series Instance UID",
}
_OTHERS = (
    _STUDY_DATE,
    _MODALITY,
    _STATION_NAME,
    _STUDY_DESCRIPTION,
    _SERIES_DESCRIPTION,
    _MODEL_NAME,
    _PATIENT_ID,
    _ISSUER_OF_PATIENT_ID,
    _BODY_PART_EXAMINED,
)
_WANTED = (*_UIDS, *_OTHERS)

_LEGAL_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")
"""PS3.5 9.1; at most 64 characters."""


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """One C-STORE as it came over the wire.

    Attributes
    ----------
    sop_class_uid, sop_instance_uid : str
        Affected SOP Class and Instance UID of the command set.
    context_sop_class_uid, transfer_syntax_uid : str
        Abstract and transfer syntax negotiated for the presentation context that carried it.
    data_set : bytes-like
        Exactly as received; a large one may be a mapped file.
    """

    sop_class_uid: str
    sop_instance_uid: str
    context_sop_class_uid: str
    transfer_syntax_uid: str
    data_set: EncodedBytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identification:
    """What the data set says it is; empty texts where it says nothing readable."""

    study_instance_uid: str = ""
    series_instance_uid: str = ""
    study_date: str = ""
    """Eight digits, or empty."""
    modality: str = ""
    body_part_examined: str = ""
    station_name: str = ""
    study_description: str = ""
    series_description: str = ""
    model_name: str = ""
    patient_key: str = ""
    """SHA-256 over Issuer of Patient ID and Patient ID: links priors, names nobody."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The verdict: a DIMSE status and, unless that is success, code and sentence (object, rule, cure)."""

    status: int
    code: str
    reason: str
    identification: Identification

    @property
    def admitted(self) -> bool:
        """Whether the object may be acknowledged once its bytes are durable."""
        return self.status == SUCCESS


def admit(request: StoreRequest) -> Admission:
    """Check one C-STORE request.

    Admitted is what names itself with legal UIDs, the same in command, presentation context and data set, and
    is complete to its last byte. Values and pixels are not looked at: that is the analysis' business.
    """
    if not len(request.data_set):  # a mapped file has no truth value of its own
        return _refuse(
            CANNOT_UNDERSTAND, "empty_data_set", "the data set is empty; send the object's data set"
        )
    try:
        values = read_values(request.data_set, request.transfer_syntax_uid, _WANTED)
    except MalformedDataSetError as error:
        syntax = UID(request.transfer_syntax_uid).name
        return _refuse(
            CANNOT_UNDERSTAND,
            "malformed_data_set",
            f"the data set is not readable as {syntax}: {error}; check the object at the sender",
        )
    identification = _identification(values)
    for check in (_missing_uid, _illegal_uid, _class_mismatch, _instance_mismatch):
        found = check(request, values)
        if found:
            return _refuse(*found, identification)
    return Admission(SUCCESS, "", "", identification)


_Finding = tuple[int, str, str]


def _missing_uid(request: StoreRequest, values: dict[int, bytes]) -> _Finding | None:
    for tag, name in _UIDS.items():
        if not _text(values, tag):
            return (
                CANNOT_UNDERSTAND,
                "missing_uid",
                f"{name} ({tag >> 16:04X},{tag & 0xFFFF:04X}) is mandatory, but absent or empty; mend it",
            )
    return None


def _illegal_uid(request: StoreRequest, values: dict[int, bytes]) -> _Finding | None:
    uids = {f"{name} of the data set": _text(values, tag) for tag, name in _UIDS.items()}
    uids["Affected SOP Class UID"] = request.sop_class_uid
    uids["Affected SOP Instance UID"] = request.sop_instance_uid
    for name, uid in uids.items():
        if len(uid) > 64 or not _LEGAL_UID.fullmatch(uid):
            return (
                MISMATCH,
                "illegal_uid",
                f"{name} {uid[:64]!a} is not a legal UID (PS3.5 9.1: digits and dots, no leading zeros, "
                "at most 64 characters); mend the object",
            )
    return None


def _class_mismatch(request: StoreRequest, values: dict[int, bytes]) -> _Finding | None:
    classes = (request.context_sop_class_uid, request.sop_class_uid, _text(values, _SOP_CLASS_UID))
    if len(set(classes)) == 1:
        return None
    context, command, data_set = (_class_name(uid) for uid in classes)
    return (
        MISMATCH,
        "class_mismatch",
        f"negotiated as {context}, sent as {command}, but the data set is {data_set}; "
        "the sender must name one SOP class throughout",
    )


def _instance_mismatch(request: StoreRequest, values: dict[int, bytes]) -> _Finding | None:
    uid = _text(values, _SOP_INSTANCE_UID)
    if uid == request.sop_instance_uid:
        return None
    return (
        MISMATCH,
        "uid_mismatch",
        f"the command names SOP Instance UID {request.sop_instance_uid}, the data set {uid}; "
        "the sender must use one UID in both",
    )


def _refuse(status: int, code: str, reason: str, identification: Identification | None = None) -> Admission:
    return Admission(status, code, reason, identification or Identification())


def _identification(values: dict[int, bytes]) -> Identification:
    study, series = _text(values, _STUDY_INSTANCE_UID), _text(values, _SERIES_INSTANCE_UID)
    return Identification(
        study_instance_uid=study if _LEGAL_UID.fullmatch(study) else "",
        series_instance_uid=series if _LEGAL_UID.fullmatch(series) else "",
        study_date=_date(_text(values, _STUDY_DATE)),
        modality=_text(values, _MODALITY),
        body_part_examined=_text(values, _BODY_PART_EXAMINED),
        station_name=_text(values, _STATION_NAME),
        study_description=_text(values, _STUDY_DESCRIPTION),
        series_description=_text(values, _SERIES_DESCRIPTION),
        model_name=_text(values, _MODEL_NAME),
        patient_key=patient_key(values.get(_PATIENT_ID, b""), values.get(_ISSUER_OF_PATIENT_ID, b"")),
    )


def _date(text: str) -> str:
    """Return a DA value, also of ACR-NEMA's form YYYY.MM.DD, as eight digits; empty if it is none."""
    digits = text.replace(".", "")
    return digits if len(digits) == 8 and digits.isdecimal() and digits.isascii() else ""


def _text(values: dict[int, bytes], tag: int) -> str:
    """Return a value without padding; Latin-1 maps every byte, so nothing can fail here."""
    return values.get(tag, b"").strip(b"\0 ").decode("latin-1")


def _class_name(uid: str) -> str:
    name = UID(uid).name
    return name if name != uid else ascii(uid[:64])
