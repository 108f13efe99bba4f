"""What a user may rely on when this project's models are held against published ones."""

from __future__ import annotations

import json
import math
import time
from importlib import resources
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.config import ClinicalContext
from analysis.risk.comparators import (
    COMPARATORS,
    FEMORAL_NECK_T,
    FRAX_MAJOR,
    ComparatorScore,
    comparator_scores,
    comparators,
)

DATA = resources.files("analysis.risk.comparators") / "data"
VECTORS = json.loads((DATA / "qfracture2012.json").read_text())["test_vectors"]
TABLES = json.loads((DATA / "uk2008_published_tables.json").read_text())


def table(rows: list[dict[str, Any]]) -> Any:
    return SimpleNamespace(frame=pd.DataFrame(rows))


def one(name: str, **values: Any) -> ComparatorScore:
    """The comparator `name` for one patient; dots of predictor names are written as two underscores."""
    ethnicity = values.pop("ethnicity", None)
    further = {key.replace("__", "."): value for key, value in values.items()}
    found = comparators(ClinicalContext(), further=further, ethnicity=ethnicity)
    return next(score for score in found if score.name == name)


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
@pytest.mark.parametrize("outcome", ["osteoporotic", "hip"])
def test_qfracture_gives_the_published_programs_values_at_every_year(
    vector: dict[str, Any], outcome: str
) -> None:
    inputs = dict(vector["input"])
    row = {"age_years": inputs.pop("age"), "bmi_kg_m2": inputs.pop("bmi")}
    row |= {"male": float(vector["sex"] == "male")} | {f"qfracture.{k}": v for k, v in inputs.items()}
    scores = comparator_scores(table([row]))[f"qfracture2012-{outcome}"]
    assert scores.probability is not None and scores.horizons is not None
    by_year = dict(zip(scores.horizons, 100 * scores.probability[0], strict=True))
    for year, expected in vector[f"by_year_{outcome}"].items():
        assert by_year[int(year)] == pytest.approx(expected, abs=1e-6)
    if "expect_10y" in vector:
        assert scores.scores[0] == pytest.approx(vector["expect_10y"][outcome], abs=1e-6)


def test_qfracture_reads_the_catalogues_predictors_as_its_own_inputs() -> None:
    common = {"age_years": 75.9, "male": 0.0, "bmi_kg_m2": 24.0}
    catalogue = common | {
        "clinical.prior_fracture": 1,
        "clinical.falls_past_year": 2,
        "clinical.glucocorticoid_mg_d": 5.0,
        "clinical.egfr_ml_min": 25.0,
        "clinical.alcohol_units_d": 4.0,
        "clinical.current_smoker": 1,
        "ethnicity": "Chinese",
    }
    own = common | {
        f"qfracture.{name}": value
        for name, value in {
            "b_fracture4": 1,
            "b_falls": 1,
            "b_corticosteroids": 1,
            "b_renal": 1,
            "alcohol_cat6": 3,
            "smoke_cat": 2,
            "ethrisk": 8,
        }.items()
    }
    scores = comparator_scores(table([catalogue, own]))["qfracture2012-osteoporotic"].scores
    assert scores[0] == scores[1]


@given(
    age=st.integers(30, 100),
    male=st.sampled_from([0.0, 1.0]),
    bmi=st.floats(20, 40),
    prior=st.sampled_from([0.0, 1.0, math.nan]),
)
@settings(max_examples=50, deadline=None)
def test_qfracture_is_a_probability_that_never_falls_with_years(
    age: int, male: float, bmi: float, prior: float
) -> None:
    row = {"age_years": age, "male": male, "bmi_kg_m2": bmi, "clinical.prior_fracture": prior}
    probability = comparator_scores(table([row]))["qfracture2012-hip"].probability
    assert probability is not None
    assert ((probability >= 0) & (probability <= 1)).all()
    assert (np.diff(probability[0]) >= 0).all()


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("qfracture2012-hip", {"age_years": 29.9, "male": 0, "bmi_kg_m2": 25}, "30 to 100 years"),
        ("qfracture2012-hip", {"age_years": 60, "male": 0, "bmi_kg_m2": 19.9}, "20 to 40 kg/m²"),
        ("qfracture2012-hip", {"age_years": 60, "male": 0}, "body mass index is unknown"),
        ("qfracture2012-hip", {"age_years": 60, "bmi_kg_m2": 25}, "sex is unknown"),
        ("ost", {"age_years": 60, "male": 1, "weight_kg": 60}, "for women"),
        ("orai", {"age_years": 44, "male": 0, "weight_kg": 60}, "from 45"),
        ("score", {"age_years": 60, "male": 0, "weight_kg": 60}, "ethnicity"),
        ("uk2008-table-major-no-bmd", {"age_years": 49, "male": 0}, "50 to 80"),
        ("uk2008-table-major", {"age_years": 60, "male": 0}, "femoral-neck"),
        ("uk2008-table-major", {"age_years": 60, "male": 0, FEMORAL_NECK_T: -4.5}, "-4 to 1"),
        ("uk2008-table-hip", {"age_years": 50, "male": 0, FEMORAL_NECK_T: 1.0}, "corner"),
        (
            "uk2008-table-hip",
            {"age_years": 85, "male": 0, FEMORAL_NECK_T: -2.0, "clinical__prior_fracture": 1},
            "to 80 years",
        ),
        ("bmd-only", {"age_years": 60, "male": 0}, "not measured"),
        ("frax-entered-major", {"age_years": 60, "male": 0}, "entered no"),
        ("frax-entered-major", {FRAX_MAJOR: 130.0}, "percentage"),
    ],
)
def test_a_value_outside_the_published_range_is_absent_with_a_reason(
    name: str, values: dict[str, Any], reason: str
) -> None:
    score = one(name, **values)
    assert score.value is None
    assert score.probability == ()
    assert score.reason is not None and reason in score.reason


def test_screening_indices_follow_their_published_rules() -> None:
    woman = {"age_years": 70.0, "male": 0, "weight_kg": 52.0}
    ost, osta = one("ost", **woman), one("osta", **woman)
    assert (ost.value, ost.category) == (-3.0, "at risk")  # 0.2·(52 − 70) = −3.6, truncated
    assert (osta.value, osta.category) == (-3.0, "medium risk")
    orai = one("orai", **woman)
    assert (orai.value, orai.category) == (9 + 9 + 2, "DXA advised")
    assert one("orai", age_years=50, male=0, weight_kg=75, **{"site.current_oestrogen": 1}).value == 0
    score = one("score", ethnicity="Chinese", clinical__prior_fracture=1, **woman)
    assert score.value == 5 + 4 + 21 + 1 - 11  # 52 kg = 114.6 lb


def test_the_higher_score_is_the_riskier_whatever_the_units() -> None:
    rows = [
        {"age_years": 50.0, "male": 0, "weight_kg": 75.0, "one_third.bmd_g_cm2": 0.7},
        {"age_years": 80.0, "male": 0, "weight_kg": 45.0, "one_third.bmd_g_cm2": 0.5},
    ]
    scores = comparator_scores(table(rows))
    for name in ("age-sex", "bmd-only", "ost", "osta", "orai", "osteoporosis-logistic"):
        assert scores[name].scores[1] > scores[name].scores[0], name


def test_the_published_prevalence_model_is_reproduced() -> None:
    score = one("osteoporosis-logistic", age_years=70.0, male=0.0)
    assert score.probability == ((None, pytest.approx(1 / (1 + math.exp(6.178 - 6.79)))),)
    man = one("osteoporosis-logistic", age_years=70.0, male=1.0)
    assert man.probability[0][1] == pytest.approx(1 / (1 + math.exp(6.178 + 0.885 - 6.79)))


@pytest.mark.parametrize("sex", ["women", "men"])
@pytest.mark.parametrize(("outcome", "name"), [("mof", "major"), ("hip", "hip")])
def test_the_uk_2008_approximation_gives_every_printed_cell(sex: str, outcome: str, name: str) -> None:
    male = float(sex == "men")
    cells = [
        (float(age), t, value)
        for age, row in TABLES[f"{outcome}_{sex}"].items()
        for t, value in zip(TABLES["table3_T_columns"], row, strict=True)
        if value is not None
    ]
    rows = [{"age_years": age, "male": male, FEMORAL_NECK_T: float(t)} for age, t, _ in cells]
    scores = comparator_scores(table(rows))[f"uk2008-table-{name}"].scores
    np.testing.assert_allclose(scores, [value for *_, value in cells])

    predictors = {"ra": "clinical.rheumatoid_arthritis", "prev_fx": "clinical.prior_fracture"}
    for factor, predictor in predictors.items():
        rows = [{"age_years": float(a), "male": male, predictor: 1} for a in TABLES["table2_ages"]]
        without_bmd = comparator_scores(table(rows))[f"uk2008-table-{name}-no-bmd"].scores
        np.testing.assert_allclose(without_bmd, TABLES["table2_noBMD"][f"{sex}_{outcome}"][factor])


def test_between_printed_cells_the_approximation_is_bilinear() -> None:
    score = one("uk2008-table-major", age_years=65.0, male=0, **{FEMORAL_NECK_T: -1.5})
    assert score.value == pytest.approx((5.6 + 7.9 + 8.4 + 11.5) / 4)


def test_what_the_site_entered_is_passed_through_unchanged() -> None:
    score = one("frax-entered-major", **{FRAX_MAJOR: 12.3})
    assert score.value == 12.3
    assert score.probability == ((10, pytest.approx(0.123)),)
    assert "entered by the site" in score.source


def test_only_what_the_site_entered_is_called_frax() -> None:
    for comparator in COMPARATORS:
        texts = (comparator.name, comparator.title, comparator.source, comparator.note)
        if not comparator.name.startswith("frax-entered"):
            assert not any("frax" in text.lower() for text in texts), comparator.name


def test_every_qfracture_score_carries_licence_and_disclaimer() -> None:
    for score in comparators(ClinicalContext(age_years=60.0, sex="F", height_mm=1600, weight_kg=60.0)):
        if score.name.startswith("qfracture"):
            assert score.value is not None
            assert "LGPL" in score.licence
            assert "responsibility of the end user" in score.disclaimer


def test_header_and_site_entries_are_enough_for_one_patient() -> None:
    context = ClinicalContext(age_years=72.0, sex="F", weight_kg=50.0, prior_fragility_fracture=True)
    found = {score.name: score for score in comparators(context)}
    assert found["ost"].value == -4
    assert found["uk2008-table-major-no-bmd"].value == pytest.approx(20 + 0.2 * 8)
    assert found["qfracture2012-hip"].reason == "body mass index is unknown"


def test_further_entries_of_the_site_count() -> None:
    body = {"age_years": 72.0, "sex": "F", "weight_kg": 50.0, "height_mm": 1550.0}
    plain, faller = (
        ClinicalContext(**body),
        ClinicalContext(**body, predictors={"clinical.falls_past_year": 2}),
    )
    risks = [
        next(s.value for s in comparators(context) if s.name == "qfracture2012-hip")
        for context in (plain, faller)
    ]
    assert risks[0] is not None and risks[1] is not None and risks[1] > risks[0]


def test_sixty_thousand_people_take_seconds_and_agree_with_one_by_one() -> None:
    rng = np.random.default_rng(1)
    size = 60_000
    frame = pd.DataFrame(
        {
            "age_years": rng.uniform(25, 105, size),
            "male": rng.integers(0, 2, size).astype(float),
            "height_mm": rng.normal(1620, 80, size),
            "weight_kg": np.where(rng.random(size) < 0.05, np.nan, rng.normal(62, 11, size)),
            "clinical.prior_fracture": rng.integers(0, 2, size).astype(float),
            "clinical.alcohol_units_d": rng.exponential(1, size),
            FEMORAL_NECK_T: rng.normal(-1.5, 1.2, size),
            "ethnicity": rng.choice(["chinese", "white", "black"], size),
        }
    )
    began = time.process_time()
    scores = comparator_scores(SimpleNamespace(frame=frame))  # type: ignore[arg-type]
    assert time.process_time() - began < 5
    for i in range(0, 40):
        values = {name: frame[name][i] for name in frame.columns if name != "ethnicity"}
        for single in comparators(ClinicalContext(), further=values, ethnicity=frame["ethnicity"][i]):
            many = scores[single.name]
            if single.value is None:
                assert np.isnan(many.scores[i]) and many.reasons[i] == single.reason
            else:
                assert abs(many.scores[i]) == pytest.approx(abs(single.value)) and many.reasons[i] == ""
