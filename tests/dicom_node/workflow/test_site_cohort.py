"""The site's cohort: one row per patient, follow-up that ends where knowledge ends, nobody on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from node_support import outcome, receive_complete
from pydicom.uid import generate_uid

from analysis.cohort.columns import CAUSE, CENSORED, DEATH, ENDING, FRACTURE, YEARS
from dicom_node.config import LearningSettings
from dicom_node.storage.clinical_records import Outcome, OutcomeKind, Source, Told
from dicom_node.storage.journal import Journal
from dicom_node.workflow.learning.cohort import UNFOLLOWED, SiteCohort, follow_up_end, site_cohort

TOLD = Told(source=Source.CSV, origin="registry")
SCAN, TODAY = date(2020, 1, 1), date(2026, 1, 2)


def fracture(day: str, site: str = "hip", mechanism: str = "fragility", patient: str = "mei") -> Outcome:
    return Outcome(
        patient_key=patient,
        kind=OutcomeKind.FRACTURE,
        occurred_on=day,
        site=site,
        mechanism=mechanism,
        told=TOLD,
    )


def death(day: str) -> Outcome:
    return Outcome(patient_key="mei", kind=OutcomeKind.DEATH, occurred_on=day, told=TOLD)


def seen(day: str) -> Outcome:
    return Outcome(patient_key="mei", kind=OutcomeKind.END_OF_FOLLOW_UP, occurred_on=day, told=TOLD)


def ending(
    *outcomes: Outcome, last_seen: date = SCAN, known_until: date | None = None
) -> tuple[str, int] | None:
    end = follow_up_end(outcomes, SCAN, last_seen, known_until)
    return None if end is None else (end.day.isoformat(), end.ending)


def test_the_first_fracture_after_the_scan_ends_follow_up() -> None:
    assert ending(fracture("2022-05-01"), fracture("2021-05-01"), death("2023-01-01")) == (
        "2021-05-01",
        FRACTURE,
    )


def test_a_fracture_up_to_the_scan_is_no_outcome_of_it() -> None:
    assert ending(fracture("2019-05-01"), fracture("2020-01-01"), seen("2024-01-01")) == (
        "2024-01-01",
        CENSORED,
    )


@pytest.mark.parametrize(("site", "mechanism"), [("other", "fragility"), ("wrist", "trauma")])
def test_fractures_that_the_models_do_not_predict_do_not_count(site: str, mechanism: str) -> None:
    assert ending(fracture("2021-05-01", site, mechanism), seen("2024-01-01")) == ("2024-01-01", CENSORED)


def test_what_is_not_known_of_a_fracture_does_not_make_it_another_one() -> None:
    assert ending(fracture("2021-05-01", "unknown", "unknown")) == ("2021-05-01", FRACTURE)


def test_death_before_a_fracture_ends_follow_up_as_death() -> None:
    assert ending(death("2021-05-01"), seen("2024-01-01")) == ("2021-05-01", DEATH)


def test_a_patient_of_whom_nothing_more_is_known_has_no_follow_up() -> None:
    assert ending() is None


def test_a_later_scan_shows_that_nothing_was_told_until_then() -> None:
    assert ending(last_seen=date(2022, 3, 1)) == ("2022-03-01", CENSORED)


def test_with_complete_reporting_everybody_is_followed_equally_long() -> None:
    """Else fractures, which are told at once, would count longer than their absence."""
    until = date(2021, 1, 1)
    assert ending(known_until=until) == ("2021-01-01", CENSORED)
    assert ending(fracture("2021-05-01"), known_until=until) == ("2021-01-01", CENSORED)
    assert ending(fracture("2020-05-01"), known_until=until) == ("2020-05-01", FRACTURE)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.db")
    yield journal
    journal.close()


def scan(journal: Journal, patient: str, day: str, **inputs: float) -> None:
    receive_complete(journal, generate_uid(entropy_srcs=[patient, day]), patient_key=patient, study_date=day)
    job = journal.claim_analysis("test", 60)
    assert job is not None
    assert journal.finish_analysis(job, outcome(model_inputs=inputs, result_json='{"device": "X"}'))


def cohort(journal: Journal, **settings: float) -> SiteCohort:
    return site_cohort(journal, LearningSettings(**settings), TODAY)  # type: ignore[arg-type]


def test_a_patient_counts_once_from_the_first_scan(journal: Journal) -> None:
    scan(journal, "mei", "20200101", age_years=70.0)
    scan(journal, "mei", "20220101", age_years=72.0)
    journal.add_outcome(fracture("2023-01-01"))
    found = cohort(journal)
    (row,) = [*found.training.frame.to_dict("records"), *found.held_out.frame.to_dict("records")]
    assert (row["age_years"], row[ENDING], row[CAUSE]) == (70.0, FRACTURE, "hip")
    assert row[YEARS] == pytest.approx(3.0, abs=0.01)
    assert "mei" not in str(row)


def test_who_is_left_out_is_counted_with_the_reason(journal: Journal) -> None:
    scan(journal, "mei", "20200101", age_years=70.0)
    scan(journal, "li", "20200101", age_years=70.0)
    journal.add_outcome(fracture("2023-01-01", patient="li"))
    assert cohort(journal).left_out == {UNFOLLOWED: 1}
    assert cohort(journal, window_years=2.0).left_out == {"first scanned before [learning] window_years": 2}


def test_held_out_patients_are_never_trained_on_as_the_cohort_grows(journal: Journal) -> None:
    """Whatever comes later: more patients, more scans of the same ones, another share."""
    trained: set[str] = set()
    held_out: set[str] = set()
    for round_, share in enumerate((0.3, 0.3, 0.8)):
        for number in range(40 * (round_ + 1)):
            if number >= 40 * round_:
                scan(journal, f"patient {number}", "20200101", age_years=60.0 + number % 20)
            else:
                scan(journal, f"patient {number}", f"202{round_}0601", age_years=61.0 + number % 20)
        found = cohort(journal, followed_up_days=30.0, held_out_share=share)
        trained |= set(found.training.ids)
        held_out |= set(found.held_out.ids)
        assert len(found.training) + len(found.held_out) == 40 * (round_ + 1)
    assert trained and held_out
    assert not trained & held_out
