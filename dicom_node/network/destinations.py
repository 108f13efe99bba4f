"""Who sends to a destination and how it is tried out, by its type."""

from __future__ import annotations

import os

from dicom_node.config import DeliverySettings, Destination
from dicom_node.errors import ConfigurationError, PermanentDeliveryError, TransientDeliveryError
from dicom_node.network.folder import FolderClient
from dicom_node.network.outgoing import StoreClient
from dicom_node.network.peers import Peer, Timeouts
from dicom_node.network.sender import DimseClient, echo

__all__ = ["store_client", "verify"]


def store_client(
    destination: Destination, settings: DeliverySettings, *, calling_ae_title: str
) -> StoreClient:
    """Return a client for a ``[[destination]]``; nothing is connected yet."""
    timeouts = Timeouts.of(settings)
    if destination.path is not None:
        return FolderClient(destination.path)
    if destination.url is not None:
        from dicom_node.network.stow import StowClient  # an HTTP library that few nodes need in memory

        return StowClient(destination, timeouts)
    return DimseClient(
        Peer.of(destination),
        calling_ae_title=calling_ae_title,
        timeouts=timeouts,
        keep_seconds=settings.association_idle_seconds,
    )


def verify(destination: Destination, settings: DeliverySettings, *, calling_ae_title: str) -> str:
    """Try a destination out without storing anything; return what it did, in words.

    Raises
    ------
    TransientDeliveryError, PermanentDeliveryError
        If it cannot be sent to.
    """
    timeouts = Timeouts.of(settings)
    if destination.path is not None:
        if not destination.path.is_dir() or not os.access(destination.path, os.W_OK):
            raise TransientDeliveryError(
                f"folder {destination.path}: is away or not writable; mount it, or let the node write there"
            )
        return f"folder {destination.path} can be written to"
    if destination.url is not None:
        from dicom_node.network.stow import StowClient

        try:
            return StowClient(destination, timeouts).verify()
        except ConfigurationError as error:
            raise PermanentDeliveryError(str(error)) from error
    peer = Peer.of(destination)
    echo(peer, calling_ae_title=calling_ae_title, timeouts=timeouts)
    return f"{peer} answers C-ECHO"
