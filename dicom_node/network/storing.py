"""C-STORE: an object is acknowledged once its bytes are durable and its journal row is committed, not before.

Law 1 of the house: bytes first. A data set is never decoded here; it is checked by its element headers
(`dicom_node.network.admission`), written and fsynced, journalled, and only then answered with 0x0000. What
cannot be admitted goes to quarantine with a reason, and its association lives on. A power cut may take the
last rows; their files bring them back (`dicom_node.workflow.adoption`).
"""

from __future__ import annotations

import logging
import sqlite3
import time
from hashlib import sha256
from typing import Protocol

from dicom_node import faults
from dicom_node.config import ReceiverSettings
from dicom_node.network.admission import SUCCESS, Admission, StoreRequest, admit
from dicom_node.network.association import Association, Message
from dicom_node.network.dimse import CommandSet, Reply, Tag
from dicom_node.network.incoming import Incoming
from dicom_node.network.negotiation import AcceptedContext
from dicom_node.observe.metrics import BYTES_RECEIVED, INSTANCES_RECEIVED, STORE_SECONDS
from dicom_node.storage.archive import Archive, file_head
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import InstanceKind, ReceivedInstance, Recorded, Severity
from dicom_node.storage.spool import Spool
from reports.identity import MANUFACTURER_MODEL_NAME

__all__ = ["OUT_OF_RESOURCES", "Origin", "StorageService"]

logger = logging.getLogger(__name__)

OUT_OF_RESOURCES = 0xA700
"""Refused: out of resources (PS3.4 table B.2-1)."""
PROCESSING_FAILURE = 0x0110
"""PS3.7 annex C.5.4."""
_ERROR_COMMENT_LENGTH = 64  # VR LO


class Origin(Protocol):
    """Where an object came from: an association that a peer opened, or an archive that was asked."""

    association_id: str
    studies: set[str]
    """Study Instance UIDs of what came; added to."""

    @property
    def calling_ae(self) -> str: ...

    @property
    def called_ae(self) -> str: ...

    @property
    def address(self) -> str: ...


class StorageService:
    """Storage SCP over one archive and one journal; its `store` is the handler of C-STORE requests."""

    def __init__(self, settings: ReceiverSettings, archive: Archive, journal: Journal) -> None:
        self._settings = settings
        self._archive = archive
        self._journal = journal

    def store(self, association: Association, message: Message) -> Reply:
        """Answer one C-STORE; whatever happens, the answer is a status and the association lives on."""
        return self.take(_store_request(message), association, message.data_set)

    def take(self, request: StoreRequest, origin: Origin, incoming: Incoming | None = None) -> Reply:
        """Keep or refuse an object, whichever way it came.

        Parameters
        ----------
        incoming : Incoming, optional
            What holds the request's data set, if it is more than the bytes.
        """
        started = time.monotonic()
        BYTES_RECEIVED.inc(len(request.data_set))
        try:
            outcome, reply = self._store(request, incoming, origin)
        except (OSError, sqlite3.Error) as error:
            logger.error("cannot store an object: %s", error)
            reason = f"cannot be made durable ({error}); check the disk that holds data_dir"
            outcome, reply = self._failed(request, "storage_failed", OUT_OF_RESOURCES, reason)
        except Exception as error:  # a defect of ours must not cost the sender its association
            logger.exception("cannot process an object")
            reason = f"internal error: {type(error).__name__}; please report it"
            outcome, reply = self._failed(request, "internal_error", PROCESSING_FAILURE, reason)
        INSTANCES_RECEIVED.labels(outcome).inc()
        STORE_SECONDS.observe(time.monotonic() - started)
        return reply

    def new_spool(self, origin: Origin, context: AcceptedContext, command: CommandSet) -> Spool:
        """Return the file for a data set that is too large for memory."""
        uids = (command.text(Tag.AFFECTED_SOP_CLASS_UID), command.text(Tag.AFFECTED_SOP_INSTANCE_UID))
        legal = all(uid.isascii() and len(uid) <= 64 for uid in uids)  # else it will be quarantined, headless
        head = file_head(
            *uids, context.transfer_syntax, sending_ae=origin.calling_ae, receiving_ae=origin.called_ae
        )
        return self._archive.new_spool(head if legal else b"")

    def _store(self, request: StoreRequest, incoming: Incoming | None, origin: Origin) -> tuple[str, Reply]:
        if incoming is not None and incoming.failure is not None:
            raise incoming.failure
        if not self._archive.has_room(len(request.data_set)):
            reason = (
                f"refused: free space is below [receiver] min_free_bytes = {self._settings.min_free_bytes}; "
                "free space on the disk that holds data_dir"
            )
            return self._failed(request, "disk_full", OUT_OF_RESOURCES, reason)
        admission = admit(request)
        digest = incoming.sha256 if incoming is not None else sha256(request.data_set).hexdigest()
        if not admission.admitted:
            self._quarantine(request, admission, origin, digest)
            return admission.code, _refusal(admission.status, admission.reason)
        spool = incoming.spool if incoming is not None else None
        return self._keep(request, admission, origin, digest, spool), Reply(SUCCESS)

    def _keep(
        self,
        request: StoreRequest,
        admission: Admission,
        origin: Origin,
        digest: str,
        spool: Spool | None,
    ) -> str:
        """Keep an admitted object: its file first, durably, then its row; return the outcome."""
        known = self._journal.known_object(request.sop_instance_uid, digest)
        # law 4: what a PACS sends back of our results, or of another node like us, is no input
        if known.is_own_result or admission.identification.model_name == MANUFACTURER_MODEL_NAME:
            kind, path = InstanceKind.OWN_RESULT, known.own_result_path
        else:
            kind, path = InstanceKind.INPUT, known.input_path
        origin.studies.add(admission.identification.study_instance_uid)
        if path is None or not self._archive.holds(path):
            path = self._write(request, origin, digest, spool)
        recorded = self._record(_received(request, admission, origin, digest, kind=kind, path=path))
        if not self._archive.holds(path):
            # given up before (released, or its study discarded), it was removed before it had its row again
            self._write(request, origin, digest, spool)
        if kind is InstanceKind.OWN_RESULT:
            return "own_result"
        return _OUTCOMES[recorded]

    def _write(self, request: StoreRequest, origin: Origin, digest: str, spool: Spool | None) -> str:
        if spool is not None:
            return str(self._archive.store_spooled(spool, digest))
        stored = self._archive.store_instance(
            request.data_set,
            digest,
            sop_class_uid=request.sop_class_uid,
            sop_instance_uid=request.sop_instance_uid,
            transfer_syntax_uid=request.transfer_syntax_uid,
            sending_ae=origin.calling_ae,
            receiving_ae=origin.called_ae,
        )
        return str(stored)

    def _quarantine(self, request: StoreRequest, admission: Admission, origin: Origin, digest: str) -> None:
        path = ""
        reason = admission.reason
        room = self._settings.max_quarantine_bytes - self._journal.quarantined_bytes()
        if len(request.data_set) <= room:
            path = str(self._archive.store_quarantined(request.data_set, digest))
        else:
            reason += " (bytes not kept: the quarantine holds [receiver] max_quarantine_bytes)"
        received = _received(
            request, admission, origin, digest, kind=InstanceKind.QUARANTINED, path=path, reason=reason
        )
        self._record(received)

    def _record(self, instance: ReceivedInstance) -> Recorded:
        faults.reach("receiver.before_commit")
        recorded = self._journal.record_instance(instance)
        faults.reach("receiver.after_commit")
        return recorded

    def _failed(self, request: StoreRequest, code: str, status: int, reason: str) -> tuple[str, Reply]:
        try:
            self._journal.note_event(
                Severity.ERROR, code, reason, sop_instance_uid=_printable(request.sop_instance_uid)
            )
        except (OSError, sqlite3.Error) as error:
            logger.error("cannot journal %s: %s", code, error)
        return code, _refusal(status, reason)


_OUTCOMES = {
    Recorded.NEW: "stored",
    Recorded.NEW_VERSION: "new_version",
    Recorded.DUPLICATE: "duplicate",
}


def _store_request(message: Message) -> StoreRequest:
    command = message.command
    return StoreRequest(
        sop_class_uid=command.text(Tag.AFFECTED_SOP_CLASS_UID),
        sop_instance_uid=command.text(Tag.AFFECTED_SOP_INSTANCE_UID),
        context_sop_class_uid=message.context.abstract_syntax,
        transfer_syntax_uid=message.context.transfer_syntax,
        data_set=message.data_set.bytes if message.data_set is not None else b"",
    )


def _received(
    request: StoreRequest,
    admission: Admission,
    origin: Origin,
    digest: str,
    *,
    kind: InstanceKind,
    path: str,
    reason: str = "",
) -> ReceivedInstance:
    identification = admission.identification
    return ReceivedInstance(
        sop_instance_uid=_printable(request.sop_instance_uid),
        sop_class_uid=_printable(request.sop_class_uid),
        study_instance_uid=identification.study_instance_uid,
        series_instance_uid=identification.series_instance_uid,
        transfer_syntax_uid=request.transfer_syntax_uid,
        sha256=digest,
        path=path,
        size=len(request.data_set),
        kind=kind,
        reason_code=admission.code,
        reason=reason,
        calling_ae=origin.calling_ae,
        called_ae=origin.called_ae,
        peer_address=origin.address,
        association_id=origin.association_id,
        patient_key=identification.patient_key,
        study_date=identification.study_date,
    )


def _printable(uid: str) -> str:
    """Return a refused UID in a form that is safe to journal and to show."""
    return uid if uid.isascii() and uid.isprintable() else ascii(uid)


def _refusal(status: int, reason: str) -> Reply:
    """Return a response with its Error Comment (0000,0902)."""
    ascii_only = reason.encode("ascii", "replace").decode().replace("\\", "/")
    return Reply(status, {Tag.ERROR_COMMENT: ascii_only[:_ERROR_COMMENT_LENGTH]})
