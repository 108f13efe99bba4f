"""The receiver: a Storage and Verification SCP that acknowledges what is durable, and nothing else.

What happens to a connection is told by the modules it is put together from:

- `dicom_node.network.guard`: accepts connections, with limits and deadlines;
- `dicom_node.network.negotiation`: answers A-ASSOCIATE requests;
- `dicom_node.network.transfer`: leads a connection from its request to its end;
- `dicom_node.network.conversation`: exchanges messages on an association;
- `dicom_node.network.storing`: stores what C-STORE brings.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dicom_node import faults
from dicom_node.config import AccessSettings, NodeSettings, PeerSettings, ReceiverSettings
from dicom_node.errors import ConfigurationError
from dicom_node.network.access import AccessControl, RefusalLog
from dicom_node.network.association import Association, Handler, Limits, Message, Services, Shared
from dicom_node.network.conversation import UNRECOGNIZED_OPERATION
from dicom_node.network.dimse import CommandField, Reply
from dicom_node.network.guard import Connection, Doorkeeper, Listener
from dicom_node.network.incoming import BufferPool
from dicom_node.network.negotiation import AssociationRequest, Rejection
from dicom_node.network.storing import StorageService
from dicom_node.network.transfer import serve
from dicom_node.observe.logs import bind_to_thread
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity

__all__ = ["Entrance", "Receiver"]

logger = logging.getLogger(__name__)

VERIFICATION_SOP_CLASS = "1.2.840.10008.1.1"

STOP_SECONDS = 10.0
"""How long `Receiver.stop` waits for objects that are just being stored."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """One address to listen at.

    Attributes
    ----------
    table : str
        Where the configuration says so.
    secure : callable or None
        Makes its socket a TLS socket, handshake included; runs in the connection's own thread.
    """

    host: str
    port: int
    table: str = "[node]"
    secure: Callable[[Connection], None] | None = None


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
    access, peers : AccessSettings, sequence of PeerSettings, optional
        Who may speak, and which services they get.
    handlers : mapping of Command Field -> Handler, optional
        Services besides storage and verification, e.g. N-ACTION.
    entrances : sequence of Entrance, optional
        Where to listen; by default without TLS where `node` says.
    """

    def __init__(
        self,
        node: NodeSettings,
        settings: ReceiverSettings,
        archive: Archive,
        journal: Journal,
        *,
        access: AccessSettings | None = None,
        peers: Sequence[PeerSettings] = (),
        handlers: Mapping[int, Handler] | None = None,
        entrances: Sequence[Entrance] | None = None,
    ) -> None:
        self._node = node
        self._settings = settings
        self._journal = journal
        self._refusals = RefusalLog(journal)
        self._gate = AccessControl(node, settings, access or AccessSettings(), peers, refusals=self._refusals)
        self._entrances = entrances or (Entrance(node.host, node.port),)
        storage = StorageService(settings, archive, journal)
        self._new_spool = storage.new_spool
        self._handlers: dict[int, Handler] = {
            CommandField.C_STORE_RQ: storage.store,
            CommandField.C_ECHO_RQ: _echo,
            **(handlers or {}),
        }
        self._stopping = threading.Event()
        self._shared = Shared(
            limits=_limits(settings),
            doorkeeper=Doorkeeper(
                settings.maximum_associations, settings.maximum_waiting_connections_per_address
            ),
            pool=BufferPool(settings.message_memory_bytes),
            should_stop=self._stopping.is_set,
        )
        self._lock = threading.Lock()
        self._associations: set[Association] = set()
        self._connections: set[Connection] = set()
        self._listeners: list[Listener] = []

    def start(self) -> None:
        """Bind the ports and serve in the background.

        Raises
        ------
        ConfigurationError
            If an address cannot be bound.
        """
        self._stopping.clear()
        for entrance in self._entrances:
            try:
                self._listeners.append(
                    Listener(entrance.host, entrance.port, self._shared.doorkeeper, self._server(entrance))
                )
            except OSError as error:
                self.stop()
                raise ConfigurationError(
                    f"{entrance.table} port = {entrance.port}, host = {entrance.host!r}: cannot listen there "
                    f"({error.strerror or error}); stop what uses the port, or choose another"
                ) from error
        for listener in self._listeners:
            listener.start()
            logger.info("listening as %s at port %d", self._node.ae_title, listener.port)

    def stop(self) -> None:
        """Close the ports, let what is being stored end, abort the rest; what is acknowledged stays."""
        self._stopping.set()
        for listener in self._listeners:
            listener.stop()
        self._listeners.clear()
        deadline = time.monotonic() + STOP_SECONDS
        while self._open_connections() and time.monotonic() < deadline:
            time.sleep(0.02)
        for connection in self._open_connections():
            connection.cut()

    @property
    def port(self) -> int:
        """The first port that is listened at; tells which one was found when 0 was configured."""
        return self.ports[0] if self._listeners else self._node.port

    @property
    def ports(self) -> list[int]:
        """The port of each entrance, in order."""
        return [listener.port for listener in self._listeners]

    def open_associations(self, study_instance_uid: str) -> int:
        """Return how many associations that have sent objects of this study are still open."""
        with self._lock:
            return sum(study_instance_uid in association.studies for association in self._associations)

    def count_associations(self) -> int:
        """Return how many associations are open."""
        with self._lock:
            return len(self._associations)

    def _server(self, entrance: Entrance) -> Callable[[Connection], None]:
        services = Services(
            gate=self._gate,
            handlers=self._handlers,
            new_spool=self._new_spool,
            on_open=self._on_open,
            on_close=self._on_close,
            on_refused=self._on_refused,
            on_cut=self._on_cut,
            on_answered=lambda: faults.reach("receiver.after_answer"),
            secure=entrance.secure,
        )

        def serve_one(connection: Connection) -> None:
            with self._lock:
                self._connections.add(connection)
            try:
                serve(connection, services, self._shared)
            finally:
                with self._lock:
                    self._connections.discard(connection)

        return serve_one

    def _open_connections(self) -> list[Connection]:
        with self._lock:
            return list(self._connections)

    def _on_open(self, association: Association) -> None:
        bind_to_thread(association=association.association_id)  # each has a thread of its own
        with self._lock:
            self._associations.add(association)

    def _on_close(self, association: Association) -> None:
        with self._lock:
            self._associations.discard(association)

    def _on_refused(self, request: AssociationRequest, rejection: Rejection) -> None:
        self._refusals.note(request, rejection.code, f"association rejected: {rejection.sentence}")

    def _on_cut(self, association: Association, code: str) -> None:
        logger.info("association %s ended: %s", association.association_id, code)
        remedy = _WORTH_AN_EVENT.get(code)
        if remedy:
            self._note(
                code,
                f"association from AE {association.calling_ae!r} at {association.address} aborted: {remedy}",
            )

    def _note(self, code: str, message: str) -> None:
        try:
            self._journal.note_event(Severity.WARNING, code, message)
        except (OSError, sqlite3.Error) as error:
            logger.error("cannot journal %s: %s", code, error)


_WORTH_AN_EVENT = {
    "instance_too_large": "an object exceeds [receiver] max_instance_bytes; raise it, or mend the sender",
    "message_timeout": "a message exceeded [receiver] message_timeout_seconds; raise it, or mend the sender",
}
"""What an administrator can do about an association that was cut, by the code of its end."""


def _limits(settings: ReceiverSettings) -> Limits:
    return Limits(
        request_seconds=settings.association_timeout_seconds,
        message_gap_seconds=settings.dimse_timeout_seconds,
        message_seconds=settings.message_timeout_seconds,
        idle_seconds=settings.idle_timeout_seconds,
        maximum_pdu_size=settings.maximum_pdu_size,
        max_instance_bytes=settings.max_instance_bytes,
    )


def _echo(association: Association, message: Message) -> Reply:
    """Answer a C-ECHO; it is offered in the context of Verification only."""
    verification = message.context.abstract_syntax == VERIFICATION_SOP_CLASS
    return Reply(0x0000 if verification else UNRECOGNIZED_OPERATION)
