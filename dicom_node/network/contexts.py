"""Which presentation contexts the node accepts: every storage class, in every syntax it can read later.

Built from what the peer requested: pynetdicom's own list of all storage classes costs some 15 ms for each
association and leaves out private, retired and future classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pynetdicom.presentation import PresentationContext

__all__ = ["LOSSY_SYNTAXES", "TRANSFER_SYNTAXES", "is_storage_class", "supported_contexts"]

LOSSLESS_SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
)
LOSSY_SYNTAXES = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000, HTJ2K)
"""Syntaxes that may change pixel values; some of them need not."""

TRANSFER_SYNTAXES = (*LOSSLESS_SYNTAXES, *LOSSY_SYNTAXES)
"""What the node takes unless the site adds deflated, and what its workers can decode."""


def supported_contexts(
    requested: Iterable[PresentationContext], *, accept_deflated: bool = False
) -> list[PresentationContext]:
    """Return the storage contexts to answer a request with, for ``association.acceptor.supported_contexts``.

    Where a sender offers several transfer syntaxes in one context, the choice is the acceptor's (PS3.8
    9.3.3.2). Its first acceptable one is taken, as Orthanc does since 1.11.2: the sender knows which one the
    object is in, and what it need not transcode arrives sooner and as it was archived. But lossless goes
    before lossy: what is measured on pixels must not be asked to lose any. (DCMTK's storescp prefers Explicit
    VR Little Endian whatever the order.)

    Parameters
    ----------
    requested : iterable of PresentationContext
        As the peer proposed them, any abstract syntax.
    accept_deflated : bool
        Also accept Deflated Explicit VR Little Endian, of which a few bytes can inflate to gigabytes.

    Returns
    -------
    list of PresentationContext
        One for each storage class among `requested`; other abstract syntaxes are left out, so that the answer
        for them is "abstract syntax not supported". A class of which no syntax is acceptable is answered with
        "transfer syntaxes not supported".
    """
    offered: dict[str, dict[UID, None]] = {}
    for context in requested:
        abstract = str(context.abstract_syntax)
        if abstract in offered or is_storage_class(abstract):
            offered.setdefault(abstract, {}).update(dict.fromkeys(context.transfer_syntax))
    return [
        _context(abstract, syntaxes, accept_deflated=accept_deflated)
        for abstract, syntaxes in offered.items()
    ]


def is_storage_class(uid: str) -> bool:
    """Tell whether an abstract syntax names composite objects that C-STORE may send here.

    Known services (query, worklist, print, commitment, ...) and known UIDs that name no class are none.
    Neither are the Non-Patient Object Storage classes (PS3.4 annex GG), whose objects belong to no study.
    What nobody knows is taken for a private storage class; under DICOM's own root only where new storage
    classes are assigned.
    """
    known = UID_dictionary.get(uid)
    if known is not None:
        name, kind = known[0], known[1]
        return kind == "SOP Class" and "Storage" in name and uid not in _NO_STUDY_OBJECTS
    if len(uid) > 64 or not _LEGAL_UID.fullmatch(uid):
        return False
    return uid.startswith(_STORAGE_ROOT) or not uid.startswith(_DICOM_ROOT)


_LOSSLESS = frozenset(LOSSLESS_SYNTAXES)
_LOSSY = frozenset(LOSSY_SYNTAXES)
_DEFLATED = DeflatedExplicitVRLittleEndian

_DICOM_ROOT = "1.2.840.10008."
_STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."
"""Storage SOP Classes of the standard lie here (PS3.6 table A-1)."""
_LEGAL_UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+")

_NO_STUDY_OBJECTS = frozenset(
    {
        "1.2.840.10008.1.3.10",  # Media Storage Directory Storage
        "1.2.840.10008.1.20.1",  # Storage Commitment Push Model
        "1.2.840.10008.1.20.2",  # Storage Commitment Pull Model (retired)
        "1.2.840.10008.5.1.4.1.1.200.1",  # CT Defined Procedure Protocol
        "1.2.840.10008.5.1.4.1.1.200.3",  # Protocol Approval
        "1.2.840.10008.5.1.4.1.1.200.7",  # XA Defined Procedure Protocol
        "1.2.840.10008.5.1.4.1.1.201.1",  # Inventory
        "1.2.840.10008.5.1.4.38.1",  # Hanging Protocol
        "1.2.840.10008.5.1.4.39.1",  # Color Palette
        "1.2.840.10008.5.1.4.43.1",  # Generic Implant Template
        "1.2.840.10008.5.1.4.44.1",  # Implant Assembly Template
        "1.2.840.10008.5.1.4.45.1",  # Implant Template Group
    }
)
"""Have "Storage" in their names, but what C-STORE would send in them has no Study Instance UID."""


def _context(abstract: str, offered: Iterable[UID], *, accept_deflated: bool) -> PresentationContext:
    lossless = [uid for uid in offered if uid in _LOSSLESS or (accept_deflated and uid == _DEFLATED)]
    lossy = [uid for uid in offered if uid in _LOSSY]
    context = PresentationContext()
    context.abstract_syntax = UID(abstract)
    # extended, not set: the setter checks every UID again, which pynetdicom has done on decoding the request
    # with none to offer back, Implicit VR was not asked for either: the answer is "not supported"
    context.transfer_syntax.extend([*lossless, *lossy] or [ImplicitVRLittleEndian])
    return context
