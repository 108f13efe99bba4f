"""C-STORE and C-ECHO as a user (SCU): every instance's own status counts, and every failure has a policy.

A failure that may pass by itself (peer down, busy, out of resources) is a `TransientDeliveryError`, one that
will not (AE title not recognised, SOP class refused) a `PermanentDeliveryError`. An error *raised* concerns
the whole association; an error *yielded* with an instance concerns that instance alone.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom import _config
from pynetdicom.association import Association
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from dicom_node.errors import PermanentDeliveryError, RejectedInput, TransientDeliveryError
from dicom_node.network.failures import status_failure, status_note
from dicom_node.network.fallbacks import acceptable_class, acceptable_syntax, proposals
from dicom_node.network.outgoing import SendableFile, StoreOutcome, read_sendable
from dicom_node.network.peers import NothingAcceptedError, Peer, Timeouts, open_association
from dicom_node.network.transcoding import decompressed

__all__ = [
    "DimseClient",
    "Peer",
    "SendableFile",
    "StoreOutcome",
    "Timeouts",
    "echo",
    "read_sendable",
    "store",
]

logger = logging.getLogger(__name__)

# A file given by path goes out byte for byte as it lies on disk, without being decoded.
_config.STORE_SEND_CHUNKED_DATASET = True

MAXIMUM_CONTEXTS = 128
"""Presentation contexts of one association: odd identifiers 1 to 255 (DICOM PS3.8 section 9.3.2.2)."""


class _AssociationLostError(TransientDeliveryError):
    """The peer ended an association, by itself and without a time-out."""


class DimseClient:
    """Sends to one application entity, over one association at a time.

    Parameters
    ----------
    keep_seconds : float
        How long an association stays open for the next study; never after a time-out.
    """

    def __init__(
        self, peer: Peer, *, calling_ae_title: str, timeouts: Timeouts, keep_seconds: float = 0.0
    ) -> None:
        self._peer = peer
        self._calling_ae_title = calling_ae_title
        self._timeouts = timeouts
        self._keep_seconds = keep_seconds
        self._held = ExitStack()
        self._association: Association | None = None
        self._proposed: list[tuple[UID, UID]] = []
        self._used_at = 0.0

    def store(self, files: Sequence[SendableFile]) -> Iterator[StoreOutcome]:
        """Send files in order, one outcome each as soon as it is known.

        Raises
        ------
        TransientDeliveryError, PermanentDeliveryError
            If the association fails; files without an outcome were not stored as far as we know. After a
            time-out the association is aborted and never used again.
        """
        try:
            for load in _association_loads(files):
                yield from self._store_load(load)
        except (TransientDeliveryError, PermanentDeliveryError):
            self._abort()
            raise

    def close_idle(self) -> None:
        """Release an association that nothing was sent over for `keep_seconds`."""
        if self._association is not None and time.monotonic() - self._used_at >= self._keep_seconds:
            self.close()

    def close(self) -> None:
        """Release the association, if one is open."""
        self._association, self._proposed = None, []
        self._held.close()

    def _store_load(self, load: Sequence[SendableFile]) -> Iterator[StoreOutcome]:
        try:
            yield self._store_first(load[0], load)
        except NothingAcceptedError as error:  # concerns these files, and not those of another association
            yield from (StoreOutcome(file, None, error) for file in load)
            return
        for file in load[1:]:
            yield self._store_one(file)

    def _store_first(self, file: SendableFile, load: Sequence[SendableFile]) -> StoreOutcome:
        """Send over the kept association; one that the peer has ended meanwhile is replaced, once."""
        if self._carries(load):
            try:
                return self._store_one(file)
            except _AssociationLostError:
                logger.info("%s had ended the kept association; another is opened", self._peer)
        self._open(load)
        return self._store_one(file)

    def _carries(self, load: Sequence[SendableFile]) -> bool:
        association = self._association
        return (
            association is not None
            and bool(association.is_established)
            and set(proposals(load)) <= set(self._proposed)
        )

    def _open(self, load: Sequence[SendableFile]) -> None:
        """Open an association for `load` and, as far as there is room, for what was sent before."""
        wanted = list(dict.fromkeys([*proposals(load), *self._proposed]))[:MAXIMUM_CONTEXTS]
        self.close()
        self._association = self._held.enter_context(
            open_association(
                self._peer,
                [build_context(sop_class, [syntax]) for sop_class, syntax in wanted],
                calling_ae_title=self._calling_ae_title,
                timeouts=self._timeouts,
            )
        )
        # every message has its time limit; between messages it is for `close_idle` to end the association
        self._association.network_timeout = None
        self._proposed = wanted

    def _abort(self) -> None:
        if self._association is not None and self._association.is_established:
            self._association.abort()
        self.close()

    def _store_one(self, file: SendableFile) -> StoreOutcome:
        association = self._association
        if association is None or not association.is_established:
            raise _AssociationLostError(f"{self._peer} closed the association before all instances were sent")
        accepted = {
            (UID(str(cx.abstract_syntax)), cx.transfer_syntax[0]) for cx in association.accepted_contexts
        }
        syntax = acceptable_syntax(file, accepted)
        if syntax is None:
            return _refused(file, self._peer, acceptable_class(file, accepted))
        try:
            with tempfile.TemporaryDirectory(prefix="radius-dxa-") as folder:
                status = self._send(association, file, syntax, Path(folder))
        except (OSError, RejectedInput) as error:
            text = f"{file.path} cannot be sent in {syntax.name}: {error}"
            return StoreOutcome(file, None, PermanentDeliveryError(text))
        return self._outcome(file, status)

    def _send(self, association: Association, file: SendableFile, syntax: UID, folder: Path) -> int:
        started = time.monotonic()
        if syntax == file.transfer_syntax_uid:
            source = file.path
        elif file.transfer_syntax_uid.is_encapsulated:
            source = decompressed(file.path, folder)
            started = time.monotonic()
        else:
            source = None
        try:
            # a data set that has been read, instead of a path, is written anew in the syntax the peer takes
            answer = association.send_c_store(source or dcmread(file.path))
        except RuntimeError as error:  # it ended after we looked
            raise _AssociationLostError(f"{self._peer} closed the association: {error}") from error
        self._used_at = time.monotonic()
        status = answer.get("Status")
        if status is not None:
            return int(status)
        text = f"{self._peer} did not answer a C-STORE: time-out, abort or closed connection"
        if self._used_at - started >= 0.9 * self._timeouts.response:
            raise TransientDeliveryError(text)
        raise _AssociationLostError(text)

    def _outcome(self, file: SendableFile, status: int) -> StoreOutcome:
        failure = status_failure(status)
        if failure is None:
            return StoreOutcome(file, status, None, status_note(status))
        error = failure.error(f"{self._peer} answered C-STORE with status 0x{status:04X}")
        return StoreOutcome(file, status, error)


def store(
    files: Sequence[SendableFile], peer: Peer, *, calling_ae_title: str, timeouts: Timeouts
) -> Iterator[StoreOutcome]:
    """Send files to a peer once; see `DimseClient.store`."""
    client = DimseClient(peer, calling_ae_title=calling_ae_title, timeouts=timeouts)
    try:
        yield from client.store(files)
    finally:
        client.close()


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
        if len(proposals([*load, file])) > MAXIMUM_CONTEXTS:
            yield load
            load = []
        load.append(file)
    if load:
        yield load


def _refused(file: SendableFile, peer: Peer, taken_instead: UID | None) -> StoreOutcome:
    name, syntax = file.sop_class_uid.name, file.transfer_syntax_uid.name
    plain = "" if file.transfer_syntax_uid == ImplicitVRLittleEndian else " nor uncompressed"
    text = f"{peer} does not take {name} in {syntax}{plain}; allow this SOP class and a transfer syntax there"
    return StoreOutcome(file, None, PermanentDeliveryError(text), taken_instead=taken_instead)
