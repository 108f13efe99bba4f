"""The receiver: a Storage and Verification SCP that acknowledges what is durable, and nothing else.

Law 1 of the house: bytes first. A data set is never decoded here; it is checked by its element headers
(`dicom_node.network.admission`), written and fsynced, journalled, and only then answered with 0x0000. What
cannot be admitted goes to quarantine with a reason, and its association lives on.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
import uuid
from dataclasses import dataclass, field
from typing import cast

from pydicom.dataset import Dataset
from pydicom.uid import (
    JPEG2000,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)
from pynetdicom import AE, AllStoragePresentationContexts, _config, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.transport import ThreadedAssociationServer

from dicom_node.config import NodeSettings, ReceiverSettings
from dicom_node.errors import ConfigurationError
from dicom_node.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.network.admission import SUCCESS, Admission, StoreRequest, admit
from dicom_node.network.guard import start_guarded_server
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import InstanceKind, ReceivedInstance, Severity
from reports.identity import MANUFACTURER_MODEL_NAME

__all__ = ["TRANSFER_SYNTAXES", "Receiver"]

logger = logging.getLogger(__name__)

TRANSFER_SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    JPEG2000Lossless,
    JPEG2000,
    JPEGBaseline8Bit,
)
"""What the node can also decode. Deflated is left out on purpose: 500 KB can inflate to 512 MB."""

VERIFICATION_SOP_CLASS = "1.2.840.10008.1.1"

OUT_OF_RESOURCES = 0xA700
"""Refused: out of resources (PS3.4 table B.2-1)."""
PROCESSING_FAILURE = 0x0110
"""PS3.7 annex C.5.4."""
_ERROR_COMMENT_LENGTH = 64  # VR LO


@dataclass(slots=True)
class _Peer:
    """What is remembered of one open association."""

    association_id: str
    calling_ae: str
    called_ae: str
    address: str
    studies: set[str] = field(default_factory=set)


class Receiver:
    """Storage and Verification SCP over one archive and one journal.

    Parameters
    ----------
    node : NodeSettings
        AE title and address to listen at.
    settings : ReceiverSettings
        Whom to listen to, and the limits to keep.
    archive, journal : Archive, Journal
        Where bytes and rows go.
    """

    def __init__(
        self, node: NodeSettings, settings: ReceiverSettings, archive: Archive, journal: Journal
    ) -> None:
        self._node = node
        self._settings = settings
        self._archive = archive
        self._journal = journal
        self._lock = threading.Lock()
        self._peers: dict[Association, _Peer] = {}
        self._ae = _application_entity(node, settings)
        self._server: ThreadedAssociationServer | None = None

    def start(self) -> None:
        """Bind the port and serve in the background.

        Raises
        ------
        ConfigurationError
            If the address cannot be bound.
        """
        address = (self._node.host, self._node.port)
        handlers = [
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_ACCEPTED, self._on_accepted),
            (evt.EVT_REJECTED, self._on_rejected),
            (evt.EVT_RELEASED, self._on_closed),
            (evt.EVT_ABORTED, self._on_closed),
            (evt.EVT_CONN_CLOSE, self._on_closed),
        ]
        try:
            self._server = start_guarded_server(
                self._ae, address, handlers, idle_timeout=self._settings.idle_timeout_seconds
            )
        except OSError as error:
            raise ConfigurationError(
                f"[node] host = {self._node.host!r}, port = {self._node.port}: cannot listen there "
                f"({error.strerror or error}); stop what uses the port, or choose another"
            ) from error
        threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True).start()
        logger.info("listening as %s at %s port %d", self._node.ae_title, self._node.host, self.port)

    def stop(self) -> None:
        """Close the port and abort what is still open; nothing acknowledged is lost by it."""
        if self._server is None:
            return
        for association in self._server.active_associations:
            association.abort()
        self._server.shutdown()
        self._server = None

    @property
    def port(self) -> int:
        """The port that is listened at; tells which one was found when 0 was configured."""
        return int(self._server.server_address[1]) if self._server else self._node.port

    def open_associations(self, study_instance_uid: str) -> int:
        """Return how many associations that have sent objects of this study are still open."""
        with self._lock:
            return sum(
                study_instance_uid in peer.studies
                for association, peer in self._peers.items()
                if association.is_alive()
            )

    def _peer(self, association: Association) -> _Peer:
        """Return what is remembered of an association; one that has just closed may still be storing."""
        with self._lock:
            return self._peers.get(association) or _describe(association)

    def _on_accepted(self, event: evt.Event) -> None:
        with self._lock:
            self._peers[event.assoc] = _describe(event.assoc)

    def _on_rejected(self, event: evt.Event) -> None:
        peer = _describe(event.assoc)
        self._note(
            Severity.WARNING,
            "association_rejected",
            f"association from AE {peer.calling_ae!r} at {peer.address} to AE {peer.called_ae!r} rejected; "
            "compare [node] ae_title, [receiver] calling_ae_titles and maximum_associations",
        )

    def _on_closed(self, event: evt.Event) -> None:
        with self._lock:
            self._peers.pop(event.assoc, None)

    def _on_store(self, event: evt.Event) -> Dataset:
        """Answer one C-STORE; whatever happens, the answer is a status and the association lives on."""
        try:
            return self._store(event)
        except (OSError, sqlite3.Error) as error:
            logger.error("cannot store an object: %s", error)
            reason = f"cannot be made durable ({error}); check the disk that holds data_dir"
            code, status = "storage_failed", OUT_OF_RESOURCES
        except Exception as error:  # a defect of ours must not cost the sender its association
            logger.exception("cannot process an object")
            reason, code, status = (
                f"internal error: {type(error).__name__}; please report it",
                "internal_error",
                PROCESSING_FAILURE,
            )
        uid = _printable(str(cast(C_STORE, event.request).AffectedSOPInstanceUID))
        self._note(Severity.ERROR, code, reason, sop_instance_uid=uid)
        return _response(status, reason)

    def _store(self, event: evt.Event) -> Dataset:
        request = _store_request(event)
        peer = self._peer(event.assoc)
        if not self._archive.has_room(len(request.data_set)):
            reason = (
                f"refused: free space is below [receiver] min_free_bytes = {self._settings.min_free_bytes}; "
                "free space on the disk that holds data_dir"
            )
            self._note(
                Severity.ERROR, "disk_full", reason, sop_instance_uid=_printable(request.sop_instance_uid)
            )
            return _response(OUT_OF_RESOURCES, reason)
        admission = admit(request)
        digest = hashlib.sha256(request.data_set).hexdigest()
        if not admission.admitted:
            self._quarantine(request, admission, peer, digest)
            return _response(admission.status, admission.reason)
        self._keep(request, admission, peer, digest)
        return _response(SUCCESS)

    def _keep(self, request: StoreRequest, admission: Admission, peer: _Peer, digest: str) -> None:
        """Make an admitted object durable: file first, then the journal."""
        kind = InstanceKind.OWN_RESULT if self._is_own(request, admission) else InstanceKind.INPUT
        study = admission.identification.study_instance_uid
        with self._lock:
            peer.studies.add(study)
        path = self._journal.path_of(request.sop_instance_uid, digest, kind)
        if path is None or not self._archive.resolve(path).is_file():
            stored = self._archive.store_instance(
                request.data_set,
                digest,
                sop_class_uid=request.sop_class_uid,
                sop_instance_uid=request.sop_instance_uid,
                transfer_syntax_uid=request.transfer_syntax_uid,
            )
            path = str(stored)
        self._journal.record_instance(_received(request, admission, peer, digest, kind=kind, path=path))

    def _quarantine(self, request: StoreRequest, admission: Admission, peer: _Peer, digest: str) -> None:
        path = ""
        reason = admission.reason
        room = self._settings.max_quarantine_bytes - self._journal.quarantined_bytes()
        if len(request.data_set) <= room:
            path = str(self._archive.store_quarantined(request.data_set, digest))
        else:
            reason += " (bytes not kept: the quarantine holds [receiver] max_quarantine_bytes)"
        received = _received(
            request, admission, peer, digest, kind=InstanceKind.QUARANTINED, path=path, reason=reason
        )
        self._journal.record_instance(received)

    def _is_own(self, request: StoreRequest, admission: Admission) -> bool:
        """Tell whether a PACS sends us one of our results, or those of another node like us (law 4)."""
        if admission.identification.model_name == MANUFACTURER_MODEL_NAME:
            return True
        return self._journal.is_own_result(request.sop_instance_uid)

    def _note(self, severity: Severity, code: str, message: str, *, sop_instance_uid: str = "") -> None:
        try:
            self._journal.note_event(severity, code, message, sop_instance_uid=sop_instance_uid)
        except sqlite3.Error as error:
            logger.error("cannot journal %s: %s", code, error)


def _application_entity(node: NodeSettings, settings: ReceiverSettings) -> AE:
    _config.LOG_HANDLER_LEVEL = "none"  # the standard handlers log every PDU, and slow each by 5 %
    ae = AE(ae_title=node.ae_title)
    ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    ae.require_called_aet = True
    ae.require_calling_aet = list(settings.calling_ae_titles)
    ae.maximum_associations = settings.maximum_associations
    ae.maximum_pdu_size = settings.maximum_pdu_size
    ae.acse_timeout = settings.association_timeout_seconds
    ae.dimse_timeout = settings.dimse_timeout_seconds
    ae.network_timeout = settings.idle_timeout_seconds
    ae.add_supported_context(VERIFICATION_SOP_CLASS)
    for context in AllStoragePresentationContexts:  # a forwarded study must not fail for one odd series
        ae.add_supported_context(str(context.abstract_syntax), list(TRANSFER_SYNTAXES))
    return ae


def _describe(association: Association) -> _Peer:
    requestor = association.requestor
    return _Peer(
        association_id=uuid.uuid4().hex,
        calling_ae=requestor.ae_title,
        called_ae=requestor.primitive.called_ae_title if requestor.primitive else "",
        address=requestor.address,
    )


def _store_request(event: evt.Event) -> StoreRequest:
    command = cast(C_STORE, event.request)
    data_set = command.DataSet
    return StoreRequest(
        sop_class_uid=str(command.AffectedSOPClassUID or ""),
        sop_instance_uid=str(command.AffectedSOPInstanceUID or ""),
        context_sop_class_uid=str(event.context.abstract_syntax),
        transfer_syntax_uid=str(event.context.transfer_syntax),
        data_set=data_set.getvalue() if data_set else b"",
    )


def _received(
    request: StoreRequest,
    admission: Admission,
    peer: _Peer,
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
        calling_ae=peer.calling_ae,
        called_ae=peer.called_ae,
        peer_address=peer.address,
        association_id=peer.association_id,
        patient_key=identification.patient_key,
        study_date=identification.study_date,
    )


def _printable(uid: str) -> str:
    """Return a refused UID in a form that is safe to journal and to show."""
    return uid if uid.isascii() and uid.isprintable() else ascii(uid)


def _response(status: int, comment: str = "") -> Dataset:
    """Return the response's Status (0000,0900) and, for a refusal, Error Comment (0000,0902)."""
    response = Dataset()
    response.Status = status
    if comment:
        ascii_only = comment.encode("ascii", "replace").decode().replace("\\", "/")
        response.ErrorComment = ascii_only[:_ERROR_COMMENT_LENGTH]
    return response
