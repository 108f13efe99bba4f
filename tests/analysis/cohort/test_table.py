"""A site's table is read as it stands, or refused with row, column, rule and cure."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from analysis.cohort.columns import DEATH, FRACTURE
from analysis.cohort.table import load_cohort
from analysis.errors import ConfigurationError
from analysis.risk.comparators import comparator_scores
from analysis.risk.predictors import PREDICTORS

SCHEMA = Path(__file__).parents[3] / "docs" / "cohort-schema.md"

pytest.importorskip("pandas")

HEADER = "subject_id,age_years,male,height_mm,weight_kg,one_third.bmd_g_cm2,years,ending,cause,ethnicity"
ROWS = (
    "A-1,71.5,0,1540,52,0.512,3.2,1,wrist,chinese",
    "A-2,64,1,1700,70,,10,0,,chinese",
    "A-3,80,0,1500,48,0.43,1.5,2,,",
)


def table(directory: Path, *rows: str, header: str = HEADER) -> Path:
    path = directory / "cohort.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path


def test_a_csv_becomes_a_cohort(tmp_path: Path) -> None:
    cohort = load_cohort(table(tmp_path, *ROWS))
    assert cohort.ids == ["A-1", "A-2", "A-3"]
    assert cohort.follow_up.ending.tolist() == [FRACTURE, 0, DEATH]
    assert cohort.follow_up.years.tolist() == [3.2, 10.0, 1.5]
    features = cohort.features(["age_years", "one_third.bmd_g_cm2", "turnover.ctx_ng_l"])
    assert features[0].tolist()[:2] == [71.5, 0.512]
    assert np.isnan(features[1, 1])
    assert np.isnan(features[:, 2]).all()  # known to the catalogue, not to this site
    assert cohort.true_risk(5) is None
    assert cohort.visits() is None
    assert cohort.has("one_third.bmd_g_cm2") and not cohort.has("turnover.ctx_ng_l")


def test_body_mass_index_follows_from_height_and_weight(tmp_path: Path) -> None:
    cohort = load_cohort(table(tmp_path, *ROWS))
    assert cohort.features(["bmi_kg_m2"])[0, 0] == pytest.approx(52 / 1.54**2)


def test_parquet_and_csv_give_the_same_cohort(tmp_path: Path) -> None:
    from_csv = load_cohort(table(tmp_path, *ROWS))
    from_csv.frame.to_parquet(tmp_path / "cohort.parquet")
    assert load_cohort(tmp_path / "cohort.parquet").frame.equals(from_csv.frame)


def test_subjects_can_be_chosen_by_position_and_by_mask(tmp_path: Path) -> None:
    cohort = load_cohort(table(tmp_path, *ROWS))
    assert cohort.take(np.array([2, 0])).ids == ["A-3", "A-1"]
    chosen = cohort.take(np.array([False, True, True]))
    assert chosen.ids == ["A-2", "A-3"]
    assert chosen.frame.index.tolist() == [0, 1]
    assert chosen.rows.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("A-4,171,0,1540,52,0.5,3,0,,", "row 5, column age_years: age_years = 171 a lies outside 18 to 110"),
        ("A-4,71,2,1540,52,0.5,3,0,,", "column male: male = 2"),
        ("A-4,71,0,1540,52,O.5,3,0,,", "column one_third.bmd_g_cm2: 'O.5' is no number"),
        ("A-4,71,0,1540,52,inf,3,0,,", "'inf' is no number"),
        ("A-4,71,0,154,52,0.5,3,0,,", "column height_mm"),
        ("A-4,71,0,1540,52,0.5,0,0,,", "years = 0 must be above 0"),
        ("A-4,71,0,1540,52,0.5,,0,,", "column years: is empty"),
        ("A-4,71,0,1540,52,0.5,3,3,,", "ending = 3 must be 0 (censored), 1 (fracture) or 2 (death)"),
        ("A-4,71,0,1540,52,0.5,3,0,wrist,", "wrist stands beside an ending that is no fracture"),
        ("A-4,71,0,1540,52,0.5,3,1,ankle,", "ankle is none of wrist, hip, spine, humerus"),
        ("A-1,71,0,1540,52,0.5,3,0,,", "A-1 occurs twice"),
        (",71,0,1540,52,0.5,3,0,,", "column subject_id: is empty"),
    ],
)
def test_a_broken_rule_is_named_with_row_column_and_cure(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_cohort(table(tmp_path, *ROWS, row))
    assert said in str(refused.value)
    assert "row 5" in str(refused.value)


def test_every_broken_row_is_counted_and_the_first_twenty_are_shown(tmp_path: Path) -> None:
    rows = [f"B-{number},5,0,1540,52,0.5,3,0,," for number in range(30)]
    with pytest.raises(ConfigurationError) as refused:
        load_cohort(table(tmp_path, *rows))
    assert "breaks 30 rule(s)" in str(refused.value)
    assert str(refused.value).count("\n  row ") == 20
    assert "and 10 more" in str(refused.value)


def test_columns_that_are_not_understood_are_named_with_a_guess(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    header = HEADER + ",clinical.prior_fractures,ward"
    with caplog.at_level(logging.WARNING):
        cohort = load_cohort(table(tmp_path, *(row + ",1,7b" for row in ROWS), header=header))
    assert "clinical.prior_fractures (did you mean clinical.prior_fracture?)" in caplog.text
    assert cohort.manifest["unknown_columns"] == ["clinical.prior_fractures", "ward"]
    assert "ward" not in cohort.frame


def test_columns_that_are_needed_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no column years, ending; docs/cohort-schema\.md"):
        load_cohort(table(tmp_path, "A-1,60", header="subject_id,age_years"))


@pytest.mark.parametrize("name", ["cohort.xlsx", "absent.csv", "absent.parquet"])
def test_what_is_no_table_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError):
        load_cohort(tmp_path / name)


def test_a_directory_without_a_finished_cohort_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no finished cohort"):
        load_cohort(tmp_path)


def test_no_model_may_ask_for_the_truth_nor_for_what_nobody_knows(tmp_path: Path) -> None:
    cohort = load_cohort(table(tmp_path, *ROWS))
    for name in ("truth.risk_5y", "clinical.shoe_size", "subject_id"):
        with pytest.raises(KeyError):
            cohort.features([name])


def test_the_schema_names_every_predictor_with_its_unit() -> None:
    text = SCHEMA.read_text(encoding="utf-8")
    for name, predictor in PREDICTORS.items():
        assert f"| `{name}` | {predictor.family} | {predictor.unit} |" in text


def test_what_a_site_computed_elsewhere_reaches_the_comparators(tmp_path: Path) -> None:
    header = "subject_id,years,ending,age_years,male,site.frax_major_percent"
    path = table(tmp_path, "A,10,0,70,0,18", "B,4,1,60,1,", header=header)
    scores = comparator_scores(load_cohort(path))["frax-entered-major"]
    np.testing.assert_array_equal(scores.scores, [18.0, np.nan])
    assert "entered no" in scores.reasons[1]
