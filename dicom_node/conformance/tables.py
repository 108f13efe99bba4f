"""What the statement says in words; the tests hold the statuses to what the receiver answers."""

from __future__ import annotations

__all__ = [
    "AUDIT_MESSAGES",
    "CHARACTER_SETS",
    "COMMITMENT_STATUSES",
    "SCP_REJECTIONS",
    "SCP_STATUSES",
]

SCP_STATUSES = (
    ("0000", "Success", "the object is on the disk and in the journal, or was before"),
    (
        "A700",
        "Out of resources",
        "free space is below `min_free_bytes`, or the disk failed; send again later",
    ),
    (
        "A900",
        "Data set does not match SOP class",
        "SOP class or instance differ between context, command and data set, or a UID is illegal",
    ),
    (
        "C000",
        "Cannot understand",
        "empty, incomplete, nested too deeply, not in its transfer syntax, or without a mandatory UID",
    ),
    ("0110", "Processing failure", "a defect of the node; the object may be sent again"),
)
"""PS3.4 table B.2-1; Error Comment (0000,0902) tells the reason. What is refused with A900 or C000 is kept in
quarantine."""

COMMITMENT_STATUSES = (
    ("0000", "the request is taken; the report follows"),
    ("0110", "the request cannot be recorded now, or an object cannot be read now"),
    ("0112", "no such object is kept"),
    ("0115", "the request is malformed"),
    ("0118", "no such SOP class: not the Push Model"),
    ("0119", "the object is of another class than the request says"),
    ("0123", "no such action"),
    ("0210", "a request of the same transaction is being worked on"),
)

SCP_REJECTIONS = (
    ("1, 1, 2", "the application context is not DICOM's"),
    ("1, 1, 3", "calling AE title, its address or its certificate are not allowed by `[[peer]]`"),
    ("1, 1, 7", "the called AE title is not the node's, or not allowed for this peer"),
    ("1, 1, 1", "no proposed presentation context is acceptable, or the proposal is not usable"),
    ("1, 2, 2", "the protocol version is not 1"),
    ("2, 3, 2", "too many associations, of this calling AE title or in all, or the node is stopping"),
)
"""PS3.8 table 9-21."""

CHARACTER_SETS = (
    ("absent", "ISO IR 6 (ASCII)"),
    (
        "ISO_IR 100, 101, 109, 110, 144, 127, 126, 138, 148, 166",
        "Latin 1 to 5, Cyrillic, Arabic, Greek, Hebrew, Thai",
    ),
    ("ISO_IR 13, ISO 2022 IR 13, 87, 159", "Japanese"),
    ("ISO 2022 IR 149", "Korean"),
    ("ISO 2022 IR 58, GB18030, GBK", "Chinese"),
    ("ISO_IR 192", "Unicode in UTF-8"),
)

AUDIT_MESSAGES = (
    ("Application Activity (110100)", "the node starts or stops"),
    (
        "Begin Transferring DICOM Instances (110102)",
        "the first attempt to send a study's objects to a destination",
    ),
    ("DICOM Instances Transferred (110104)", "objects of a study came in, went out, or became dead letters"),
    ("Query (110112)", "an archive was asked"),
    ("Security Alert (110113), Node Authentication (110126)", "a peer was refused"),
    ("Audit Log Used (110101)", "the audit files were read with `dicom-node audit`"),
)
