"""What a user may rely on when the node predicts a fracture risk."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import ConfigurationError
from analysis.results import HORIZONS_YEARS, BmdSource, RegionMeasurement, Severity
from analysis.risk import SHIPPED_MODELS, RiskInputs, RiskModel, RiskModels, load_models
from analysis.risk.inputs import feature_value
from analysis.risk.predictors import PREDICTORS

SHIPPED = load_models(SHIPPED_MODELS)
BY_NAME = {model.identity.name: model for model in SHIPPED.models}
T_SCORE_FILE = json.loads((SHIPPED_MODELS / "versions.json").read_bytes())["versions"][-1]["file"]

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


def typical(prefix: str) -> dict[str, float]:
    """Training means of the measured features of a group, by their names without it."""
    features = {f.name: f.training_mean for model in SHIPPED.models for f in model.features}
    return {name.removeprefix(prefix): value for name, value in features.items() if name.startswith(prefix)}


def entered() -> dict[str, float]:
    """Training means of everything a site may enter."""
    features = {f.name: f.training_mean for model in SHIPPED.models for f in model.features}
    return {name: value for name, value in features.items() if name in PREDICTORS}


def study(age: float | None = 68.0, sex: Any = "F", **changes: Any) -> RiskInputs:
    """A calibrated study; by default of a site that has entered nothing."""
    values: dict[str, Any] = {
        "one_third_bmd": 0.62,
        "ultradistal_bmd": 0.36,
        "one_third_t": -1.2,
        "ultradistal_t": -1.4,
        "source": BmdSource.PIXELS,
        "entries": {},
    } | changes
    measured = values["source"] is BmdSource.PIXELS
    return RiskInputs(
        age,
        sex,
        {
            name: RegionMeasurement(
                bmd_g_cm2=values[f"{name}_bmd"], bmd_source=values["source"], t_score=values[f"{name}_t"]
            )
            for name in ("one_third", "ultradistal")
        },
        typical("morphometry.") if measured else {},
        typical("texture.") if measured else {},
        predictors=values["entries"],
    )


def chosen(inputs: RiskInputs) -> str:
    prediction, _ = SHIPPED.predict(inputs)
    assert prediction is not None
    return prediction.estimate.model.name


def without(names: tuple[str, ...]) -> dict[str, float]:
    return {name: value for name, value in entered().items() if not name.startswith(names)}


@pytest.mark.parametrize(
    ("inputs", "model"),
    [
        (study(entries=entered()), "full"),
        (study(entries=without(("balance_gait", "turnover"))), "clinical-bmd-texture"),
        (study(), "deployable"),
        (study(source=BmdSource.VENDOR), "t-scores"),
        (study(source=BmdSource.VENDOR, ultradistal_t=None), "one-third-t-score"),
    ],
)
def test_the_best_model_that_the_data_allow_is_used(inputs: RiskInputs, model: str) -> None:
    assert chosen(inputs) == model


def test_without_texture_clinical_entries_and_markers_still_count() -> None:
    complete = study(entries=without(("balance_gait",)))
    inputs = RiskInputs(complete.age_years, complete.sex, complete.regions, predictors=complete.predictors)
    assert chosen(inputs) == "simplified"


def test_the_finding_says_which_model_and_why() -> None:
    _, findings = SHIPPED.predict(study(source=BmdSource.VENDOR))
    choice = next(finding for finding in findings if finding.code == "risk_model_choice")
    assert "model t-scores because" in choice.message
    assert "BMD on calibrated pixels of the one-third radius" in choice.message
    _, findings = SHIPPED.predict(study(entries={"clinical.prior_fracture": 1.0}))
    assert any("at least" in f.message and "clinical inputs (has 1)" in f.message for f in findings)


def test_what_is_unknown_is_named_and_widens_the_interval() -> None:
    everything = study(entries=entered())
    gaps = study(entries={n: v for n, v in entered().items() if n != "clinical.falls_past_year"})
    known, _ = SHIPPED.predict(everything)
    imputed, findings = SHIPPED.predict(gaps)
    assert known is not None
    assert imputed is not None
    remark = next(finding for finding in findings if finding.code == "risk_inputs_imputed")
    assert "falls in the past year" in remark.message
    assert [term.name for term in imputed.terms if term.imputed] == ["clinical.falls_past_year"]
    for years in HORIZONS_YEARS:
        assert _width(imputed, years) > _width(known, years)


def _width(prediction: Any, years: int) -> float:
    low, high = prediction.estimate.horizons[years].interval
    return math.log(high / low)


@pytest.mark.parametrize("sex", ["F", "M"])
@pytest.mark.parametrize("entries", [{}, entered(), without(("turnover.pinp", "clinical.egfr", "genetics"))])
def test_terms_and_baseline_add_up_to_the_log_hazard(sex: str, entries: dict[str, float]) -> None:
    inputs = study(age=81.0, sex=sex, one_third_bmd=0.5, entries=entries)
    prediction, _ = SHIPPED.predict(inputs)
    assert prediction is not None
    model = BY_NAME[prediction.estimate.model.name]
    values = [[feature_value(inputs, f.name) for f in model.features]]
    expected = model.log_hazard(np.array(values, dtype=float))[0]
    total = prediction.baseline_log_hazard + math.fsum(term.contribution for term in prediction.terms)
    assert total == pytest.approx(expected, abs=1e-9)
    assert prediction.log_hazard == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["full", "deployable", "t-scores"])
def test_a_terms_coefficient_is_the_local_slope(name: str) -> None:
    model = BY_NAME[name]
    values = np.array([[1.0 if f.name == "male" else f.value(0.7) for f in model.features]])
    prediction = model.predict(inputs_of(model, values[0]))
    for index, (feature, term) in enumerate(zip(model.features, prediction.terms, strict=True)):
        step = 1e-4 * feature.deviation * (1.0 if feature.transform == "identity" else abs(values[0, index]))
        moved = np.repeat(values, 2, axis=0)
        moved[:, index] += [-step, step]
        low, high = model.log_hazard(moved)
        assert term.coefficient == pytest.approx((high - low) / (2 * step), rel=1e-3, abs=1e-5)


def inputs_of(model: RiskModel, values: np.ndarray) -> RiskInputs:
    """Inputs that give a model these values."""
    by_name = {f.name: float(value) for f, value in zip(model.features, values, strict=True)}
    groups: dict[str, dict[str, float]] = {}
    for name, value in by_name.items():
        group, _, quantity = name.partition(".")
        groups.setdefault(group, {})[quantity] = value
    regions = {
        name: RegionMeasurement(
            bmd_g_cm2=groups.get(name, {}).get("bmd_g_cm2"),
            bmd_source=BmdSource.PIXELS,
            t_score=groups.get(name, {}).get("t_score"),
        )
        for name in ("one_third", "ultradistal")
    }
    return RiskInputs(
        by_name["age_years"],
        "M" if by_name["male"] > 0.5 else "F",
        regions,
        groups.get("morphometry", {}),
        groups.get("texture", {}),
        predictors={n: v for n, v in by_name.items() if n in PREDICTORS and n not in ("age_years", "male")},
    )


def test_vendor_scale_of_bmd_does_not_change_the_risk() -> None:
    """The same T-scores from two makers whose g/cm² differ by 27 % (0.69 and 0.88) give the same risk."""
    one, _ = SHIPPED.predict(study(source=BmdSource.VENDOR, one_third_bmd=0.69))
    other, _ = SHIPPED.predict(study(source=BmdSource.VENDOR, one_third_bmd=0.88))
    assert one is not None
    assert one == other


@pytest.mark.parametrize(
    ("source", "warned"), [(BmdSource.VENDOR, True), (BmdSource.PIXELS, False), (None, False)]
)
def test_vendor_t_scores_come_with_a_warning_about_their_reference(source: Any, warned: bool) -> None:
    region = RegionMeasurement(t_score=-2.0, bmd_source=source, score_source=source)
    _, findings = SHIPPED.predict(RiskInputs(70.0, "M", {"one_third": region}))
    assert ("risk_from_vendor_t_scores" in {finding.code for finding in findings}) is warned


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        (study(age=None), "every model needs age."),
        (study(sex=None), "every model needs sex."),
        (
            study(source=BmdSource.VENDOR, one_third_t=None),
            "one-third-t-score needs T-score of the one-third radius",
        ),
        (RiskInputs(70.0, "F", {}), "T-score of the one-third radius"),
        (study(age=math.nan), "age"),
    ],
)
def test_without_age_sex_or_bone_there_is_no_risk_but_a_reason(inputs: RiskInputs, named: str) -> None:
    prediction, findings = SHIPPED.predict(inputs)
    assert prediction is None
    assert [(f.code, f.severity) for f in findings] == [("risk_not_computed", Severity.ERROR)]
    assert named in findings[0].message


@pytest.mark.parametrize("age", [35.0, 97.0])
def test_age_outside_the_training_range_is_predicted_unclamped_and_flagged(age: float) -> None:
    prediction, findings = SHIPPED.predict(study(age=age))
    assert prediction is not None
    extrapolation = next(finding for finding in findings if finding.code == "extrapolation")
    assert f"age {age:g} a" in extrapolation.message
    inside, _ = SHIPPED.predict(study(age=min(max(age, 41.0), 89.0)))
    assert inside is not None
    assert prediction.estimate.horizons != inside.estimate.horizons


def test_measurement_outside_the_training_range_is_flagged() -> None:
    _, findings = SHIPPED.predict(study(one_third_bmd=1.9))
    extrapolation = next(f for f in findings if f.code == "extrapolation")
    assert "one-third radius 1.9 g/cm2" in extrapolation.message


@settings(max_examples=40, deadline=None)
@given(age=finite, sex=st.sampled_from("FM"), one_third=finite, ultradistal=finite, calibrated=st.booleans())
def test_risk_never_falls_with_the_horizon_and_lies_within_its_interval(
    age: float, sex: str, one_third: float, ultradistal: float, calibrated: bool
) -> None:
    prediction, _ = SHIPPED.predict(
        study(
            age=age,
            sex=sex,
            one_third_bmd=one_third,
            ultradistal_bmd=ultradistal,
            one_third_t=one_third,
            ultradistal_t=ultradistal,
            source=BmdSource.PIXELS if calibrated else BmdSource.VENDOR,
        )
    )
    assert prediction is not None
    risks = [prediction.estimate.horizons[years] for years in HORIZONS_YEARS]
    probabilities = [risk.probability for risk in risks]
    assert probabilities == sorted(probabilities)
    for risk in risks:
        low, high = risk.interval
        assert 0 <= low <= risk.probability <= high <= 1


@pytest.mark.parametrize("model", SHIPPED.models, ids=lambda model: model.identity.name)
def test_in_every_shipped_model_age_raises_and_density_lowers_the_risk(model: RiskModel) -> None:
    middle = np.array([[f.value(0.0) for f in model.features]])
    for name, sign in (("age_years", 1), ("bmd_g_cm2", -1), ("t_score", -1)):
        moved = middle.copy()
        for index, feature in enumerate(model.features):
            if feature.name.endswith(name):
                moved[0, index] = feature.value(1.0)
        if np.array_equal(moved, middle):
            continue
        assert np.sign(model.risk(moved)[0, -1] - model.risk(middle)[0, -1]) == sign


@pytest.mark.parametrize("model", SHIPPED.models, ids=lambda model: model.identity.name)
def test_category_changes_exactly_at_the_stated_thresholds(model: RiskModel) -> None:
    assert 0 < model.moderate_from < model.high_from < 1
    for threshold in (model.moderate_from, model.high_from):
        assert f"{threshold:.1%}" in model.category_rule
    values = np.array([f.value(0.0) for f in model.features])
    for age in range(20, 120, 5):
        values[0] = float(age)
        estimate = model.predict(inputs_of(model, values)).estimate
        risk = estimate.horizons[10].probability
        expected = "high" if risk >= model.high_from else "moderate" if risk >= model.moderate_from else "low"
        assert estimate.category == expected


def test_many_subjects_at_once_get_what_each_gets_alone() -> None:
    model = BY_NAME["deployable"]
    rng = np.random.default_rng(3)
    values = np.array(
        [
            [f.value(z) for f, z in zip(model.features, row, strict=True)]
            for row in rng.normal(size=(6, len(model.features)))
        ]
    )
    values[2, -1] = values[4, -2] = math.nan
    together = model.interval(values)
    for index, row in enumerate(values):
        np.testing.assert_allclose(model.interval(row[None, :])[0], together[index])
        np.testing.assert_allclose(model.risk(row[None, :])[0], model.risk(values)[index])


def test_the_model_says_everywhere_that_it_is_research_on_simulated_data() -> None:
    for model in SHIPPED.models:
        assert "simulated" in model.identity.training_data
        assert "research use only" in model.identity.training_data


def test_shipped_models_are_small() -> None:
    assert sum(file.stat().st_size for file in SHIPPED_MODELS.iterdir()) < 1_500_000


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for file in SHIPPED_MODELS.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def registered(directory: Path, name: str, content: bytes, **more: Any) -> None:
    """Write a model file together with its right SHA-256."""
    (directory / name).write_bytes(content)
    entry = {"file": name, "sha256": hashlib.sha256(content).hexdigest(), **more}
    (directory / "registry.json").write_text(json.dumps({"schema": "2", "models": [entry]}))


def test_a_changed_model_is_refused_before_it_is_parsed(copied: Path) -> None:
    (copied / T_SCORE_FILE).write_bytes(b"\x00 not even JSON")
    with pytest.raises(ConfigurationError, match=r"SHA-256.*changed") as error:
        load_models(copied)
    assert T_SCORE_FILE in str(error.value)


def test_one_changed_digit_is_refused(copied: Path) -> None:
    raw = (copied / T_SCORE_FILE).read_bytes()
    position = raw.index(b'"coefficients"') + 20
    while not chr(raw[position]).isdigit():
        position += 1
    digit = b"1" if raw[position : position + 1] != b"1" else b"2"
    (copied / T_SCORE_FILE).write_bytes(raw[:position] + digit + raw[position + 1 :])
    with pytest.raises(ConfigurationError, match="SHA-256"):
        load_models(copied)


def test_weights_beside_a_model_are_held_to_their_hash_too(copied: Path) -> None:
    weights = b"numbers of a network"
    (copied / "network.safetensors").write_bytes(weights)
    beside = [{"file": "network.safetensors", "sha256": hashlib.sha256(weights).hexdigest()}]
    registered(copied, T_SCORE_FILE, (copied / T_SCORE_FILE).read_bytes(), weights=beside)
    assert len(load_models(copied).models) == 1
    (copied / "network.safetensors").write_bytes(weights + b".")
    with pytest.raises(ConfigurationError, match=r"network\.safetensors.*SHA-256"):
        load_models(copied)


@pytest.mark.parametrize(
    ("file", "rule"), [("../elsewhere.json", "plain name"), ("model.pkl", "accepted format")]
)
def test_a_registry_names_no_other_directory_and_no_pickle(copied: Path, file: str, rule: str) -> None:
    (copied / "registry.json").write_text(
        json.dumps({"schema": "2", "models": [{"file": file, "sha256": "0" * 64}]})
    )
    with pytest.raises(ConfigurationError, match=rule):
        load_models(copied)


def test_a_missing_directory_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="dicom-node train risk"):
        load_models(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: c.update(schema="1"), "schema"),
        (lambda c: c["features"][0].update(name="shoe_size"), "shoe_size"),
        (lambda c: c["features"][0].update(transform="square"), "transform"),
        (lambda c: c["features"][0].update(deviation=0), "deviation"),
        (lambda c: c["fracture"]["coefficients"].__setitem__(0, math.nan), "finite"),
        (lambda c: c["fracture"]["terms"].__setitem__(0, ["shoe_size"]), "terms"),
        (lambda c: c["death"]["knots_log_years"].reverse(), "knots_log_years"),
        (lambda c: c.pop("category"), "category"),
        (lambda c: c["refits"]["fracture_coefficients"][0].pop(), "refits"),
        (lambda c: c["correlation"].pop(), "correlation"),
        (lambda c: c.update(horizons_years=[1, 2, 3, 4]), "horizons_years"),
        (lambda c: c.update(calibration={"kind": "beta", "parameters": [-1, 1, 0]}), "beta"),
        (lambda c: c.update(calibration={"kind": "isotonic", "parameters": [0, 1, 0.5, 0.2]}), "fall"),
        (lambda c: c.update(family_minimum={"astrology": 1}), "astrology"),
    ],
)
def test_a_registered_but_wrong_model_is_refused_by_name(copied: Path, change: Any, named: str) -> None:
    content = json.loads((copied / T_SCORE_FILE).read_bytes())
    change(content)
    registered(copied, T_SCORE_FILE, json.dumps(content).encode())
    with pytest.raises(ConfigurationError, match="risk model") as error:
        load_models(copied)
    assert named in str(error.value)
    assert T_SCORE_FILE in str(error.value)


def test_identity_of_the_models_follows_the_registry(copied: Path) -> None:
    before: RiskModels = load_models(copied)
    registered(copied, T_SCORE_FILE, (copied / T_SCORE_FILE).read_bytes())
    assert load_models(copied).sha256 != before.sha256
