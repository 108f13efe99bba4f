"""Who sends to a destination, by its type."""

from __future__ import annotations

from dicom_node.config import DeliverySettings, Destination
from dicom_node.network.folder import FolderClient
from dicom_node.network.outgoing import StoreClient
from dicom_node.network.peers import Peer, Timeouts
from dicom_node.network.sender import DimseClient

__all__ = ["store_client"]


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
