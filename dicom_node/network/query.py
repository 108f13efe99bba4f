"""Asking an archive what it has: C-FIND (PS3.4 annex C, Study Root) and QIDO-RS (PS3.18 section 10.6).

Every question ends in an answer or in an `ArchiveError` whose class says whether asking again may help. An
archive that ends without a final status has not answered: some drop an AE title that they do not know without
a word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any, Literal

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.association import Association
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
)

from dicom_node.config.asking import RemoteArchive, RetrievalSettings
from dicom_node.errors import (
    ArchiveError,
    PermanentArchiveError,
    PermanentDeliveryError,
    TransientArchiveError,
    TransientDeliveryError,
)
from dicom_node.network.dicomweb import DicomwebArchive
from dicom_node.network.peers import Peer, Timeouts, open_association
from dicom_node.network.questions import tell_observers

__all__ = [
    "ArchivePeer",
    "DicomArchive",
    "FoundInstance",
    "FoundStudy",
    "StudyFilter",
    "archive_association",
    "archive_peer",
    "count_instances",
    "find_instances",
    "find_studies",
]

MAXIMUM_ANSWERS = 200_000
"""Answers to one question: bounds the memory that a confused archive can cost."""

PAGE_SIZE = 500
"""Answers asked for at once over QIDO-RS."""

_PENDING = (0xFF00, 0xFF01)
_SUCCESS = 0x0000

_STUDY_KEYS = (
    "StudyInstanceUID",
    "StudyDate",
    "StudyDescription",
    "AccessionNumber",
    "ModalitiesInStudy",
    "NumberOfStudyRelatedInstances",
    "PatientID",
    "IssuerOfPatientID",
    "PatientName",
    "PatientBirthDate",
)
_SERIES_KEYS = ("SeriesInstanceUID", "Modality", "BodyPartExamined")
_INSTANCE_KEYS = ("SOPInstanceUID", "SOPClassUID")


@dataclass(frozen=True, slots=True)
class DicomArchive:
    """An archive that is asked over DIMSE; C-MOVE goes to the AE title that calls."""

    peer: Peer
    calling_ae_title: str
    timeouts: Timeouts
    retrieve: Literal["c-get", "c-move"] = "c-get"

    def __str__(self) -> str:
        return str(self.peer)


ArchivePeer = DicomArchive | DicomwebArchive


def archive_peer(archive: RemoteArchive, settings: RetrievalSettings, calling_ae_title: str) -> ArchivePeer:
    """Return an ``[[archive]]`` as something to ask, for one thread.

    Raises
    ------
    ConfigurationError
        If a file that it names cannot be read.
    """
    connect, response = settings.connect_timeout_seconds, settings.response_timeout_seconds
    if archive.type == "dicomweb":
        return DicomwebArchive(
            archive.url or "",
            username=archive.username,
            password_file=archive.password_file,
            token_file=archive.token_file,
            tls=archive.tls,
            connect_seconds=connect,
            response_seconds=response,
        )
    peer = Peer(archive.ae_title or "", archive.host or "", archive.port or 0, archive.tls)
    return DicomArchive(peer, calling_ae_title, Timeouts(connect, response), archive.retrieve)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFilter:
    """Which studies are wanted; what is left empty restricts nothing.

    Attributes
    ----------
    patient_id : str
        Matched exactly: an ID that holds a wildcard is refused.
    since, until : date, optional
        Study Date, both days included.
    modalities : tuple of str
        Any of them is in the study.
    description : str
        Study Description with the wildcards ``*`` and ``?``; letters' case is the archive's business.
    """

    study_instance_uid: str = ""
    patient_id: str = field(default="", repr=False)
    since: date | None = None
    until: date | None = None
    modalities: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundStudy:
    """A study as the archive describes it; empty texts where it says nothing.

    Attributes
    ----------
    study_date, patient_birth_date : str
        YYYYMMDD, as answered.
    instance_count : int, optional
        Number of Study Related Instances (0020,1208); None if the archive does not tell.
    """

    study_instance_uid: str
    study_date: str = ""
    description: str = field(default="", repr=False)
    accession_number: str = field(default="", repr=False)
    modalities: tuple[str, ...] = ()
    instance_count: int | None = None
    patient_id: str = field(default="", repr=False)
    issuer_of_patient_id: str = field(default="", repr=False)
    patient_name: str = field(default="", repr=False)
    patient_birth_date: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundInstance:
    """An instance as the archive describes it; `sop_class_uid` is empty where it does not tell."""

    sop_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str = ""
    modality: str = ""
    body_part: str = ""


def find_studies(archive: ArchivePeer, wanted: StudyFilter) -> list[FoundStudy]:
    """Return the studies that match, each once, ordered by date and UID.

    What the archive does not match on, although asked to, is sorted out here.

    Raises
    ------
    TransientArchiveError, PermanentArchiveError
        If there is no complete answer.
    """
    _refuse_wildcards(wanted)
    found: dict[str, FoundStudy] = {}
    with _questions(archive) as ask:
        for modality in wanted.modalities or ("",):  # a list of values is not matched by every archive
            for answer in ask("STUDY", _study_identifier(wanted, modality)):
                study = _study(answer)
                if study is not None and _matches(study, wanted):
                    found[study.study_instance_uid] = study
    return sorted(found.values(), key=lambda study: (study.study_date, study.study_instance_uid))


def find_instances(archive: ArchivePeer, study_instance_uid: str) -> list[FoundInstance]:
    """Return every instance that the archive has of a study; none if it does not know the study.

    Raises
    ------
    TransientArchiveError, PermanentArchiveError
        If there is no complete answer.
    """
    found: dict[str, FoundInstance] = {}
    with _questions(archive) as ask:
        for series in ask("SERIES", _identifier(_SERIES_KEYS, StudyInstanceUID=study_instance_uid)):
            series_uid = _text(series, "SeriesInstanceUID")
            if not UID(series_uid).is_valid:
                continue
            identifier = _identifier(
                _INSTANCE_KEYS, StudyInstanceUID=study_instance_uid, SeriesInstanceUID=series_uid
            )
            for answer in ask("IMAGE", identifier):
                uid = _text(answer, "SOPInstanceUID")
                if UID(uid).is_valid:
                    found[uid] = FoundInstance(
                        sop_instance_uid=uid,
                        series_instance_uid=series_uid,
                        sop_class_uid=_text(answer, "SOPClassUID"),
                        modality=_text(series, "Modality"),
                        body_part=_text(series, "BodyPartExamined"),
                    )
    return list(found.values())


def count_instances(archive: ArchivePeer, study_instance_uid: str) -> int:
    """Return how many instances the archive has of a study, results of this node that it keeps included.

    Raises
    ------
    TransientArchiveError, PermanentArchiveError
        If there is no complete answer.
    """
    studies = find_studies(archive, StudyFilter(study_instance_uid=study_instance_uid))
    if studies and studies[0].instance_count is None:
        return len(find_instances(archive, study_instance_uid))
    return studies[0].instance_count or 0 if studies else 0


@contextmanager
def archive_association(
    archive: DicomArchive, contexts: Sequence[Any], **settings: Any
) -> Iterator[Association]:
    """Open an association to an archive; `settings` are those of `peers.open_association`.

    Raises
    ------
    TransientArchiveError, PermanentArchiveError
        If it cannot be had.
    """
    try:
        with open_association(
            archive.peer,
            list(contexts),
            calling_ae_title=archive.calling_ae_title,
            timeouts=archive.timeouts,
            **settings,
        ) as association:
            yield association
    except TransientDeliveryError as error:
        raise TransientArchiveError(str(error)) from error
    except PermanentDeliveryError as error:
        raise PermanentArchiveError(str(error)) from error


_Question = Callable[[str, Dataset], list[Dataset]]
"""Level of the Study Root model (``STUDY``, ``SERIES``, ``IMAGE``) and identifier -> every answer."""


@contextmanager
def _questions(archive: ArchivePeer) -> Iterator[_Question]:
    """Ask several questions over one association or one HTTP session."""
    if isinstance(archive, DicomwebArchive):
        yield _told(archive, partial(archive.search, page_size=PAGE_SIZE, maximum=MAXIMUM_ANSWERS))
        return
    contexts = [build_context(StudyRootQueryRetrieveInformationModelFind)]
    with archive_association(archive, contexts) as association:
        yield _told(archive, lambda _level, identifier: _c_find(archive, association, identifier))


def _told(archive: ArchivePeer, ask: _Question) -> _Question:
    def tell_and_ask(level: str, identifier: Dataset) -> list[Dataset]:
        identifier.QueryRetrieveLevel = level
        tell_observers(archive, identifier)
        return ask(level, identifier)

    return tell_and_ask


def _c_find(archive: DicomArchive, association: Association, identifier: Dataset) -> list[Dataset]:
    answers: list[Dataset] = []
    model = StudyRootQueryRetrieveInformationModelFind
    if association.is_established:
        for status, answer in association.send_c_find(identifier, model):
            code = status.get("Status")
            if code == _SUCCESS:
                return answers
            if code not in _PENDING:
                if code is not None:
                    raise _find_error(archive, code)
                break
            if answer is None:
                raise PermanentArchiveError(f"{archive} answers C-FIND with what is not a DICOM data set")
            if len(answers) >= MAXIMUM_ANSWERS:
                association.abort()
                raise _too_many(archive)
            answers.append(answer)
    raise TransientArchiveError(
        f"{archive} ended without answering C-FIND (time-out, abort or closed connection); does it know "
        f"AE title {archive.calling_ae_title} and let it ask?"
    )


def _find_error(archive: DicomArchive, code: int) -> ArchiveError:
    """Return the policy for a C-FIND status (PS3.4 table C.4-1, PS3.7 annex C)."""
    text = f"{archive} answered C-FIND with status 0x{code:04X}"
    if code in (0x0110, 0x0213, 0xFE00) or 0xA700 <= code <= 0xA7FF or 0xC000 <= code <= 0xCFFF:
        return TransientArchiveError(f"{text} (out of resources, cancelled or unable to process)")
    return PermanentArchiveError(f"{text}; allow queries of the Study Root model by this node there")


def _too_many(archive: ArchivePeer) -> ArchiveError:
    return PermanentArchiveError(
        f"{archive} has more than {MAXIMUM_ANSWERS} answers; ask for a shorter range of dates"
    )


def _refuse_wildcards(wanted: StudyFilter) -> None:
    """An ID with a wildcard would find other patients' studies (PS3.4 C.2.2.2.4)."""
    if any(character in wanted.patient_id for character in "*?\\"):
        raise PermanentArchiveError(
            "the Patient ID holds *, ? or a backslash, which queries take for patterns: it is not asked for"
        )


def _study_identifier(wanted: StudyFilter, modality: str) -> Dataset:
    identifier = _identifier(
        _STUDY_KEYS,
        StudyInstanceUID=wanted.study_instance_uid,
        PatientID=wanted.patient_id,
        StudyDescription=wanted.description,
        ModalitiesInStudy=modality,
        StudyDate=_range(wanted),
    )
    if not (wanted.patient_id + wanted.description).isascii():
        identifier.SpecificCharacterSet = "ISO_IR 192"
    return identifier


def _range(wanted: StudyFilter) -> str:
    """Return a Study Date range (PS3.4 C.2.2.2.5.1)."""
    if wanted.since is None and wanted.until is None:
        return ""
    return "-".join(f"{day:%Y%m%d}" if day else "" for day in (wanted.since, wanted.until))


def _identifier(keys: Sequence[str], **values: str) -> Dataset:
    identifier = Dataset()
    for keyword in (*keys, *values):
        setattr(identifier, keyword, values.get(keyword, ""))
    return identifier


def _study(answer: Dataset) -> FoundStudy | None:
    uid = _text(answer, "StudyInstanceUID")
    if not UID(uid).is_valid:  # never trusted, not even to be asked for
        return None
    count = _text(answer, "NumberOfStudyRelatedInstances")
    return FoundStudy(
        study_instance_uid=uid,
        study_date=_text(answer, "StudyDate"),
        description=_text(answer, "StudyDescription"),
        accession_number=_text(answer, "AccessionNumber"),
        modalities=_values(answer, "ModalitiesInStudy"),
        instance_count=int(count) if count.isdecimal() else None,
        patient_id=_text(answer, "PatientID"),
        issuer_of_patient_id=_text(answer, "IssuerOfPatientID"),
        patient_name=_text(answer, "PatientName"),
        patient_birth_date=_text(answer, "PatientBirthDate"),
    )


def _matches(study: FoundStudy, wanted: StudyFilter) -> bool:
    """Check an answer for what an archive may ignore: keys that it does not support match everything."""
    if wanted.study_instance_uid and study.study_instance_uid != wanted.study_instance_uid:
        return False
    if wanted.patient_id and study.patient_id != wanted.patient_id:
        return False
    if study.study_date:
        if wanted.since and study.study_date < f"{wanted.since:%Y%m%d}":
            return False
        if wanted.until and study.study_date > f"{wanted.until:%Y%m%d}":
            return False
    return not (wanted.modalities and study.modalities) or bool(
        set(wanted.modalities) & set(study.modalities)
    )


def _text(answer: Dataset, keyword: str) -> str:
    value = answer.get(keyword)
    return "" if value is None else str(value).strip("\0 ")


def _values(answer: Dataset, keyword: str) -> tuple[str, ...]:
    value = answer.get(keyword)
    if value is None or value == "":
        return ()
    return (value,) if isinstance(value, str) else tuple(map(str, value))
