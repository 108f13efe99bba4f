"""What the journal takes and gives: one frozen dataclass per row that another module handles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from dicom_node.storage.clinical_records import ClinicalInputs

__all__ = [
    "CHANGED",
    "DEFAULT_PRIORITY",
    "DEFAULT_ROUTE_NAME",
    "HELD",
    "PLANNED",
    "PLANNED_PRIORITY",
    "UNCHANGED",
    "AnalysisJob",
    "AnalysisOutcome",
    "Delivery",
    "DeliveryKind",
    "Event",
    "InstanceKind",
    "ReceivedInstance",
    "Recorded",
    "ResultRecord",
    "Severity",
    "ShadowRecord",
    "StoredInstance",
    "Study",
    "StudyState",
]


HELD = ""
"""Stands for the destination of results that no destination is configured for: they are kept, not sent."""

DEFAULT_ROUTE_NAME = "default"
"""Names the route of studies that no route of the site fits."""

DEFAULT_PRIORITY = 5
"""Of studies whose route says nothing else; 0 waits for all others, 9 goes first."""

PLANNED = "plan"
"""Trigger of an analysis that a plan of reprocessing has queued: it comes after those of new studies."""

PLANNED_PRIORITY = 0
"""Of deliveries that a plan gives rise to."""

UNCHANGED, CHANGED = "unchanged", "changed"
"""How a result stands to the one that the study had before."""


class InstanceKind(StrEnum):
    """What a received object is to the node."""

    INPUT = "input"
    OWN_RESULT = "own_result"
    QUARANTINED = "quarantined"


class Recorded(StrEnum):
    """What recording an instance amounted to."""

    NEW = "new"
    DUPLICATE = "duplicate"
    """The same SOP Instance UID with the same bytes: nothing was added."""
    NEW_VERSION = "new_version"
    """The same SOP Instance UID with other bytes: both are kept."""


class StudyState(StrEnum):
    """Where a study stands; the last four are ends that a late instance can reopen."""

    RECEIVING = "receiving"
    COMPLETE = "complete"
    ANALYZING = "analyzing"
    ANALYZED = "analyzed"
    NOT_APPLICABLE = "not_applicable"
    REJECTED = "rejected"
    FAILED = "failed"


class Severity(StrEnum):
    """How soon an administrator should look at an event."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedInstance:
    """One object whose bytes are already durable in the archive.

    Attributes
    ----------
    sha256 : str
        Hexadecimal digest of the data set exactly as received.
    path : str
        Relative to the data directory; empty if the bytes could not be kept (full quarantine).
    size : int
        Bytes of the data set.
    reason_code, reason : str
        Why the object is quarantined, as code and as sentence; empty otherwise.
    association_id : str
        Names the association among all the node ever accepted.
    patient_key : str
        Digest of Issuer of Patient ID and Patient ID; empty without a Patient ID.
    study_date : str
        Study Date (0008,0020) as received, YYYYMMDD or empty.
    """

    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    sha256: str
    path: str
    size: int
    kind: InstanceKind
    reason_code: str = ""
    reason: str = ""
    calling_ae: str = ""
    called_ae: str = ""
    peer_address: str = ""
    association_id: str = ""
    patient_key: str = ""
    study_date: str = ""


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """One object of a study, as an analysis reads it."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    sha256: str
    path: PurePosixPath
    """Relative to the data directory."""
    version: int


@dataclass(frozen=True, slots=True)
class Study:
    """One row of ``studies``."""

    study_instance_uid: str
    state: StudyState
    reason: str
    completed_reason: str
    calling_ae: str
    patient_key: str
    study_date: str
    first_received_at: str
    last_received_at: str


@dataclass(frozen=True, slots=True)
class AnalysisJob:
    """A claimed analysis: what to read, and the lease that entitles to finish it."""

    id: int
    study_instance_uid: str
    trigger: str
    attempts: int
    """Counts this one, so it is at least 1."""
    input_digest: str
    instances: tuple[StoredInstance, ...]
    patient_key: str
    study_date: str
    lease_owner: str
    clinical: ClinicalInputs
    """What the journal knows of patient and study beyond the instances."""


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """One result object whose file is already durable under ``path`` (relative to the data directory)."""

    sop_instance_uid: str
    sop_class_uid: str
    kind: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ShadowRecord:
    """Risks of one study by one model in shadow.

    Attributes
    ----------
    model_name, model_version, model_sha256 : str
    risks : mapping of int to float
        Probability of a fracture within so many years.
    """

    model_name: str
    model_version: str
    model_sha256: str
    risks: Mapping[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisOutcome:
    """What an analysis came to.

    Attributes
    ----------
    results : tuple of ResultRecord
        Every result object once; none for a study that was not analysed, unless the site wants refusals.
    sets : mapping of str to tuple of str
        Destination (or `HELD`) -> SOP Instance UIDs of the results that it gets, in the order of sending.
    model_inputs : mapping of str to float
        What risk models were given, by the names of features.
    shadow : tuple of ShadowRecord
        What models in shadow said; it is in no result.
    comparison : str
        `CHANGED` or `UNCHANGED` against the result before; empty if there was none.
    changes : str
        A JSON list of what changed, see `analysis.revision`.
    """

    status: str
    reason: str
    identity: str
    engine_version: str
    model_version: str
    result_json: str
    results: tuple[ResultRecord, ...] = ()
    sets: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # a mapping proxy could not be sent from a worker
    model_inputs: Mapping[str, float] = field(default_factory=dict)
    shadow: tuple[ShadowRecord, ...] = ()
    comparison: str = ""
    changes: str = "[]"


class DeliveryKind(StrEnum):
    """What is sent: a result of ours, or an object as it was received."""

    RESULT = "result"
    ORIGINAL = "original"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A claimed delivery of one object to one destination."""

    id: int
    destination: str
    study_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    path: PurePosixPath
    """Relative to the data directory."""
    attempts: int
    """Counts this one, so it is at least 1."""
    lease_owner: str
    kind: DeliveryKind
    created_at: str
    """When the delivery was queued, last by an administrator."""
    refusals: int
    """How often the peer turned out not to hold what it had accepted."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of what an administrator reads."""

    at: str
    severity: Severity
    code: str
    study_instance_uid: str
    sop_instance_uid: str
    message: str
