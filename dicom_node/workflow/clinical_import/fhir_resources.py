"""What FHIR R4 resources tell of the node's patients; what is not understood is counted, never guessed.

Every resource is validated by the models of `fhir.resources` before it is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from fhir.resources.R4B.condition import Condition
from fhir.resources.R4B.medicationstatement import MedicationStatement
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.patient import Patient
from pydantic import ValidationError

from dicom_node.errors import ConfigurationError
from dicom_node.patients import possible_keys
from dicom_node.storage.clinical import check_fact, check_outcome
from dicom_node.storage.clinical_records import ClinicalFact, Outcome, OutcomeKind, Source, Told
from dicom_node.storage.journal import Journal
from dicom_node.workflow.clinical_import.fhir_codes import Codes, Concept

__all__ = ["FhirReader", "Identifying"]

MODELS: Mapping[str, Any] = {
    "Patient": Patient,
    "Observation": Observation,
    "Condition": Condition,
    "MedicationStatement": MedicationStatement,
}

Resource = Mapping[str, Any]

MEDICAL_RECORD_NUMBER = "MR"
"""Code of HL7 table 0203 for the identifier that is the Patient ID in most houses."""

FINAL = ("final", "amended", "corrected")
"""States of an Observation that stand."""

UNTRUE = ("refuted", "unconfirmed", "provisional", "differential")
"""Verification states of a Condition that does not count."""

TAKEN = ("active", "completed", "stopped", "on-hold")
"""States of a MedicationStatement that say it was taken."""

ALWAYS = "1900-01-01"
"""From when a sex counts of a patient whose date of birth is not told."""


@dataclass(frozen=True, slots=True)
class Identifying:
    """Which identifier of a Patient is the Patient ID of the scanners.

    Attributes
    ----------
    system : str
        Its system. Empty: the medical record number (type MR), else the only identifier there is.
    issuer : str
        What Issuer of Patient ID (0010,0021) says; empty if scanners send none.
    """

    system: str = ""
    issuer: str = ""


@dataclass
class FhirReader:
    """Reads resources one after the other: patients first, for the others speak of them.

    Attributes
    ----------
    told : list
        What was understood, to be recorded.
    counted : Counter
        Resources by what became of them, e.g. ``"Observation: code not known"``.
    problems : list of str
        What is no valid resource: which, the rule, and the cure.
    retracted : list of Told
        Resources that their source has declared an error: what they told before is withdrawn.
    patients : dict
        Reference of a Patient -> patient key, empty if the node has no study of theirs.
    """

    journal: Journal
    codes: Codes
    identifying: Identifying
    origin: str
    recorded_by: str
    today: date
    told: list[ClinicalFact | Outcome] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    retracted: list[Told] = field(default_factory=list)
    patients: dict[str, str] = field(default_factory=dict)

    def read_bundle(self, bundle: Resource) -> None:
        """Read every entry of a bundle, patients first."""
        entries = [entry for entry in bundle.get("entry", ()) if isinstance(entry.get("resource"), dict)]
        entries.sort(key=lambda entry: entry["resource"].get("resourceType") != "Patient")
        for entry in entries:
            self.read(entry["resource"], address=str(entry.get("fullUrl", "")))

    def read(self, resource: Resource, *, address: str = "") -> None:
        """Read one resource; `address` is its ``fullUrl``."""
        kind = str(resource.get("resourceType", ""))
        model = MODELS.get(kind)
        if model is None:
            self.counted[f"{kind or 'no type'}: not read"] += 1
            return
        name = f"{kind}/{resource.get('id', '')}"
        if _is_error(resource):
            self.retracted.append(self._told(name))
            self.counted[f"{kind}: declared an error"] += 1
            return
        try:
            model.model_validate(dict(resource))
        except ValidationError as error:
            self.counted[f"{kind}: not valid"] += 1
            place = ".".join(map(str, error.errors()[0]["loc"])) or kind
            self.problems.append(f"{name}: {place} breaks FHIR R4; correct it at its source")
            return
        if kind == "Patient":
            self._read_patient(resource, name, address)
        else:
            self._read_of_patient(kind, resource, name)

    def _read_patient(self, patient: Resource, name: str, address: str) -> None:
        key = self._key(patient)
        for reference in {name, address} - {""}:
            self.patients[reference] = key
        if not key:
            self.counted["Patient: no study here"] += 1
            return
        told = self._told(name)
        born = str(patient.get("birthDate", ""))
        facts = []
        if len(born) == len("YYYY-MM-DD"):
            facts.append(("birth_date", born, born))
        sex = {"female": "F", "male": "M"}.get(str(patient.get("gender", "")))
        if sex is not None:
            facts.append(("sex", sex, born if facts else ALWAYS))
        for fact, value, since in facts:
            self._add(ClinicalFact(patient_key=key, name=fact, value=value, valid_from=since, told=told))
        died = _day(patient.get("deceasedDateTime"))
        if died:
            self._add(Outcome(patient_key=key, kind=OutcomeKind.DEATH, occurred_on=died, told=told))
        elif patient.get("deceasedBoolean") or patient.get("deceasedDateTime"):
            self.counted["Patient: death without its day"] += 1
        self.counted["Patient: read"] += 1

    def _read_of_patient(self, kind: str, resource: Resource, name: str) -> None:
        subject = str(_at(resource, "subject", "reference") or "")
        key = self.patients.get(subject) or self.patients.get("/".join(subject.split("/")[-2:]), "")
        if not key:
            self.counted[f"{kind}: of no patient here"] += 1
            return
        read = {
            "Observation": self._observation,
            "Condition": self._condition,
            "MedicationStatement": self._medication,
        }[kind]
        missing = read(resource, key, self._told(name))
        self.counted[f"{kind}: {missing or 'read'}"] += 1

    def _observation(self, observation: Resource, key: str, told: Told) -> str:
        """Record an observation; return what is missing."""
        if observation.get("status") not in FINAL:
            return "not final"
        concept = self.codes.meaning("observation", _codings(observation.get("code")))
        if concept is None:
            return "code not known"
        since = _day(observation.get("effectiveDateTime") or _at(observation, "effectivePeriod", "start"))
        if not since:
            return "no day"
        value = _observed(observation, concept)
        if value is None:
            return "value or unit not known"
        fact = ClinicalFact(patient_key=key, name=concept["name"], value=value, valid_from=since, told=told)
        return self._add(fact)

    def _condition(self, condition: Resource, key: str, told: Told) -> str:
        """Record a condition; return what is missing."""
        states = {str(coding.get("code")) for coding in _codings(condition.get("verificationStatus"))}
        if states & set(UNTRUE):
            return "not confirmed"
        concept = self.codes.meaning("condition", _codings(condition.get("code")))
        if concept is None:
            return "code not known"
        onset = _day(condition.get("onsetDateTime") or _at(condition, "onsetPeriod", "start"))
        if "fracture" in concept:
            if not onset:
                return "no day"
            outcome = Outcome(
                patient_key=key,
                kind=OutcomeKind.FRACTURE,
                occurred_on=onset,
                site=concept["fracture"],
                mechanism=concept.get("mechanism", "unknown"),
                told=told,
            )
            return self._add(outcome)
        since = onset or _day(condition.get("recordedDate"))  # at the latest: it was known by then
        ended = condition.get("abatementDateTime") or _at(condition, "abatementPeriod", "end")
        return self._add_yes(concept["yes"], key, since, _day(ended), told)

    def _medication(self, statement: Resource, key: str, told: Told) -> str:
        """Record a medication; return what is missing."""
        if statement.get("status") not in TAKEN:
            return "not taken"
        concept = self.codes.meaning("medication", _codings(statement.get("medicationCodeableConcept")))
        if concept is None:
            return "code not known"
        since = _day(statement.get("effectiveDateTime") or _at(statement, "effectivePeriod", "start"))
        until = _day(_at(statement, "effectivePeriod", "end"))
        if statement.get("status") != "active" and not until:
            return "no last day"  # it is over, and nobody knows since when
        if "agent" not in concept:
            return self._add_yes(concept["yes"], key, since, until, told)
        missing = self._add_yes(["clinical.osteoporosis_medication"], key, since, until, told)
        if missing:
            return missing
        drug = ClinicalFact(
            patient_key=key,
            name="current_drug",
            value=concept["agent"],
            valid_from=since,
            valid_until=until,
            told=told,
        )
        return self._add(drug)

    def _add_yes(self, names: Iterable[str], key: str, since: str, until: str, told: Told) -> str:
        if not since:
            return "no day"
        for name in names:
            wrong = self._add(
                ClinicalFact(
                    patient_key=key, name=name, value=True, valid_from=since, valid_until=until, told=told
                )
            )
            if wrong:
                return wrong
        return ""

    def _add(self, one: ClinicalFact | Outcome) -> str:
        """Keep what can be recorded; else return the word for it, and name the problem."""
        try:
            if isinstance(one, ClinicalFact):
                check_fact(one, today=self.today)
            else:
                check_outcome(one, today=self.today)
        except ConfigurationError as error:
            self.problems.append(f"{one.told.reference}: {error}")
            return "value cannot be"
        self.told.append(one)
        return ""

    def _key(self, patient: Resource) -> str:
        """Return which of the node's patients it is, empty if none."""
        identifiers = [item for item in patient.get("identifier", ()) if item.get("value")]
        if self.identifying.system:
            chosen = [item for item in identifiers if item.get("system") == self.identifying.system]
        else:
            chosen = [item for item in identifiers if _is_record_number(item)]
            chosen = chosen or (identifiers if len(identifiers) == 1 else [])
        keys = [key for item in chosen for key in possible_keys(str(item["value"]), self.identifying.issuer)]
        known = self.journal.patients_known(keys)
        return known[0] if len(known) == 1 else ""

    def _told(self, reference: str) -> Told:
        return Told(source=Source.FHIR, origin=self.origin, reference=reference, recorded_by=self.recorded_by)


def _observed(observation: Resource, concept: Concept) -> float | bool | None:
    """Return the value in the unit of its name; None if value or unit are not known."""
    if "units" not in concept:
        answers = {str(coding.get("code")) for coding in _codings(observation.get("valueCodeableConcept"))}
        yes, no = answers & set(concept.get("yes", ())), answers & set(concept.get("no", ()))
        return bool(yes) if bool(yes) != bool(no) else None
    if isinstance(observation.get("valueInteger"), int):
        counts = "" in concept["units"]
        return float(observation["valueInteger"]) if counts else None
    quantity = observation.get("valueQuantity") or {}
    factor: float | None = concept["units"].get(str(quantity.get("code", quantity.get("unit", ""))))
    value = quantity.get("value")
    if factor is None or value is None or quantity.get("comparator"):  # "< 60" is no number
        return None
    return round(float(value) * factor, 6)


def _is_error(resource: Resource) -> bool:
    states = {str(coding.get("code")) for coding in _codings(resource.get("verificationStatus"))}
    return "entered-in-error" in states | {str(resource.get("status"))}


def _is_record_number(identifier: Resource) -> bool:
    return any(coding.get("code") == MEDICAL_RECORD_NUMBER for coding in _codings(identifier.get("type")))


def _codings(concept: Any) -> list[Mapping[str, Any]]:
    return list((concept or {}).get("coding", ()))


def _at(resource: Resource, *path: str) -> Any:
    found: Any = resource
    for name in path:
        found = (found or {}).get(name)
    return found


def _day(text: Any) -> str:
    """Return the day of a FHIR date or time as written there; empty if it names a month or year only."""
    return str(text)[:10] if text and len(str(text)) >= len("YYYY-MM-DD") else ""
