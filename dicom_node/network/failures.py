"""What a destination's refusal means, in tables: whether trying again can help, and the cure.

`association_failure` for A-ASSOCIATE-RJ (PS3.8 table 9-21), `status_failure` for C-STORE and STOW-RS statuses
(PS3.4 table B.2-1, PS3.7 annex C, PS3.18 table I.2-2), `http_failure` for HTTP status codes (RFC 9110, PS3.18
table 8.5-1). None of them means success.
"""

from __future__ import annotations

from dataclasses import dataclass

from dicom_node.errors import DeliveryError, PermanentDeliveryError, TransientDeliveryError

__all__ = [
    "Failure",
    "association_failure",
    "http_failure",
    "status_failure",
    "status_note",
]


@dataclass(frozen=True, slots=True)
class Failure:
    """A policy and its words."""

    policy: type[DeliveryError]
    meaning: str
    cure: str = ""

    def error(self, what_happened: str) -> DeliveryError:
        """Return the error that says `what_happened`, what it means and what to do."""
        cure = f"; {self.cure}" if self.cure else ""
        return self.policy(f"{what_happened} ({self.meaning}){cure}")


def _passing(meaning: str, cure: str = "") -> Failure:
    return Failure(TransientDeliveryError, meaning, cure)


def _lasting(meaning: str, cure: str = "") -> Failure:
    return Failure(PermanentDeliveryError, meaning, cure)


REJECTED_PERMANENT, REJECTED_TRANSIENT = 1, 2
"""Result of A-ASSOCIATE-RJ."""

_TITLES = "check both AE titles and the peer's list of known AEs"

REJECTIONS: dict[tuple[int, int], Failure] = {
    (1, 1): _lasting("no reason given", _TITLES),
    (1, 2): _lasting("Application context name not supported", "the peer is no DICOM node"),
    (1, 3): _lasting("Calling AE title not recognised", _TITLES),
    (1, 7): _lasting("Called AE title not recognised", _TITLES),
    (2, 1): _lasting("no reason given", _TITLES),
    (2, 2): _lasting("Protocol version not supported", "the peer is no DICOM node of our version"),
    (3, 1): _passing("Temporary congestion"),
    (3, 2): _passing("Local limit exceeded", "raise the peer's limit of associations if this comes often"),
}
"""(source, reason) -> what it means when the peer calls it permanent; source 3 passes in any case."""

STATUSES: dict[int, Failure] = {
    0x0105: _lasting("No such attribute"),
    0x0106: _lasting("Invalid attribute value"),
    0x0110: _passing("Processing failure"),
    0x0112: _lasting("No such SOP instance"),
    0x0113: _lasting("No such event type"),
    0x0114: _lasting("No such argument"),
    0x0115: _lasting("Invalid argument value"),
    0x0117: _lasting("Invalid SOP instance"),
    0x0118: _lasting("No such SOP class", "allow this SOP class at the peer"),
    0x0119: _lasting("Class-instance conflict"),
    0x0120: _lasting("Missing attribute"),
    0x0121: _lasting("Missing attribute value"),
    0x0122: _lasting("SOP class not supported", "allow this SOP class at the peer"),
    0x0123: _lasting("No such action type"),
    0x0124: _lasting("Not authorised", "allow this node to store at the peer"),
    0x0210: _passing("Duplicate invocation"),
    0x0211: _lasting("Unrecognised operation"),
    0x0212: _lasting("Mistyped argument"),
    0x0213: _passing("Resource limitation"),
    0xA700: _passing("Out of resources"),
    0xA900: _lasting("Data set does not match SOP class"),
    0xC000: _lasting("Cannot understand"),
    0xC122: _lasting("Referenced transfer syntax not supported", "allow it at the peer"),
    0xFE00: _passing("Cancelled"),
}
"""DIMSE status, or Failure Reason (0008,1197) of STOW-RS; the rest of A7xx, A9xx and Cxxx is as its first."""

_STATUS_RANGES = (
    (range(0xA700, 0xA800), 0xA700),
    (range(0xA900, 0xAA00), 0xA900),
    (range(0xC000, 0xD000), 0xC000),
)

ALREADY_STORED = 0x0111
"""Duplicate SOP Instance (PS3.7 section C.5.7): result UIDs derive from identity, so it is there."""

WARNINGS: dict[int, str] = {
    0x0001: "Requested optional attributes are not supported",
    0x0107: "Attribute list error",
    0x0116: "Attribute value out of range",
    0xB000: "Coercion of data elements",
    0xB006: "Elements discarded",
    0xB007: "Data set does not match SOP class",
}
"""The instance is stored, and yet there is something to say."""

HTTP_CODES: dict[int, Failure] = {
    202: _passing("Accepted, without saying which instances"),
    400: _lasting("Bad Request"),
    401: _lasting("Unauthorized", "check username and password_file, or token_file"),
    403: _lasting("Forbidden", "allow this node to store there"),
    404: _lasting("Not Found", "check url: it ends before /studies"),
    405: _lasting("Method Not Allowed", "check url: the service takes no STOW-RS there"),
    406: _lasting("Not Acceptable"),
    408: _passing("Request Timeout"),
    409: _lasting("Conflict"),
    411: _lasting("Length Required"),
    413: _lasting("Content Too Large", "raise the service's limit of bytes"),
    415: _lasting("Unsupported Media Type", "the service takes no application/dicom"),
    421: _passing("Misdirected Request"),
    422: _lasting("Unprocessable Content"),
    423: _passing("Locked"),
    425: _passing("Too Early"),
    429: _passing("Too Many Requests", "lower max_instances_per_second of this destination"),
    500: _passing("Internal Server Error"),
    501: _lasting("Not Implemented"),
    502: _passing("Bad Gateway"),
    503: _passing("Service Unavailable"),
    504: _passing("Gateway Timeout"),
    507: _passing("Insufficient Storage"),
}
"""Codes that are not 200; of others, 5xx passes and the rest does not."""


def association_failure(result: int, source: int, reason: int) -> Failure:
    """Return what an A-ASSOCIATE-RJ means; what the peer itself calls transient is tried again."""
    known = REJECTIONS.get(
        (source, reason), _lasting(f"reserved reason {reason} of source {source}", _TITLES)
    )
    if result == REJECTED_TRANSIENT or source == 3:
        return Failure(TransientDeliveryError, known.meaning, known.cure)
    return known


def status_failure(status: int) -> Failure | None:
    """Return what a C-STORE status or STOW-RS failure reason means; None if the instance is stored."""
    if status in (0x0000, ALREADY_STORED) or status in WARNINGS or 0xB000 <= status <= 0xBFFF:
        return None
    if status in STATUSES:
        return STATUSES[status]
    first = next((first for codes, first in _STATUS_RANGES if status in codes), None)
    return STATUSES[first] if first is not None else _lasting("unknown status")


def status_note(status: int) -> str:
    """Return what the peer remarked while storing an instance; empty for plain success."""
    if status == 0x0000:
        return ""
    meaning = "Duplicate SOP instance: it was there" if status == ALREADY_STORED else WARNINGS.get(status)
    return f"stored with status 0x{status:04X} ({meaning or 'a warning without meaning in the standard'})"


def http_failure(code: int) -> Failure:
    """Return what an HTTP status code other than success means."""
    if code in HTTP_CODES:
        return HTTP_CODES[code]
    if 300 <= code <= 399:
        return _lasting("redirection", "write the address it redirects to as url, if that is right")
    return _passing("server error") if code >= 500 else _lasting("client error")
