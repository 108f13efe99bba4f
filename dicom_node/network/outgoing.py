"""What leaves the node, whatever the way: a file, the outcome of sending it, and who sends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import split_dataset

from dicom_node.errors import DeliveryError, RejectedInput

__all__ = ["SendableFile", "StoreClient", "StoreOutcome", "read_sendable"]


@dataclass(frozen=True, slots=True)
class SendableFile:
    """A DICOM file and what its presentation context needs.

    Attributes
    ----------
    study_instance_uid : str
        Known where the journal knows it; not read from the file.
    may_change_class : bool
        It is a report of ours, which may be written anew in another SOP class.
    """

    path: Path
    sop_class_uid: UID
    sop_instance_uid: UID
    transfer_syntax_uid: UID
    study_instance_uid: str = ""
    may_change_class: bool = False


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What the destination answered for one file.

    Attributes
    ----------
    status : int or None
        DIMSE status or HTTP status code; None if the file was not offered.
    error : DeliveryError or None
        None if the instance is stored.
    note : str
        What the destination remarked while storing it.
    taken_instead : UID or None
        The SOP class that the destination would take this report in.
    """

    file: SendableFile
    status: int | None
    error: DeliveryError | None
    note: str = ""
    taken_instead: UID | None = None


class StoreClient(Protocol):
    """One destination, spoken to by one thread."""

    def store(self, files: Sequence[SendableFile]) -> Iterator[StoreOutcome]:
        """Send files in order, one outcome each as soon as it is known.

        Raises
        ------
        TransientDeliveryError, PermanentDeliveryError
            If the destination as a whole fails; files without an outcome were not stored as far as we know.
        """

    def close_idle(self) -> None:
        """Give up a connection that has not been used for a while."""

    def close(self) -> None:
        """Give up every connection."""


def read_sendable(
    path: Path, *, study_instance_uid: str = "", may_change_class: bool = False
) -> SendableFile:
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
    sop_class, sop_instance, syntax = (_uid_of(meta, keyword, path) for keyword in _NEEDED)
    return SendableFile(path, sop_class, sop_instance, syntax, study_instance_uid, may_change_class)


_NEEDED = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")


def _uid_of(meta: Dataset, keyword: str, path: Path) -> UID:
    uid = UID(str(meta.get(keyword, "")))
    if not uid.is_valid:
        raise RejectedInput("bad_file_meta", f"{path}: {keyword} {str(uid)!r} is not a legal UID")
    return uid
