"""Looks for a patient's earlier studies before a new one is analysed, and lets the analysis wait so long.

For each queued analysis the archive is asked by Patient ID; what is missing here is fetched as history. What
bounds the wait is `Journal.claim_analysis`: whatever becomes of the archive or of this job, an analysis is
claimed after ``[priors] wait_seconds``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

from pydicom import dcmread

from dicom_node.config import PriorsSettings, RemoteArchive, RetrievalSettings
from dicom_node.dicom_files import parse_date
from dicom_node.errors import ArchiveError, ConfigurationError, PermanentArchiveError
from dicom_node.network.query import (
    ArchivePeer,
    FoundStudy,
    StudyFilter,
    archive_peer,
    find_instances,
    find_studies,
)
from dicom_node.storage.archive import Archive
from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.priors import AwaitedPriors, PriorSearch
from dicom_node.storage.records import Severity
from dicom_node.workflow.pacing import rests

__all__ = ["PatientIdentity", "Priors", "patient_identity", "same_patient"]

logger = logging.getLogger(__name__)

REST_SECONDS = 5.0
"""An archive that did not answer is spared so long: other analyses wait for it as well (assumption)."""

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class PatientIdentity:
    """Who a study is of, as far as two studies can be compared."""

    patient_id: str = field(repr=False)
    issuer: str = field(repr=False)
    birth_date: str = field(repr=False)

    @property
    def is_enough(self) -> bool:
        """Whether another study can be recognised as the same patient's."""
        return bool(self.patient_id and self.birth_date)


def patient_identity(file: Path) -> PatientIdentity | None:
    """Return the patient of an archived object; None if it cannot be read."""
    keywords = ["SpecificCharacterSet", "PatientID", "IssuerOfPatientID", "PatientBirthDate"]
    try:
        dataset = dcmread(file, stop_before_pixels=True, specific_tags=list(keywords))
        values = [str(dataset.get(keyword) or "").strip("\0 ") for keyword in keywords[1:]]
    except Exception:  # hostile bytes raise many kinds; each means the same
        return None
    return PatientIdentity(*values)


def same_patient(one: PatientIdentity, other: PatientIdentity) -> bool:
    """Tell whether ID and birth date agree, and the issuers where both are known.

    An ID alone does not do: hospitals use them again, and two hospitals use the same ones.
    """
    return (
        one.is_enough
        and (one.patient_id, one.birth_date) == (other.patient_id, other.birth_date)
        and (one.issuer == other.issuer or not one.issuer or not other.issuer)
    )


class Priors:
    """The search for priors at one archive.

    Parameters
    ----------
    wake : callable
        Starts fetching at once.
    """

    def __init__(
        self,
        settings: PriorsSettings,
        archive: RemoteArchive,
        retrieval: RetrievalSettings,
        files: Archive,
        journal: Journal,
        *,
        calling_ae_title: str,
        wake: Callable[[], None] = lambda: None,
        clock: Clock = utc_now,
    ) -> None:
        self._settings = settings
        self._archive = archive
        self._retrieval = retrieval
        self._files = files
        self._journal = journal
        self._calling_ae_title = calling_ae_title
        self._wake = wake
        self._clock = clock
        self._resting_until = clock()

    def check(self) -> None:
        """End the searches whose priors are here, and begin those of analyses that were queued since."""
        for search in self._journal.prior_searches():
            if not search.missing:
                self._end(search)
        for awaited in self._journal.analyses_awaiting_priors():
            if rests(self._resting_until, self._clock(), at_most=REST_SECONDS):
                return
            self._begin(awaited)

    def _begin(self, awaited: AwaitedPriors) -> None:
        patient = self._patient_of(awaited.study_instance_uid)
        if patient is None or not patient.is_enough or parse_date(awaited.study_date) is None:
            self._go_on(awaited, "not asked for: Patient ID, birth date or Study Date is missing")
            return
        try:
            studies, told = self._wanted(awaited, patient)
        except (PermanentArchiveError, ConfigurationError) as error:
            self._go_on(awaited, f"{self._archive.name}: {error}", Severity.WARNING)
            return
        except ArchiveError as error:
            self._rest(error)
            return
        if studies:
            self._journal.begin_prior_search(
                awaited, self._archive.name, studies, deliver=self._settings.deliver
            )
            self._wake()
        else:
            self._go_on(awaited, told)

    def _wanted(self, awaited: AwaitedPriors, patient: PatientIdentity) -> tuple[list[str], str]:
        """Return which studies to fetch, and what to say if there are none."""
        day = parse_date(awaited.study_date)
        assert day is not None  # noqa: S101 - the caller has looked
        peer = archive_peer(self._archive, self._retrieval, self._calling_ae_title)
        found = find_studies(
            peer,
            StudyFilter(
                patient_id=patient.patient_id,
                since=day - timedelta(days=self._settings.look_back_years * DAYS_PER_YEAR),
                until=day - timedelta(days=1),
            ),
        )
        same = [study for study in found if _is_of(patient, study) and study.study_date]
        new = [study for study in same if self._journal.study(study.study_instance_uid) is None]
        fitting = islice(self._fitting(peer, reversed(new)), self._settings.maximum_studies)
        told = f"{self._archive.name} has {len(same)} earlier studies, {len(same) - len(new)} of them here"
        if len(same) < len(found):
            told += f"; {len(found) - len(same)} under this Patient ID are not surely of this patient"
        return [study.study_instance_uid for study in fitting], f"none to be fetched: {told}"

    def _fitting(self, peer: ArchivePeer, studies: Iterable[FoundStudy]) -> Iterable[FoundStudy]:
        settings = self._settings
        for study in studies:
            if settings.descriptions and not _like(study.description, settings.descriptions):
                continue
            if (
                study.modalities
                and settings.modalities
                and not set(study.modalities) & {*settings.modalities}
            ):
                continue
            if (study.instance_count or 0) > settings.maximum_instances:
                continue
            if self._needs_a_closer_look(study) and not self._fits_closely(peer, study):
                continue
            yield study

    def _needs_a_closer_look(self, study: FoundStudy) -> bool:
        settings = self._settings
        return bool(
            settings.body_parts
            or (settings.modalities and not study.modalities)
            or study.instance_count is None
        )

    def _fits_closely(self, peer: ArchivePeer, study: FoundStudy) -> bool:
        settings = self._settings
        instances = find_instances(peer, study.study_instance_uid)
        return (
            len(instances) <= settings.maximum_instances
            and (not settings.modalities or any(item.modality in settings.modalities for item in instances))
            and (
                not settings.body_parts
                or any(_like(item.body_part, settings.body_parts) for item in instances)
            )
        )

    def _end(self, search: PriorSearch) -> None:
        """Link what came to the patient, once its own header agrees, and let the analysis go."""
        uid = search.study_instance_uid
        patient, study = self._patient_of(uid), self._journal.study(uid)
        came = 0
        for prior in search.studies:
            if self._journal.study(prior) is None or patient is None or study is None:
                continue
            theirs = self._patient_of(prior)
            agrees = theirs is not None and same_patient(patient, theirs)
            self._journal.link_patient(prior, study.patient_key if agrees else "")
            came += agrees
            if not agrees:
                reason = "fetched as a prior, but its own header does not name the same patient: not used"
                self._journal.note_event(
                    Severity.WARNING, "prior_of_another_patient", reason, study_instance_uid=prior
                )
        told = f"{came} of {len(search.studies)} came from {self._archive.name}"
        severity = Severity.INFO if came == len(search.studies) else Severity.WARNING
        if search.late:
            told += ", after the analysis had gone ahead"
        self._journal.end_prior_search(search.analysis_id, uid, f"priors: {told}", severity=severity)
        if search.late and came and self._settings.reprocess_when_late:
            self._journal.requeue_study(uid, "priors")

    def _patient_of(self, study_instance_uid: str) -> PatientIdentity | None:
        for instance in self._journal.instances(study_instance_uid):
            identity = patient_identity(self._files.resolve(instance.path))
            if identity is not None:
                return identity
        return None

    def _go_on(self, awaited: AwaitedPriors, reason: str, severity: Severity = Severity.INFO) -> None:
        self._journal.end_prior_search(
            awaited.analysis_id, awaited.study_instance_uid, f"priors: {reason}", severity=severity
        )

    def _rest(self, error: ArchiveError) -> None:
        self._resting_until = self._clock() + timedelta(seconds=REST_SECONDS)
        logger.warning("analyses wait for priors at most %g s: %s", self._settings.wait_seconds, error)


def _is_of(patient: PatientIdentity, study: FoundStudy) -> bool:
    theirs = PatientIdentity(study.patient_id, study.issuer_of_patient_id, study.patient_birth_date)
    return same_patient(patient, theirs)


def _like(text: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(text.casefold(), pattern.casefold()) for pattern in patterns)
