"""What the node claims to accept and to make; tests hold a running node to it."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    ImplicitVRLittleEndian,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    Verification,
)

from dicom_node.config import NodeConfig
from dicom_node.network.contexts import TRANSFER_SYNTAXES, is_storage_class
from reports.options import ResultName, SrClass
from reports.sr_document import SOP_CLASSES as SR_CLASSES

__all__ = [
    "RESULTS",
    "ClaimedContext",
    "ClaimedResult",
    "claimed_contexts",
    "result_class",
    "storage_classes",
]


@dataclass(frozen=True, slots=True)
class ClaimedContext:
    """A presentation context that the node accepts from every peer that may have the service."""

    abstract_syntax: UID
    transfer_syntaxes: tuple[UID, ...]
    service: str
    role: str


@dataclass(frozen=True, slots=True)
class ClaimedResult:
    """A result object: what it is for, its SOP class (empty: a site's choice of SR) and its root template."""

    title: str
    sop_class: UID | None
    template: str


RESULTS: dict[ResultName, ClaimedResult] = {
    "summary": ClaimedResult("Summary page", SecondaryCaptureImageStorage, ""),
    "measurements": ClaimedResult(
        "Measurements", None, "TID 1500 Imaging Measurement Report, groups by TID 1410 Planar ROI"
    ),
    "driver_map": ClaimedResult("Map of risk drivers", SecondaryCaptureImageStorage, ""),
    "density_map": ClaimedResult("Map of density", SecondaryCaptureImageStorage, ""),
    "report": ClaimedResult("Report", None, "TID 2000 Basic Diagnostic Imaging Report"),
    "segmentation": ClaimedResult("Segmentation", SegmentationStorage, ""),
    "presentation": ClaimedResult("Outlines on the original", GrayscaleSoftcopyPresentationStateStorage, ""),
    "document": ClaimedResult("Document", EncapsulatedPDFStorage, ""),
    "key_objects": ClaimedResult(
        "What to look at first", KeyObjectSelectionDocumentStorage, "TID 2010 Key Object Selection"
    ),
}
"""In the order of sending."""

_PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


def claimed_contexts(config: NodeConfig) -> list[ClaimedContext]:
    """Return every presentation context that the node accepts; private storage classes come on top."""
    deflated = (DeflatedExplicitVRLittleEndian,) if config.receiver.accept_deflated else ()
    syntaxes = tuple(UID(uid) for uid in (*TRANSFER_SYNTAXES, *deflated))
    return [
        ClaimedContext(UID(Verification), _PLAIN, "Verification", "SCP"),
        ClaimedContext(UID(StorageCommitmentPushModel), _PLAIN, "Storage Commitment", "SCP and SCU"),
        *(ClaimedContext(uid, syntaxes, "Storage", "SCP") for uid in storage_classes()),
    ]


def storage_classes() -> list[UID]:
    """Return every Storage SOP class of the standard that the node takes, retired ones too, by name."""
    found = [UID(uid) for uid in UID_dictionary if is_storage_class(uid)]
    return sorted(found, key=lambda uid: uid.name)


def result_class(result: ClaimedResult, sr_class: SrClass) -> UID:
    """Return the SOP class in which a destination gets a result."""
    return UID(result.sop_class or SR_CLASSES[sr_class])
