"""Everything one study's page shows, from the journal and the archived objects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.measurement.reference import ReferenceCurve
from analysis.results import ReferenceBand
from dicom_node.network.header_texts import UnreadableHeaderError, read_texts
from dicom_node.storage.archive import Archive
from dicom_node.storage.clinical_records import Opinion, SiteEntry
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import StoredInstance
from dicom_node.storage.routings import Hold
from dicom_node.storage.study_history import (
    PatientStudy,
    ResultFile,
    StudyAnalysisRow,
    StudyDelivery,
    StudyRouting,
)
from dicom_node.storage.study_search import FoundStudy
from dicom_node.workflow.study_view.numbers import AnalysisNumbers, numbers_of
from dicom_node.workflow.study_view.timeline import StudyRows, TimelineEntry, timeline
from reports.identity import SERIES, ResultKind

__all__ = ["Examination", "StudyPage", "newest_numbers", "source_instance", "study_page"]

EVENTS_SHOWN = 500
"""Newest events of a study on its timeline; a study with more has a peer that repeats itself."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What the header says of the examination; DICOM values, empty where absent."""

    patient_name: str = ""
    patient_id: str = ""
    birth_date: str = ""
    sex: str = ""
    accession_number: str = ""
    study_description: str = ""
    study_time: str = ""
    institution: str = ""
    station: str = ""


@dataclass(frozen=True, slots=True)
class StudyPage:
    """One study as its page shows it.

    Attributes
    ----------
    numbers : AnalysisNumbers or None
        Of the newest finished analysis.
    analysis : StudyAnalysisRow or None
        That analysis.
    results : tuple of ResultFile
        Every result object, those of the newest analysis that made any first.
    standing : frozenset of str
        SOP Instance UIDs of the results that stand at some destination.
    shortfall : str
        What is known to be missing of the study.
    """

    study: FoundStudy
    examination: Examination
    completed_reason: str
    shortfall: str
    hold: Hold | None
    routing: StudyRouting | None
    analyses: tuple[StudyAnalysisRow, ...]
    analysis: StudyAnalysisRow | None
    numbers: AnalysisNumbers | None
    results: tuple[ResultFile, ...]
    standing: frozenset[str]
    deliveries: tuple[StudyDelivery, ...]
    same_patient: tuple[PatientStudy, ...]
    site_entries: tuple[SiteEntry, ...]
    opinions: tuple[Opinion, ...]
    timeline: tuple[TimelineEntry, ...]

    @property
    def opinion(self) -> Opinion | None:
        """The opinion that stands on the analysis that is shown."""
        return next(
            (
                item
                for item in reversed(self.opinions)
                if self.analysis is not None
                and item.analysis_id == self.analysis.id
                and item.superseded_by is None
            ),
            None,
        )

    def result(self, kind: ResultKind) -> ResultFile | None:
        """Return the newest result of a kind whose file is kept."""
        description = SERIES[kind].description
        return next(
            (item for item in self.results if item.kind == description and not item.released_at), None
        )


def study_page(
    journal: Journal, archive: Archive, study_key: int, *, reference: ReferenceCurve | None = None
) -> StudyPage | None:
    """Gather what the page of a study shows; None if there is no such study.

    Parameters
    ----------
    reference : ReferenceCurve, optional
        The configured one: drawn where it is what the study's T-scores were counted from.
    """
    found = journal.found_study(study_key)
    if found is None:
        return None
    uid = found.study_instance_uid
    study = journal.study(uid)
    analyses = journal.analyses_of(uid)
    shown = _newest_done(analyses)
    examination = _examination(archive, journal, uid, found)
    results = journal.result_files(uid)
    deliveries = journal.deliveries_of(uid)
    entries = journal.site_entries(uid, history=True)
    opinions = journal.opinions(uid, history=True)
    rows = StudyRows(
        arrivals=journal.arrivals(uid),
        events=journal.events(study_instance_uid=uid, limit=EVENTS_SHOWN),
        analyses=analyses,
        deliveries=deliveries,
        retrievals=journal.retrievals_of(uid),
        changes=journal.changes(subject=uid),
        site_entries=entries,
        opinions=opinions,
    )
    return StudyPage(
        study=found,
        examination=examination,
        completed_reason=study.completed_reason if study else "",
        shortfall=journal.shortfall(uid),
        hold=journal.holds().get(uid),
        routing=journal.routing_of(uid),
        analyses=tuple(analyses),
        analysis=shown,
        numbers=_numbers(shown, reference, examination.sex),
        results=tuple(sorted(results, key=lambda item: -item.analysis_id)),
        standing=frozenset(
            result for results in journal.standing_results(uid).values() for result in results
        ),
        deliveries=tuple(deliveries),
        same_patient=tuple(journal.studies_of_same_patient(uid)),
        site_entries=tuple(entry for entry in entries if entry.superseded_by is None),
        opinions=tuple(opinions),
        timeline=timeline(rows),
    )


def newest_numbers(journal: Journal, study_instance_uid: str) -> AnalysisNumbers | None:
    """Return what the newest finished analysis of a study says."""
    return _numbers(_newest_done(journal.analyses_of(study_instance_uid)), None, "")


def source_instance(
    journal: Journal, study_instance_uid: str, numbers: AnalysisNumbers
) -> StoredInstance | None:
    """Return the image that was analysed, None where it was none or is not known here."""
    return next(
        (
            instance
            for instance in journal.instances(study_instance_uid)
            if instance.sop_instance_uid == numbers.source_sop_instance_uid and numbers.rows
        ),
        None,
    )


def _newest_done(analyses: Sequence[StudyAnalysisRow]) -> StudyAnalysisRow | None:
    return next((item for item in reversed(analyses) if item.state == "done"), None)


def _numbers(
    analysis: StudyAnalysisRow | None, reference: ReferenceCurve | None, sex: str
) -> AnalysisNumbers | None:
    if analysis is None:
        return None
    document = json.loads(analysis.result_json or "{}")
    named = (document.get("reference") or {}).get("name")
    bands: Mapping[str, ReferenceBand] = {}
    if reference is not None and reference.identity.name == named:
        bands = reference.bands(sex or None)
    return numbers_of(document, bands)


HEADER_TAGS = {
    "patient_name": 0x00100010,
    "patient_id": 0x00100020,
    "birth_date": 0x00100030,
    "sex": 0x00100040,
    "accession_number": 0x00080050,
    "study_description": 0x00081030,
    "study_time": 0x00080030,
    "institution": 0x00080080,
    "station": 0x00081010,
}
"""Attribute of an `Examination` -> tag."""


def _examination(archive: Archive, journal: Journal, uid: str, found: FoundStudy) -> Examination:
    """Read the header of the first object that can be read; else what the search knows."""
    for instance in journal.instances(uid):
        try:
            texts = read_texts(archive.resolve(instance.path), HEADER_TAGS.values())
        except UnreadableHeaderError:
            continue
        return Examination(**{name: texts[tag] for name, tag in HEADER_TAGS.items()})
    return Examination(patient_name=found.patient_name, patient_id=found.patient_id, station=found.station)
