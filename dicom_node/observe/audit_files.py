"""Reads what `dicom_node.observe.audit_transport` keeps in files: DICOM audit messages, one a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from dicom_node.config import NodeConfig
from dicom_node.observe.audit import audit_source
from dicom_node.observe.audit_messages import audit_log_used
from dicom_node.storage.connection import timestamp, utc_now
from dicom_node.storage.journal import Journal

__all__ = [
    "AuditEntry",
    "AuditPage",
    "audit_days",
    "audit_files",
    "newest_entries",
    "read_entry",
    "tell_log_was_read",
]

_BYTE_ORDER_MARK = "\ufeff"
"""Between the head of a syslog line and the message (RFC 5424, 6.4)."""

_BLOCK_BYTES = 65_536
_SCANNED_BYTES = 8_000_000
"""Most that is read for one page: a filter that fits nothing must not read a day of hundreds of megabytes."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One audit message (PS3.15 A.5) in words.

    Attributes
    ----------
    at : str
        Event Date and Time as written, ISO 8601.
    event : str
        Meaning of Event ID and Event Type Code.
    outcome : str
        Event Outcome Indicator: 0 = success, 4, 8, 12 = failures.
    participants : tuple of str
        User or AE title, with its address, in the order of the message.
    objects : tuple of str
        Identifiers of what was acted on: studies, patients, files.
    """

    at: str
    event: str
    outcome: str
    participants: tuple[str, ...]
    objects: tuple[str, ...]

    @property
    def succeeded(self) -> bool:
        """Whether it went well."""
        return self.outcome == "0"


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries of a day, newest first; `before` is where older ones begin, None if there are none."""

    entries: tuple[AuditEntry, ...]
    before: int | None


def audit_files(directory: Path) -> list[Path]:
    """Return the files of a directory, oldest first."""
    return sorted(directory.glob("audit-????-??-??.log"))


def audit_days(directory: Path) -> list[date]:
    """Return the days (UTC) of which there are messages, newest first."""
    days = []
    for file in audit_files(directory):
        try:
            days.append(date.fromisoformat(file.stem.removeprefix("audit-")))
        except ValueError:  # somebody else's file
            continue
    return days[::-1]


def newest_entries(
    directory: Path,
    day: date,
    *,
    limit: int = 50,
    before: int | None = None,
    wanted: Callable[[AuditEntry], bool] = lambda _entry: True,
) -> AuditPage:
    """Return the newest messages of a day.

    Parameters
    ----------
    before : int, optional
        `AuditPage.before` of the page before this one.
    """
    found: list[AuditEntry] = []
    begin = position = 0
    for position, line in _lines_backwards(directory / f"audit-{day.isoformat()}.log", before):
        begin = begin or position
        entry = read_entry(line)
        if entry is not None and wanted(entry):
            found.append(entry)
        if len(found) == limit or begin - position > _SCANNED_BYTES:
            break
    return AuditPage(tuple(found), position or None)


def tell_log_was_read(config: NodeConfig, journal: Journal, user: str) -> None:
    """Reading the audit log is itself audited (PS3.15 A.5.3.2)."""
    message = audit_log_used(
        audit_source(config),
        timestamp(utc_now()),
        user=user,
        log_uri=config.audit.directory.resolve().as_uri(),
    )
    journal.spool_audits([message])


def read_entry(line: str) -> AuditEntry | None:
    """Return what a line says; None if it holds no audit message."""
    from defusedxml.ElementTree import fromstring

    try:
        message: Element = fromstring(line.partition(_BYTE_ORDER_MARK)[2])
    except ParseError:
        return None
    event = message.find("EventIdentification")
    if event is None:
        return None
    return AuditEntry(
        at=event.get("EventDateTime", ""),
        event=" ".join(
            code.get("originalText", "") for code in event if code.tag in ("EventID", "EventTypeCode")
        ),
        outcome=event.get("EventOutcomeIndicator", ""),
        participants=tuple(map(_participant, message.findall("ActiveParticipant"))),
        objects=tuple(
            item.get("ParticipantObjectID", "") for item in message.findall("ParticipantObjectIdentification")
        ),
    )


def _participant(element: Element) -> str:
    user, address = element.get("UserID", ""), element.get("NetworkAccessPointID", "")
    return f"{user}@{address}" if address not in ("", user) else user


def _lines_backwards(path: Path, before: int | None) -> Iterator[tuple[int, str]]:
    """Yield where each line begins, in bytes, and the line; the last one first."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        end = file.seek(0, 2) if before is None else before
        tail = b""
        while end > 0:
            begin = max(0, end - _BLOCK_BYTES)
            file.seek(begin)
            block = file.read(end - begin) + tail
            first, *lines = block.splitlines(keepends=True) or [b""]
            position = begin + len(block)
            for line in reversed(lines):
                position -= len(line)
                yield position, line.decode("utf-8", "replace")
            end, tail = begin, first
        if tail:
            yield 0, tail.decode("utf-8", "replace")
