"""C-STORE and C-ECHO as a user (SCU): every instance's own status counts, and every failure has a policy.

A failure that may pass by itself (peer down, busy, out of resources) is a `TransientDeliveryError`, one that
will not (AE title not recognised, SOP class refused) a `PermanentDeliveryError`. An error *raised* concerns
the whole association; an error *yielded* with an instance concerns that instance alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import _config
from pynetdicom.association import Association
from pynetdicom.dsutils import split_dataset
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS, code_to_category

from dicom_node.errors import (
    DeliveryError,
    PermanentDeliveryError,
    RejectedInput,
    TransientDeliveryError,
)
from dicom_node.network.peers import Peer, Timeouts, open_association

__all__ = ["Peer", "SendableFile", "StoreOutcome", "Timeouts", "echo", "read_sendable", "store"]

logger = logging.getLogger(__name__)

# A file given by path goes out byte for byte as it lies on disk, without being decoded.
_config.STORE_SEND_CHUNKED_DATASET = True

MAXIMUM_CONTEXTS = 128
"""Presentation contexts of one association: odd identifiers 1 to 255 (DICOM PS3.8 section 9.3.2.2)."""

_STORED_ALREADY = 0x0111
"""Duplicate SOP Instance (DICOM PS3.7 section C.5.7): result UIDs derive from identity, so it is there."""

_TRANSIENT_STATUS = {0x0110, 0x0213}
"""Processing failure, resource limitation (DICOM PS3.7 annex C); 0xA7xx, out of resources, joins them."""


@dataclass(frozen=True, slots=True)
class SendableFile:
    """A DICOM file and what its presentation context needs."""

    path: Path
    sop_class_uid: UID
    sop_instance_uid: UID
    transfer_syntax_uid: UID


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What the peer answered for one file; `error` is None if it stored the instance."""

    file: SendableFile
    status: int | None
    error: DeliveryError | None


def read_sendable(path: Path) -> SendableFile:
    """Read a file's meta information.

    Raises
    ------
    RejectedInput
        If the file is not DICOM or lacks a legal SOP Class, SOP Instance or Transfer Syntax UID.
    """
    try:
        meta, _ = split_dataset(path)
    except Exception as error:  # pydicom's readers raise many kinds; all mean the same here
        raise RejectedInput("not_dicom", f"{path}: is not a DICOM file ({error})") from error
    uids = {
        keyword: UID(str(meta.get(keyword, "")))
        for keyword in ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
    }
    for keyword, uid in uids.items():
        if not uid.is_valid:
            raise RejectedInput("bad_file_meta", f"{path}: {keyword} {str(uid)!r} is not a legal UID")
    return SendableFile(path, *uids.values())


def store(
    files: Sequence[SendableFile], peer: Peer, *, calling_ae_title: str, timeouts: Timeouts
) -> Iterator[StoreOutcome]:
    """Send files in order, one outcome each as soon as it is known.

    Raises
    ------
    TransientDeliveryError, PermanentDeliveryError
        If the association fails; files without an outcome were not stored as far as we know. After a
        time-out the association is aborted and never used again.
    """
    for load in _association_loads(files):
        contexts = [build_context(uid, list(syntaxes)) for uid, syntaxes in _proposals(load)]
        with open_association(
            peer, contexts, calling_ae_title=calling_ae_title, timeouts=timeouts
        ) as association:
            for file in load:
                yield _store_one(association, file, peer)


def echo(peer: Peer, *, calling_ae_title: str, timeouts: Timeouts) -> None:
    """Verify the connection with C-ECHO.

    Raises
    ------
    TransientDeliveryError, PermanentDeliveryError
        If the peer does not answer with success.
    """
    contexts = [build_context(Verification)]
    with open_association(
        peer, contexts, calling_ae_title=calling_ae_title, timeouts=timeouts
    ) as association:
        status = association.send_c_echo().get("Status")
        if status is None:
            raise TransientDeliveryError(f"{peer} did not answer C-ECHO within {timeouts.response:g} s")
        if status != 0:
            raise PermanentDeliveryError(f"{peer} answered C-ECHO with status 0x{status:04X}")


def _association_loads(files: Sequence[SendableFile]) -> Iterator[list[SendableFile]]:
    """Split files so that the contexts of each part fit into one association; the order stays."""
    load: list[SendableFile] = []
    for file in files:
        if len(_proposals([*load, file])) > MAXIMUM_CONTEXTS:
            yield load
            load = []
        load.append(file)
    if load:
        yield load


def _proposals(files: Sequence[SendableFile]) -> list[tuple[UID, tuple[UID, ...]]]:
    """Return (SOP class, transfer syntaxes) pairs, one presentation context each, for what is really sent.

    Objects with uncompressed pixels are offered in Implicit VR Little Endian too, the default that every
    peer must take (DICOM PS3.5 section 10.1), in a context of its own: so the peer says which it takes.
    """
    pairs: dict[tuple[UID, UID], None] = {}
    for file in files:
        pairs[file.sop_class_uid, file.transfer_syntax_uid] = None
        if file.transfer_syntax_uid == ExplicitVRLittleEndian:
            pairs[file.sop_class_uid, ImplicitVRLittleEndian] = None
    return [(sop_class, (syntax,)) for sop_class, syntax in pairs]


def _store_one(association: Association, file: SendableFile, peer: Peer) -> StoreOutcome:
    accepted = {
        context.transfer_syntax[0]
        for context in association.accepted_contexts
        if context.abstract_syntax == file.sop_class_uid
    }
    as_it_is = file.transfer_syntax_uid in accepted
    if not as_it_is and not (
        file.transfer_syntax_uid == ExplicitVRLittleEndian and ImplicitVRLittleEndian in accepted
    ):
        name, syntax = file.sop_class_uid.name, file.transfer_syntax_uid.name
        reason = f"{peer} does not take {name} in {syntax}; allow this SOP class at the peer"
        return StoreOutcome(file, None, PermanentDeliveryError(reason))
    if not association.is_established:
        raise TransientDeliveryError(f"{peer} closed the association before all instances were sent")
    try:
        # a data set that has been read, instead of a path, is written anew in the syntax the peer takes
        status = association.send_c_store(file.path if as_it_is else dcmread(file.path)).get("Status")
    except OSError as error:
        return StoreOutcome(file, None, PermanentDeliveryError(f"{file.path} cannot be read: {error}"))
    if status is None:
        raise TransientDeliveryError(f"{peer} did not answer a C-STORE: time-out, abort or closed connection")
    return StoreOutcome(file, status, _status_error(status, peer))


def _status_error(status: int, peer: Peer) -> DeliveryError | None:
    """Return the policy for a C-STORE status (DICOM PS3.4 table B.2-1, PS3.7 annex C)."""
    if code_to_category(status) in ("Success", "Warning") or status == _STORED_ALREADY:
        return None
    meaning = STORAGE_SERVICE_CLASS_STATUS.get(status, ("", "unknown status"))[1]
    text = f"{peer} answered C-STORE with status 0x{status:04X} ({meaning})"
    if status in _TRANSIENT_STATUS or 0xA700 <= status <= 0xA7FF:
        return TransientDeliveryError(text)
    return PermanentDeliveryError(text)
