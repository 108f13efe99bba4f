"""Who is told of the questions that this process asks archives: light, for nodes without archives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset

if TYPE_CHECKING:
    from dicom_node.network.query import ArchivePeer

__all__ = ["Observer", "questions_told_to", "tell_observers"]

Observer = Callable[["ArchivePeer", Dataset], None]
"""Takes the archive that is asked, and the identifier with its level."""

_observers: list[Observer] = []


@contextmanager
def questions_told_to(observer: Observer) -> Iterator[None]:
    """Meanwhile, tell every question of this process to `observer` before it is asked: for auditors."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)


def tell_observers(archive: ArchivePeer, identifier: Dataset) -> None:
    """Tell a question that is about to be asked."""
    for observer in tuple(_observers):
        observer(archive, identifier)
