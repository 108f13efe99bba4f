"""Associations that the node opens: whom it calls, how long it waits, TLS or not, what a refusal means."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.pdu import A_ASSOCIATE_RJ
from pynetdicom.pdu_primitives import A_ASSOCIATE, SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

from dicom_node.config import ClientTls, DeliverySettings, Destination
from dicom_node.errors import (
    ConfigurationError,
    DeliveryError,
    PermanentDeliveryError,
    TransientDeliveryError,
)
from dicom_node.network.failures import association_failure
from dicom_node.network.tls import client_context
from dicom_node.settings import ae_title as ae_title_remedy

__all__ = ["NothingAcceptedError", "Peer", "Timeouts", "open_association"]


class NothingAcceptedError(PermanentDeliveryError):
    """A peer took the association and none of its presentation contexts."""


@dataclass(frozen=True, slots=True)
class Peer:
    """An application entity to call; with `tls`, over TLS only."""

    ae_title: str
    host: str
    port: int
    tls: ClientTls | None = None

    @classmethod
    def of(cls, destination: Destination) -> Peer:
        """Return the peer that a ``[[destination]]`` describes; `ConfigurationError` if it is none."""
        if not (destination.ae_title and destination.host and destination.port):
            raise ConfigurationError(
                f'[[destination]] {destination.name!r} type = "{destination.type}": no application entity; '
                'name a destination of type = "dicom", or a peer as AE@host:port'
            )
        return cls(destination.ae_title, destination.host, destination.port, destination.tls)

    def __post_init__(self) -> None:
        remedy = ae_title_remedy(self.ae_title)
        if remedy:
            raise ConfigurationError(f"AE title {self.ae_title!r}: must be {remedy}")

    def __str__(self) -> str:
        return f"{self.ae_title}@{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Longest waits in seconds: for the connection, and for each answer or unread byte after it."""

    connect: float = 10.0
    response: float = 60.0

    @classmethod
    def of(cls, settings: DeliverySettings) -> Timeouts:
        """Return the waits of ``[delivery]``."""
        return cls(settings.connect_timeout_seconds, settings.response_timeout_seconds)


@contextmanager
def open_association(
    peer: Peer,
    contexts: list[PresentationContext],
    *,
    calling_ae_title: str,
    timeouts: Timeouts,
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
    handlers: Sequence[Any] = (),
) -> Iterator[Association]:
    """Open an association, release it at the end.

    Parameters
    ----------
    roles : sequence
        SCP/SCU role selections to propose; without any, the default roles (PS3.7 annex D.3.3.4).
    handlers : sequence
        pynetdicom event handlers.

    Raises
    ------
    TransientDeliveryError, PermanentDeliveryError
        If it cannot be had: the class tells whether a later try may succeed.
    """
    ae = AE(ae_title=calling_ae_title)
    ae.connection_timeout = timeouts.connect
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = timeouts.response
    limit_sends = (evt.EVT_CONN_OPEN, _limit_socket_waits, [timeouts.response])
    rejections: list[A_ASSOCIATE] = []
    keep_rejection = (evt.EVT_PDU_RECV, _keep_rejection, [rejections])
    try:
        context = client_context(peer.tls) if peer.tls else None
    except ConfigurationError as error:  # the files can be mended while the node runs
        raise TransientDeliveryError(f"{peer}: {error}") from error
    try:
        association = ae.associate(
            peer.host,
            peer.port,
            contexts,
            ae_title=peer.ae_title,
            ext_neg=list(roles),
            evt_handlers=[limit_sends, keep_rejection, *handlers],
            tls_args=(context, _server_name(peer)) if context else None,
        )
    except OSError as error:  # the host name does not resolve
        raise TransientDeliveryError(f"{peer}: {error}; check the host name") from error
    if not association.is_established:
        raise _association_error(association, rejections, peer, context)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def _server_name(peer: Peer) -> str:
    return (peer.tls.server_name if peer.tls else None) or peer.host


def _limit_socket_waits(event: evt.Event, seconds: float) -> None:
    """pynetdicom waits without limit for a peer that has stopped reading; a socket time-out ends that."""
    transport = event.assoc.dul.socket
    if transport is not None and transport.socket is not None:
        transport.socket.settimeout(seconds)


def _keep_rejection(event: evt.Event, rejections: list[A_ASSOCIATE]) -> None:
    """Note an A-ASSOCIATE-RJ as it is read.

    Where the peer closes the connection at once, pynetdicom 3.0.4 may find it closed before it looks for the
    answer, and calls that a failure to connect.
    """
    if isinstance(event.pdu, A_ASSOCIATE_RJ):
        rejections.append(event.pdu.to_primitive())


def _association_error(
    association: Association, rejections: Sequence[A_ASSOCIATE], peer: Peer, context: ssl.SSLContext | None
) -> DeliveryError:
    """Return the policy for an association that was not established (DICOM PS3.8 table 9-21)."""
    for rejection in rejections:
        result, source, reason = rejection.result_str, rejection.source_str, rejection.reason_str
        text = f"{peer} rejected the association: {result}, {source}, {reason}"
        failure = association_failure(
            rejection.result or 0, rejection.result_source or 0, rejection.diagnostic or 0
        )
        return failure.policy(f"{text}; {failure.cure}" if failure.cure else text)
    answer = association.acceptor.primitive
    if answer is not None and answer.result == 0:
        return NothingAcceptedError(f"{peer} accepts none of the SOP classes to be sent; allow them there")
    handshake_failure = getattr(context, "handshake_failure", None)
    if handshake_failure is not None:
        return TransientDeliveryError(
            f"{peer}: the TLS handshake failed: {handshake_failure}; compare its certificate, "
            "[tls] trusted and server_name here with what it presents"
        )
    hint = "does it take TLS there and trust this node's certificate?" if context else "is it without TLS?"
    return TransientDeliveryError(
        f"{peer} does not take the association; is it running, are host and port right, {hint}"
    )
