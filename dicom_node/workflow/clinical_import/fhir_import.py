"""Brings in what bundle files and a FHIR server tell of the node's patients."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from dicom_node.config import FhirSettings
from dicom_node.errors import ConfigurationError
from dicom_node.network.fhir import FhirClient
from dicom_node.storage.clinical_records import Added
from dicom_node.storage.fhir_reading import FHIR_RESOURCE_TYPES
from dicom_node.storage.journal import Journal
from dicom_node.workflow.clinical_import.fhir_codes import SHIPPED_CODES, Codes
from dicom_node.workflow.clinical_import.fhir_resources import FhirReader, Identifying

__all__ = ["FhirReport", "import_bundles", "import_from_server"]

PATIENT, *SPEAKING_OF_PATIENTS = FHIR_RESOURCE_TYPES

NEW_PATIENTS = 500
"""Patients of whom a run asks for everything; the rest follows at the next one."""


@dataclass
class FhirReport:
    """What a run amounted to: rows by what they were, resources by what became of them, and problems."""

    added: Counter[Added] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    withdrawn: int = 0

    def take(self, journal: Journal, reader: FhirReader) -> None:
        """Record what a reader has understood so far, and empty it."""
        self.added.update(journal.add_all(reader.told))
        self.withdrawn += sum(journal.retract(told) for told in reader.retracted)
        self.counted.update(reader.counted)
        self.problems += reader.problems
        for emptied in (reader.told, reader.retracted, reader.counted, reader.problems):
            emptied.clear()


def import_bundles(
    paths: Iterable[Path], journal: Journal, settings: FhirSettings, *, recorded_by: str, today: date
) -> FhirReport:
    """Read bundle files, each for itself.

    Raises
    ------
    ConfigurationError
        If a file holds no FHIR bundle; the files before it have been taken.
    """
    report = FhirReport()
    for path in paths:
        reader = _reader(journal, settings, recorded_by, today)
        reader.read_bundle(_bundle(path))
        report.take(journal, reader)
    return report


def import_from_server(
    client: FhirClient, journal: Journal, settings: FhirSettings, *, recorded_by: str, today: date
) -> FhirReport:
    """Read what a server has changed since the last run, and all it has of patients that are new here.

    Interrupted at any point, the next run reads again what this one had not finished: nothing counts twice.
    """
    report = FhirReport()
    reader = _reader(journal, settings, recorded_by, today)
    _read_new_patients(client, journal, settings, reader, report)
    _read_changes(client, journal, settings, reader, report)
    return report


def _read_new_patients(
    client: FhirClient, journal: Journal, settings: FhirSettings, reader: FhirReader, report: FhirReport
) -> None:
    for key, patient_id in journal.fhir_unread_patients(settings.name, NEW_PATIENTS):
        wanted = {"identifier": f"{settings.identifier_system}|{patient_id}"}
        found: list[str] = []
        for page in client.search(PATIENT, wanted):
            reader.read_bundle(page)
            found += [f"Patient/{item['id']}" for item in _resources(page, PATIENT)]
        for reference in found:
            for kind in SPEAKING_OF_PATIENTS:
                for page in client.search(kind, {"subject": reference, **_narrowed(kind, reader)}):
                    reader.read_bundle(page)
        report.take(journal, reader)
        journal.note_fhir_patient(settings.name, key)


def _read_changes(
    client: FhirClient, journal: Journal, settings: FhirSettings, reader: FhirReader, report: FhirReport
) -> None:
    for kind in FHIR_RESOURCE_TYPES:
        since = journal.fhir_read_until(settings.name, kind)
        newest = since
        wanted = {**_narrowed(kind, reader), **({"_lastUpdated": f"ge{since}"} if since else {})}
        for page in client.search(kind, wanted):
            if kind != PATIENT:
                _know_subjects(client, page, kind, reader)
            reader.read_bundle(page)
            report.take(journal, reader)
            changed = [_updated(item) for item in _resources(page, kind)]
            newest = max([newest, *changed], key=_moment)
        journal.note_fhir_read(settings.name, kind, newest)


def _know_subjects(client: FhirClient, page: Mapping[str, Any], kind: str, reader: FhirReader) -> None:
    """Ask for the patients that a page speaks of and that were not read yet."""
    for item in _resources(page, kind):
        reference = str((item.get("subject") or {}).get("reference", ""))
        if "Patient/" in reference and reference not in reader.patients:
            patient = client.patient(reference)
            reader.patients[reference] = ""
            if patient is not None:
                reader.read(patient, address=reference)


def _narrowed(kind: str, reader: FhirReader) -> dict[str, str]:
    """Return what keeps a server from sending every observation it has."""
    return {"code": ",".join(reader.codes.observed)} if kind == "Observation" else {}


def _reader(journal: Journal, settings: FhirSettings, recorded_by: str, today: date) -> FhirReader:
    return FhirReader(
        journal=journal,
        codes=Codes.read(settings.codes or SHIPPED_CODES),
        identifying=Identifying(settings.identifier_system, settings.issuer),
        origin=settings.name,
        recorded_by=recorded_by,
        today=today,
    )


def _bundle(path: Path) -> Mapping[str, Any]:
    try:
        bundle = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path}: cannot be read as JSON ({type(error).__name__}); name a FHIR bundle in JSON"
        ) from None
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise ConfigurationError(f"{path}: is no FHIR Bundle; name a bundle in JSON")
    return bundle


def _resources(page: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    found = (entry.get("resource") for entry in page.get("entry", ()))
    return [item for item in found if isinstance(item, dict) and item.get("resourceType") == kind]


def _moment(instant: str) -> datetime:
    """Return when a FHIR instant is; the first of all times for what is none."""
    try:
        return datetime.fromisoformat(instant)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def _updated(resource: Mapping[str, Any]) -> str:
    return str((resource.get("meta") or {}).get("lastUpdated", ""))
