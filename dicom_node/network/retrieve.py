"""Fetching objects from an archive: C-GET and C-MOVE (PS3.4 annex C, Study Root), WADO-RS (PS3.18 10.4).

C-GET and WADO-RS hand each object, encoded as it came, to the node's own intake; C-MOVE asks the archive to
send to the node's receiver. What an archive says it has sent is reported here; what has arrived is for the
caller to look up in the journal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import cast

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import StoragePresentationContexts, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from dicom_node.errors import ArchiveError, PermanentArchiveError, TransientArchiveError
from dicom_node.network.admission import MISMATCH, SUCCESS, StoreRequest
from dicom_node.network.contexts import TRANSFER_SYNTAXES
from dicom_node.network.dicomweb import DicomwebArchive
from dicom_node.network.query import ArchivePeer, DicomArchive, FoundInstance, archive_association

__all__ = ["Keep", "RetrieveReport", "retrieve"]

logger = logging.getLogger(__name__)

Keep = Callable[[StoreRequest], int]
"""The node's intake: makes an object durable and journals it, or refuses it; returns the DIMSE status."""

MAXIMUM_STORAGE_CONTEXTS = 127
"""128 presentation contexts (PS3.8 section 9.3.2.2) less the one that asks."""

UIDS_PER_REQUEST = 200
"""SOP Instance UIDs in one identifier: at most 13 kB, far below the 64 kB of an explicit UI value."""

_PENDING = (0xFF00, 0xFF01)
_SOME_FAILED = 0xB000
"""Warning: sub-operations complete, one or more failures (PS3.4 tables C.4-2 and C.4-3)."""
_PROCESSING_FAILURE = 0x0110
"""PS3.7 annex C.5.4; with 0xA7xx, out of resources, what the node itself may get over."""
_NONE_PERFORMED = 0xA702
"""Refused: unable to perform sub-operations; also what Orthanc says when the node refused them."""


@dataclass(frozen=True, slots=True)
class RetrieveReport:
    """What the archive says of its sub-operations.

    Attributes
    ----------
    problems : dict of str to str
        SOP Instance UID -> why it was not sent or not kept.
    refused : frozenset of str
        SOP Instance UIDs of what the node refused for good: asking again would bring the same.
    """

    completed: int = 0
    failed: int = 0
    warnings: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()

    def plus(self, other: RetrieveReport) -> RetrieveReport:
        """Return the sum of two reports."""
        return RetrieveReport(
            self.completed + other.completed,
            self.failed + other.failed,
            self.warnings + other.warnings,
            self.problems | other.problems,
            self.refused | other.refused,
        )


def retrieve(
    archive: ArchivePeer,
    study_instance_uid: str,
    found: Sequence[FoundInstance],
    *,
    wanted: frozenset[str],
    keep: Keep,
    syntaxes: Sequence[str] = TRANSFER_SYNTAXES,
) -> RetrieveReport:
    """Fetch some instances of a study.

    Parameters
    ----------
    found : sequence of FoundInstance
        Everything the archive has of the study, as `query.find_instances` returns it.
    wanted : frozenset of str
        SOP Instance UIDs of what is fetched of that.
    keep : callable
        Takes what C-GET and WADO-RS bring; an object that was not asked for is refused before.
    syntaxes : sequence of str
        UIDs of the transfer syntaxes that are accepted.

    Raises
    ------
    TransientArchiveError, PermanentArchiveError
        If the archive broke off or refused as a whole; objects kept until then are kept.
    """
    chosen = [instance for instance in found if instance.sop_instance_uid in wanted]
    if not chosen:
        return RetrieveReport()
    if isinstance(archive, DicomwebArchive):
        return _over_the_web(archive, study_instance_uid, chosen, keep, syntaxes)
    identifiers = list(_identifiers(study_instance_uid, found, chosen))
    if archive.retrieve == "c-move":
        return _c_move(archive, identifiers)
    return _c_get(archive, identifiers, _Gate(wanted, keep), _storage_contexts(chosen, syntaxes))


def _c_get(
    archive: DicomArchive, identifiers: Sequence[Dataset], gate: _Gate, storage: list[PresentationContext]
) -> RetrieveReport:
    model = StudyRootQueryRetrieveInformationModelGet
    classes = dict.fromkeys(context.abstract_syntax for context in storage)
    report = RetrieveReport()
    with archive_association(
        archive,
        [build_context(model), *storage],
        roles=[build_role(cast(UID, uid), scp_role=True) for uid in classes],
        handlers=[(evt.EVT_C_STORE, gate.on_store)],
    ) as association:
        for identifier in identifiers:
            _still_open(archive, association)
            answers = association.send_c_get(identifier, model)
            report = report.plus(_final_report(archive, "C-GET", answers))
    return report.plus(gate.report)


def _c_move(archive: DicomArchive, identifiers: Sequence[Dataset]) -> RetrieveReport:
    model = StudyRootQueryRetrieveInformationModelMove
    report = RetrieveReport()
    with archive_association(archive, [build_context(model)]) as association:
        for identifier in identifiers:
            _still_open(archive, association)
            answers = association.send_c_move(identifier, archive.calling_ae_title, model)
            report = report.plus(_final_report(archive, "C-MOVE", answers))
    return report


def _over_the_web(
    archive: DicomwebArchive,
    study_uid: str,
    chosen: Sequence[FoundInstance],
    keep: Keep,
    syntaxes: Sequence[str],
) -> RetrieveReport:
    """Fetch one by one: each instance has its own answer, and what came before a failure is kept."""
    report = RetrieveReport()
    for instance in chosen:
        uid = instance.sop_instance_uid
        try:
            file = archive.retrieve(study_uid, instance.series_instance_uid, uid)
            request = _store_request(file, uid, syntaxes)
        except PermanentArchiveError as error:
            report = report.plus(RetrieveReport(failed=1, problems={uid: str(error)}))
            continue
        status = keep(request)
        if status == SUCCESS:
            report = report.plus(RetrieveReport(completed=1))
        else:
            report = report.plus(replace(_refusal(uid, status), failed=1))
    return report


class _Gate:
    """Lets in what was asked for; an archive could send another study, or another patient's."""

    def __init__(self, wanted: frozenset[str], keep: Keep) -> None:
        self._wanted = wanted
        self._keep = keep
        self.report = RetrieveReport()

    def on_store(self, event: evt.Event) -> int:
        """Answer a C-STORE sub-operation."""
        command = cast(C_STORE, event.request)
        data_set = command.DataSet
        uid = str(command.AffectedSOPInstanceUID or "")
        if uid not in self._wanted:
            logger.warning("an object that was not asked for is refused")
            return MISMATCH
        status = self._keep(
            StoreRequest(
                sop_class_uid=str(command.AffectedSOPClassUID or ""),
                sop_instance_uid=uid,
                context_sop_class_uid=str(event.context.abstract_syntax),
                transfer_syntax_uid=str(event.context.transfer_syntax),
                data_set=data_set.getvalue() if data_set else b"",
            )
        )
        if status != SUCCESS:
            self.report = self.report.plus(_refusal(uid, status))
        return status


def _refusal(uid: str, status: int) -> RetrieveReport:
    lasting = not (0xA700 <= status <= 0xA7FF or status == _PROCESSING_FAILURE)
    return RetrieveReport(
        problems={uid: f"refused here with 0x{status:04X}; see the events of the object"},
        refused=frozenset({uid}) if lasting else frozenset(),
    )


def _identifiers(
    study_uid: str, found: Sequence[FoundInstance], chosen: Sequence[FoundInstance]
) -> Iterator[Dataset]:
    """Name the study if it is wanted whole, else series that are, else instances (PS3.4 C.4.2.2.1)."""
    if len(chosen) == len(found):
        yield _identifier("STUDY", study_uid)
        return
    for series_uid in dict.fromkeys(instance.series_instance_uid for instance in chosen):
        there, uids = (
            [item.sop_instance_uid for item in items if item.series_instance_uid == series_uid]
            for items in (found, chosen)
        )
        if len(there) == len(uids):
            yield _identifier("SERIES", study_uid, SeriesInstanceUID=series_uid)
            continue
        for start in range(0, len(uids), UIDS_PER_REQUEST):
            yield _identifier(
                "IMAGE",
                study_uid,
                SeriesInstanceUID=series_uid,
                SOPInstanceUID=uids[start : start + UIDS_PER_REQUEST],
            )


def _identifier(level: str, study_uid: str, **keys: str | list[str]) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    identifier.StudyInstanceUID = study_uid
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return identifier


def _storage_contexts(chosen: Sequence[FoundInstance], syntaxes: Sequence[str]) -> list[PresentationContext]:
    """Return one context for each class and syntax, so that nothing need be transcoded to be sent.

    Some archives break off at the first object whose class was not proposed, so where a class is not told, or
    the contexts would be too many, each gets one context with every syntax.
    """
    classes = list(dict.fromkeys(instance.sop_class_uid for instance in chosen))
    if not all(UID(uid).is_valid for uid in classes):
        common = [str(context.abstract_syntax) for context in StoragePresentationContexts]
        classes = list(dict.fromkeys([*(uid for uid in classes if UID(uid).is_valid), *common]))
    if len(classes) * len(syntaxes) <= MAXIMUM_STORAGE_CONTEXTS:
        return [build_context(uid, syntax) for syntax in syntaxes for uid in classes]
    return [build_context(uid, list(syntaxes)) for uid in classes[:MAXIMUM_STORAGE_CONTEXTS]]


def _still_open(archive: DicomArchive, association: Association) -> None:
    if not association.is_established:
        raise TransientArchiveError(f"{archive} closed the association before everything was asked for")


def _final_report(
    archive: DicomArchive, operation: str, answers: Iterator[tuple[Dataset, Dataset | None]]
) -> RetrieveReport:
    for status, identifier in answers:
        code = status.get("Status")
        if code in _PENDING:
            continue
        if code in (SUCCESS, _SOME_FAILED) or (code == _NONE_PERFORMED and _failures(status)):
            return _counts(status, identifier, archive)
        if code is not None:
            raise _retrieve_error(archive, operation, code)
        break
    raise TransientArchiveError(
        f"{archive} ended without a final answer to {operation} (time-out, abort or closed connection); "
        f"does it know AE title {archive.calling_ae_title} and let it retrieve?"
    )


def _failures(status: Dataset) -> int:
    return int(status.get("NumberOfFailedSuboperations") or 0)


def _counts(status: Dataset, identifier: Dataset | None, archive: DicomArchive) -> RetrieveReport:
    completed, warnings = (
        int(status.get(f"NumberOf{kind}Suboperations") or 0) for kind in ("Completed", "Warning")
    )
    listed = (identifier.get("FailedSOPInstanceUIDList") if identifier else None) or []
    uids = [listed] if isinstance(listed, str) else [str(uid) for uid in listed]
    problems = {uid: f"{archive} could not send it" for uid in uids if UID(uid).is_valid}
    return RetrieveReport(completed, _failures(status), warnings, problems)


def _retrieve_error(archive: DicomArchive, operation: str, code: int) -> ArchiveError:
    """Return the policy for a C-GET or C-MOVE status (PS3.4 tables C.4-2 and C.4-3, PS3.7 annex C)."""
    text = f"{archive} answered {operation} with status 0x{code:04X}"
    if code == 0xA801:
        return PermanentArchiveError(
            f"{text}: it does not know AE title {archive.calling_ae_title} as a destination; add host and "
            'port of this node there, or set retrieve = "c-get"'
        )
    if code in (0x0110, 0x0213, 0xFE00) or 0xA700 <= code <= 0xA7FF or 0xC000 <= code <= 0xCFFF:
        return TransientArchiveError(f"{text} (out of resources, cancelled or unable to process)")
    return PermanentArchiveError(f"{text}; allow retrieval by this node there")


def _store_request(file: bytes, sop_instance_uid: str, syntaxes: Sequence[str]) -> StoreRequest:
    """Take a DICOM file (PS3.10 section 7.1) apart without decoding its data set."""
    try:
        meta = dcmread(BytesIO(file), stop_before_pixels=True, specific_tags=[0x00080016]).file_meta
        start = 128 + 4 + 12 + int(meta.FileMetaInformationGroupLength)
        sop_class, syntax = str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)
    except Exception as error:  # pydicom's readers raise many kinds; all mean the same here
        raise PermanentArchiveError(f"what came is not a DICOM file ({type(error).__name__})") from None
    if syntax not in syntaxes:
        raise PermanentArchiveError(f"it is kept in transfer syntax {UID(syntax).name}, which is not taken")
    return StoreRequest(
        sop_class_uid=sop_class,
        sop_instance_uid=sop_instance_uid,
        context_sop_class_uid=sop_class,
        transfer_syntax_uid=syntax,
        data_set=file[start:],
    )
