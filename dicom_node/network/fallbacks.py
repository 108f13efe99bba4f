"""What is proposed to a peer for an object, and as what it may go when the peer does not take it as it is.

- Uncompressed objects go in Explicit or Implicit VR Little Endian, the latter being the default that every
  peer must take (PS3.5 section 10.1).
- Compressed objects go as they are, else decompressed.
- Reports of ours (Comprehensive or Comprehensive 3D SR) may be written anew as Enhanced SR.

Each pair is a presentation context of its own, so that the peer says which of them it takes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dicom_node.network.outgoing import SendableFile

__all__ = ["acceptable_class", "acceptable_syntax", "proposals"]

_UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_REWRITABLE = (*_UNCOMPRESSED, DeflatedExplicitVRLittleEndian)
"""Syntaxes between which a data set is written anew without touching pixels."""

_SIMPLER_CLASS = {
    ComprehensiveSRStorage: EnhancedSRStorage,
    Comprehensive3DSRStorage: EnhancedSRStorage,
}


def proposals(files: Sequence[SendableFile]) -> list[tuple[UID, UID]]:
    """Return (SOP class, transfer syntax) pairs, one presentation context each, for what is really sent."""
    pairs: dict[tuple[UID, UID], None] = {}
    for file in files:
        for syntax in _syntaxes(file):
            pairs[file.sop_class_uid, syntax] = None
        simpler = _simpler_class(file)
        if simpler is not None:
            for syntax in _UNCOMPRESSED:
                pairs[simpler, syntax] = None
    return list(pairs)


def acceptable_syntax(file: SendableFile, accepted: Collection[tuple[UID, UID]]) -> UID | None:
    """Return the syntax to send a file in, its own first; None if the peer takes none that it can go in."""
    return next((syntax for syntax in _syntaxes(file) if (file.sop_class_uid, syntax) in accepted), None)


def acceptable_class(file: SendableFile, accepted: Collection[tuple[UID, UID]]) -> UID | None:
    """Return the SOP class in which the peer would take a report of ours that it does not take as it is."""
    simpler = _simpler_class(file)
    return simpler if any((simpler, syntax) in accepted for syntax in _UNCOMPRESSED) else None


def _syntaxes(file: SendableFile) -> list[UID]:
    own = file.transfer_syntax_uid
    if own in _REWRITABLE or own.is_encapsulated:
        return [own, *(syntax for syntax in _UNCOMPRESSED if syntax != own)]
    return [own]


def _simpler_class(file: SendableFile) -> UID | None:
    return _SIMPLER_CLASS.get(file.sop_class_uid) if file.may_change_class else None
