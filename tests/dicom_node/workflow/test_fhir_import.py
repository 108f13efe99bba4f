"""FHIR R4: what is understood lands with its source, what is not is counted; bundles and a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fhir_server import Resource, fhir_server
from node_support import load_config, receive, wait_until

from dicom_node.config import FhirSettings
from dicom_node.errors import ConfigurationError
from dicom_node.network.fhir import FhirClient, FhirError
from dicom_node.patients import patient_key
from dicom_node.storage.journal import Journal
from dicom_node.storage.study_search import StudyFacts
from dicom_node.workflow.clinical_import.fhir_codes import SHIPPED_CODES, Codes
from dicom_node.workflow.clinical_import.fhir_import import FhirReport, import_bundles, import_from_server
from dicom_node.workflow.clinical_import.fhir_job import FhirJob

TODAY = date(2026, 3, 1)
ANNA = patient_key(b"A1")
SYSTEM = "urn:oid:1.2.3"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.db")
    receive(opened, "1.2.1", patient_key=ANNA)
    yield opened
    opened.close()


def resource(kind: str, id_: str, updated: str = "2026-01-01T00:00:00Z", **fields: Any) -> Resource:
    subject = {} if kind == "Patient" else {"subject": {"reference": "Patient/p1"}}
    return {"resourceType": kind, "id": id_, "meta": {"lastUpdated": updated}, **subject, **fields}


def patient(id_: str = "p1", value: str = "A1", **fields: Any) -> Resource:
    return resource("Patient", id_, identifier=[{"system": SYSTEM, "value": value}], **fields)


def coded(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def weight(id_: str, value: float, unit: str = "kg", day: str = "2025-02-01", **fields: Any) -> Resource:
    return resource(
        "Observation",
        id_,
        **{
            "status": "final",
            "code": coded("http://loinc.org", "29463-7"),
            "effectiveDateTime": f"{day}T09:00:00+01:00",
            "valueQuantity": {"value": value, "code": unit},
            **fields,
        },
    )


def condition(id_: str, code: str, onset: str = "2024-05-06", **fields: Any) -> Resource:
    system = "http://hl7.org/fhir/sid/icd-10-cm" if code[0].isalpha() else "http://snomed.info/sct"
    return resource("Condition", id_, **{"code": coded(system, code), "onsetDateTime": onset, **fields})


def medication(id_: str, code: str, status: str = "active", **period: str) -> Resource:
    return resource(
        "MedicationStatement",
        id_,
        status=status,
        medicationCodeableConcept=coded("http://www.whocc.no/atc", code),
        effectivePeriod={"start": "2024-01-01", **period},
    )


def bundled(journal: Journal, folder: Path, *resources: Resource, **settings: Any) -> FhirReport:
    path = folder / "bundle.json"
    entries = [{"resource": item} for item in resources]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    return import_bundles([path], journal, FhirSettings(**settings), recorded_by="me", today=TODAY)


def known(journal: Journal) -> dict[str, object]:
    return {fact.name: fact.value for fact in journal.facts(ANNA)}


def test_a_bundle_is_understood_by_its_codes(journal: Journal, tmp_path: Path) -> None:
    report = bundled(
        journal,
        tmp_path,
        weight("o1", 132.0, "[lb_av]"),
        condition("c1", "S52.501A"),
        condition("c2", "443165006", "2025-01-02"),
        condition("c3", "M05.79", "2019"),
        condition("c4", "M06.9", "2019-03-04"),
        medication("m1", "M05BX04"),
        medication("m2", "H02AB06", "completed", end="2024-03-01"),
        patient(gender="female", birthDate="1950-05-05", deceasedDateTime="2025-12-24T10:00:00Z"),
    )
    assert report.problems == []
    assert known(journal) == {
        "birth_date": "1950-05-05",
        "sex": "F",
        "weight_kg": pytest.approx(59.874, abs=0.001),
        "clinical.rheumatoid_arthritis": True,
        "current_drug": "denosumab",
        "clinical.osteoporosis_medication": True,
        "glucocorticoids": True,
    }
    told = [(item.kind, item.occurred_on, item.site, item.mechanism) for item in journal.outcomes(ANNA)]
    assert told == [
        ("fracture", "2024-05-06", "wrist", "unknown"),
        ("fracture", "2025-01-02", "unknown", "fragility"),
        ("death", "2025-12-24", "", ""),
    ]
    steroid = next(fact for fact in journal.facts(ANNA) if fact.name == "glucocorticoids")
    assert (steroid.valid_until, steroid.told.reference) == ("2024-03-01", "MedicationStatement/m2")
    assert report.counted["Condition: no day"] == 1  # the year alone


def test_what_is_not_understood_is_counted_and_never_guessed(journal: Journal, tmp_path: Path) -> None:
    report = bundled(
        journal,
        tmp_path,
        patient(deceasedBoolean=True),
        resource("Encounter", "e1"),
        weight("o1", 60, "stone"),
        weight("o2", 60, valueQuantity={"value": 60, "code": "kg", "comparator": "<"}),
        weight("o3", 60, status="preliminary"),
        weight("o4", 60, effectiveDateTime="2025-02"),
        weight("o5", 60, code=coded("http://loinc.org", "0000-0")),
        weight("o6", 60, subject={"reference": "Patient/somebody"}),
        condition("c1", "S52.501A", verificationStatus=coded("x", "refuted")),
        condition("c2", "Z00.0"),
        medication("m1", "M05BX04", "not-taken"),
        medication("m2", "M05BX04", "completed"),
    )
    assert (known(journal), journal.outcomes(ANNA)) == ({}, [])
    assert dict(report.counted) == {
        "Patient: death without its day": 1,
        "Patient: read": 1,
        "Encounter: not read": 1,
        "Observation: value or unit not known": 2,
        "Observation: not final": 1,
        "Observation: no day": 1,
        "Observation: code not known": 1,
        "Observation: of no patient here": 1,
        "Condition: not confirmed": 1,
        "Condition: code not known": 1,
        "MedicationStatement: not taken": 1,
        "MedicationStatement: no last day": 1,
    }


def test_what_is_no_fhir_is_named_with_its_place(journal: Journal, tmp_path: Path) -> None:
    report = bundled(
        journal, tmp_path, patient(), weight("o1", 60, status=["final"]), weight("o2", 6000), weight("o3", 61)
    )
    assert [problem.partition(":")[0] for problem in report.problems] == ["Observation/o1", "Observation/o2"]
    assert "status" in report.problems[0]
    assert "outside 25 to 300" in report.problems[1]
    assert known(journal) == {"weight_kg": 61}
    other = tmp_path / "other.json"
    other.write_text('{"resourceType": "Patient"}')
    with pytest.raises(ConfigurationError, match="no FHIR Bundle"):
        import_bundles([other], journal, FhirSettings(), recorded_by="me", today=TODAY)


def test_a_bundle_twice_is_one_a_changed_one_corrects_and_a_declared_error_withdraws(
    journal: Journal, tmp_path: Path
) -> None:
    bundled(journal, tmp_path, patient(), weight("o1", 60), condition("c1", "S72.001A"))
    again = bundled(journal, tmp_path, patient(), weight("o1", 60), condition("c1", "S72.001A"))
    assert {str(word) for word, number in again.added.items() if number} == {"unchanged"}
    changed = bundled(journal, tmp_path, patient(), weight("o1", 66, status="amended"))
    assert changed.added["corrected"] == 1  # type: ignore[index]
    assert known(journal) == {"weight_kg": 66}
    wrong = condition("c1", "S72.001A", verificationStatus=coded("x", "entered-in-error"))
    assert bundled(journal, tmp_path, patient(), wrong).withdrawn == 1
    assert journal.outcomes(ANNA) == []
    assert [item.withdrawn for item in journal.outcomes(ANNA, history=True)] == [False, True]


@pytest.mark.parametrize(
    ("identifiers", "system", "is_anna"),
    [
        ([{"system": SYSTEM, "value": "A1"}, {"system": "ssn", "value": "1"}], SYSTEM, True),
        ([{"system": "ssn", "value": "A1"}], SYSTEM, False),
        ([{"type": coded("v2-0203", "MR"), "value": "A1"}, {"system": "ssn", "value": "1"}], "", True),
        ([{"value": "A1"}], "", True),
        ([{"value": "A1"}, {"value": "A2"}], "", False),
    ],
)
def test_a_patient_is_told_by_the_identifier_that_is_the_patient_id(
    journal: Journal, tmp_path: Path, identifiers: list[Resource], system: str, is_anna: bool
) -> None:
    one = resource("Patient", "p1", identifier=identifiers, gender="male")
    bundled(journal, tmp_path, one, identifier_system=system)
    assert known(journal) == ({"sex": "M"} if is_anna else {})


def test_the_shipped_codes_are_sound_and_a_sites_own_are_checked(tmp_path: Path) -> None:
    codes = Codes.read()
    assert "http://loinc.org|29463-7" in codes.observed
    own = tmp_path / "codes.toml"
    own.write_text(SHIPPED_CODES.read_text().replace('name = "weight_kg"', 'name = "wieght_kg"'))
    with pytest.raises(ConfigurationError, match="wieght_kg"):
        Codes.read(own)
    own.write_text("systems = 1")
    with pytest.raises(ConfigurationError, match="no file of codes"):
        Codes.read(own)


class TestServer:
    """The same from a server."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, Any]:
        token = tmp_path / "token"
        token.write_text("secret\n")
        return {"identifier_system": SYSTEM, "name": "clinic", "page_size": 2, "token_file": token}

    def fetch(self, journal: Journal, url: str, settings: dict[str, Any]) -> FhirReport:
        asked = FhirSettings(url=url, **settings)
        client = FhirClient(asked)
        try:
            return import_from_server(client, journal, asked, recorded_by="job", today=TODAY)
        finally:
            client.close()

    def test_pages_are_followed_and_the_next_run_asks_for_changes_only(
        self, journal: Journal, settings: dict[str, Any]
    ) -> None:
        resources = [patient(), *(weight(f"o{day}", 60 + day, day=f"2025-02-0{day}") for day in range(1, 6))]
        with fhir_server(resources, "Bearer secret") as server:
            first = self.fetch(journal, server.url, settings)
            assert first.counted["Observation: read"] == 5
            assert len(journal.facts(ANNA)) == 5
            server.asked.clear()
            resources.append(weight("o9", 70, day="2025-03-01", updated="2026-02-01T00:00:00Z"))
            second = self.fetch(journal, server.url, settings)
            assert second.added["new"] == 1  # type: ignore[index]
            observations = next(wanted for kind, wanted in server.asked if kind == "Observation")
            assert observations["_lastUpdated"] == "ge2026-01-01T00:00:00Z"
            assert "http://loinc.org|29463-7" in observations["code"]

    def test_of_a_patient_who_is_new_here_everything_is_asked_though_nothing_changed(
        self, journal: Journal, settings: dict[str, Any]
    ) -> None:
        resources = [patient(), patient("p2", "B2"), weight("o2", 50, subject={"reference": "Patient/p2"})]
        with fhir_server(resources, "Bearer secret") as server:
            assert self.fetch(journal, server.url, settings).counted["Observation: of no patient here"] == 1
            receive(journal, "1.2.2", patient_key=patient_key(b"B2"))
            due = {item.study_instance_uid: item for item in journal.due_studies(10)}
            journal.record_facts([(due["1.2.2"], StudyFacts(patient_id="B2"))])
            self.fetch(journal, server.url, settings)
            assert [fact.value for fact in journal.facts(patient_key(b"B2"))] == [50]
            assert not any("B2" in address for address in server.addresses)  # addresses stand in logs

    def test_a_server_that_refuses_is_told_and_the_next_run_starts_where_this_one_did(
        self, journal: Journal, settings: dict[str, Any]
    ) -> None:
        with fhir_server([patient(gender="female")], "Bearer other") as server:
            with pytest.raises(FhirError, match=r"check the credentials of \[fhir\]"):
                self.fetch(journal, server.url, settings)
            server.authorization = "Bearer secret"
            self.fetch(journal, server.url, settings)
        assert known(journal) == {"sex": "F"}

    def test_credentials_go_to_no_other_server(self, journal: Journal, settings: dict[str, Any]) -> None:
        with (
            fhir_server([weight(f"o{number}", 60) for number in range(5)]) as server,
            fhir_server([]) as other,
        ):
            server.next_at = other.url
            with pytest.raises(FhirError, match="at another server"):
                self.fetch(journal, server.url, settings)
            assert other.addresses == []

    @pytest.mark.parametrize("path", ["/nothing", ""])
    def test_what_is_no_fhir_server_is_named_so(
        self, journal: Journal, settings: dict[str, Any], path: str
    ) -> None:
        with fhir_server([patient()], "Bearer secret") as server:
            url = server.url
        with pytest.raises(FhirError, match="cannot be reached"):
            self.fetch(journal, url + path, settings)


def test_the_node_asks_by_itself_and_not_all_the_time(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    with fhir_server([patient(gender="female")], "Bearer secret") as server:
        extra = f'[fhir]\nurl = "{server.url}"\nidentifier_system = "{SYSTEM}"\ntoken_file = "{token}"\n'
        config = load_config(tmp_path, extra=extra)
        opened = Journal(config.node.data_dir / "journal.db")
        receive(opened, "1.2.1", patient_key=ANNA)
        job = FhirJob(config, opened)
        assert list(job.jobs) == ["fhir"]
        job.look()
        wait_until(lambda: bool(opened.fhir_last_read("fhir")), seconds=60)
        job.stop()
        assert known(opened) == {"sex": "F"}
        asked = len(server.asked)
        job.look()
        FhirJob(config, opened).look()  # after a restart of the node
        assert len(server.asked) == asked == 4
        opened.close()
