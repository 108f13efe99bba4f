"""What a user may rely on when the node predicts a fracture risk."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import ConfigurationError
from analysis.results import HORIZONS_YEARS, BmdSource, RegionMeasurement, Severity
from analysis.risk import SHIPPED_MODELS, RiskInputs, RiskModels, load_models

SHIPPED = load_models(SHIPPED_MODELS)

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


def calibrated_inputs(age: float | None = 68.0, sex: Any = "F", **changes: Any) -> RiskInputs:
    values: dict[str, Any] = {
        "one_third_bmd": 0.62,
        "ultradistal_bmd": 0.36,
        "one_third_t": -1.2,
        "ultradistal_t": -1.4,
        "source": BmdSource.PIXELS,
    } | changes
    model = SHIPPED.models[0]
    typical = {f.name: f.training_mean for f in model.features}
    return RiskInputs(
        age,
        sex,
        {
            "one_third": RegionMeasurement(
                bmd_g_cm2=values["one_third_bmd"], bmd_source=values["source"], t_score=values["one_third_t"]
            ),
            "ultradistal": RegionMeasurement(
                bmd_g_cm2=values["ultradistal_bmd"],
                bmd_source=values["source"],
                t_score=values["ultradistal_t"],
            ),
        },
        {n.partition(".")[2]: v for n, v in typical.items() if n.startswith("morphometry.")},
        {n.partition(".")[2]: v for n, v in typical.items() if n.startswith("texture.")},
    )


def test_calibrated_study_is_predicted_by_the_model_for_calibrated_images() -> None:
    prediction, findings = SHIPPED.predict(calibrated_inputs())
    assert prediction is not None
    assert prediction.estimate.model.name == "radius-calibrated"
    assert [finding.code for finding in findings] == ["risk_model_choice"]


def test_vendor_numbers_are_predicted_from_t_scores_and_the_finding_says_why() -> None:
    prediction, findings = SHIPPED.predict(calibrated_inputs(source=BmdSource.VENDOR))
    assert prediction is not None
    assert prediction.estimate.model.name == "radius-t-scores"
    assert "BMD on calibrated pixels of the one-third radius" in findings[0].message
    assert {term.name for term in prediction.terms} == {
        "age_years",
        "male",
        "one_third.t_score",
        "ultradistal.t_score",
    }


def test_vendor_scale_of_bmd_does_not_change_the_risk() -> None:
    """The same T-scores from two makers whose g/cm² differ by 27 % (0.69 and 0.88) give the same risk."""
    one, _ = SHIPPED.predict(calibrated_inputs(source=BmdSource.VENDOR, one_third_bmd=0.69))
    other, _ = SHIPPED.predict(calibrated_inputs(source=BmdSource.VENDOR, one_third_bmd=0.88))
    assert one is not None
    assert one == other


@pytest.mark.parametrize(
    ("source", "warned"), [(BmdSource.VENDOR, True), (BmdSource.PIXELS, False), (None, False)]
)
def test_vendor_t_scores_come_with_a_warning_about_their_reference(source: Any, warned: bool) -> None:
    region = RegionMeasurement(t_score=-2.0, bmd_source=source, score_source=source)
    _, findings = SHIPPED.predict(RiskInputs(70.0, "M", {"one_third": region}))
    assert ("risk_from_vendor_t_scores" in {finding.code for finding in findings}) is warned


def test_only_a_one_third_t_score_is_enough() -> None:
    prediction, _ = SHIPPED.predict(calibrated_inputs(source=BmdSource.VENDOR, ultradistal_t=None))
    assert prediction is not None
    assert prediction.estimate.model.name == "radius-one-third-t-score"


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        (calibrated_inputs(age=None), "every model needs age."),
        (calibrated_inputs(sex=None), "every model needs sex."),
        (
            calibrated_inputs(source=BmdSource.VENDOR, one_third_t=None),
            "radius-one-third-t-score needs T-score of the one-third radius",
        ),
        (RiskInputs(70.0, "F", {}), "T-score of the one-third radius"),
        (calibrated_inputs(age=math.nan), "age"),
    ],
)
def test_without_age_sex_or_bone_there_is_no_risk_but_a_reason(inputs: RiskInputs, named: str) -> None:
    prediction, findings = SHIPPED.predict(inputs)
    assert prediction is None
    assert [(f.code, f.severity) for f in findings] == [("risk_not_computed", Severity.ERROR)]
    assert named in findings[0].message


@pytest.mark.parametrize("age", [39.0, 91.0])
def test_age_outside_the_training_range_is_predicted_unclamped_and_flagged(age: float) -> None:
    prediction, findings = SHIPPED.predict(calibrated_inputs(age=age))
    assert prediction is not None
    extrapolation = next(finding for finding in findings if finding.code == "extrapolation")
    assert f"age {age:g} a" in extrapolation.message
    inside, _ = SHIPPED.predict(calibrated_inputs(age=min(max(age, 41.0), 89.0)))
    assert inside is not None
    assert prediction.estimate.horizons != inside.estimate.horizons


def test_measurement_outside_the_training_range_is_flagged() -> None:
    _, findings = SHIPPED.predict(calibrated_inputs(one_third_bmd=1.9))
    extrapolation = next(f for f in findings if f.code == "extrapolation")
    assert "one-third radius 1.9 g/cm2" in extrapolation.message


@given(age=finite, sex=st.sampled_from("FM"), one_third=finite, ultradistal=finite, calibrated=st.booleans())
def test_risk_never_falls_with_the_horizon_and_lies_within_its_interval(
    age: float, sex: str, one_third: float, ultradistal: float, calibrated: bool
) -> None:
    prediction, _ = SHIPPED.predict(
        calibrated_inputs(
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


@given(one_third=st.floats(-5, 3), less=st.floats(0.1, 2))
def test_lower_bone_density_never_lowers_the_risk(one_third: float, less: float) -> None:
    def ten_years(t_score: float) -> float:
        prediction, _ = SHIPPED.predict(
            calibrated_inputs(source=BmdSource.VENDOR, one_third_t=t_score, ultradistal_t=None)
        )
        assert prediction is not None
        return prediction.estimate.horizons[10].probability

    assert ten_years(one_third - less) > ten_years(one_third)


@pytest.mark.parametrize("model", SHIPPED.models, ids=lambda model: model.identity.name)
def test_in_every_shipped_model_denser_or_thicker_bone_lowers_the_risk(model: Any) -> None:
    protective = ("bmd_g_cm2", "t_score", "cortical_thickness_mm")
    coefficients = {f.name: f.coefficient for f in model.features if f.name.endswith(protective)}
    assert coefficients
    assert all(coefficient < 0 for coefficient in coefficients.values()), coefficients


@pytest.mark.parametrize("model", SHIPPED.models, ids=lambda model: model.identity.name)
def test_category_changes_exactly_at_the_stated_thresholds(model: Any) -> None:
    assert 0 < model.moderate_from < model.high_from < 1
    for threshold in (model.moderate_from, model.high_from):
        assert f"{threshold:.1%}" in model.category_rule
    inputs = calibrated_inputs()
    for age in range(0, 200):
        estimate = model.predict(
            RiskInputs(float(age), "F", inputs.regions, inputs.morphometry, inputs.texture)
        ).estimate
        risk = estimate.horizons[10].probability
        expected = "high" if risk >= model.high_from else "moderate" if risk >= model.moderate_from else "low"
        assert estimate.category == expected


def test_the_model_says_everywhere_that_it_is_research_on_simulated_data() -> None:
    for model in SHIPPED.models:
        assert "simulated" in model.identity.training_data
        assert "research use only" in model.identity.training_data


def test_shipped_models_are_small() -> None:
    assert sum(file.stat().st_size for file in SHIPPED_MODELS.iterdir()) < 300_000


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for file in SHIPPED_MODELS.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def registered(directory: Path, name: str, content: bytes) -> None:
    """Write a model file together with its right SHA-256."""
    (directory / name).write_bytes(content)
    entry = {"file": name, "sha256": hashlib.sha256(content).hexdigest()}
    (directory / "registry.json").write_text(json.dumps({"schema": "1", "models": [entry]}))


def test_a_changed_model_is_refused_before_it_is_parsed(copied: Path) -> None:
    target = copied / "radius-calibrated.json"
    target.write_bytes(b"\x00 not even JSON")
    with pytest.raises(ConfigurationError, match=r"SHA-256.*changed") as error:
        load_models(copied)
    assert "radius-calibrated.json" in str(error.value)


def test_one_changed_digit_is_refused(copied: Path) -> None:
    target = copied / "radius-t-scores.json"
    raw = target.read_bytes()
    position = raw.index(b'"intercepts"') + 20
    while not chr(raw[position]).isdigit():
        position += 1
    digit = b"1" if raw[position : position + 1] != b"1" else b"2"
    target.write_bytes(raw[:position] + digit + raw[position + 1 :])
    with pytest.raises(ConfigurationError, match="SHA-256"):
        load_models(copied)


def test_a_registry_cannot_point_outside_its_directory(copied: Path) -> None:
    (copied / "registry.json").write_text(
        json.dumps({"schema": "1", "models": [{"file": "../elsewhere.json", "sha256": "0" * 64}]})
    )
    with pytest.raises(ConfigurationError, match="plain name"):
        load_models(copied)


def test_a_missing_directory_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="dicom-node train risk"):
        load_models(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: c.update(schema="2"), "schema"),
        (lambda c: c.update(intercepts=c["intercepts"][::-1]), "must not decrease"),
        (lambda c: c["features"][0].update(name="shoe_size"), "shoe_size"),
        (lambda c: c["features"][0].update(coefficient=math.nan), "finite"),
        (lambda c: c.pop("category"), "category"),
        (lambda c: c["ensemble"]["coefficients"][0].pop(), "ensemble"),
        (lambda c: c.update(horizons_years=[1, 2, 3, 4]), "horizons_years"),
    ],
)
def test_a_registered_but_wrong_model_is_refused_by_name(copied: Path, change: Any, named: str) -> None:
    content = json.loads((copied / "radius-t-scores.json").read_bytes())
    change(content)
    registered(copied, "radius-t-scores.json", json.dumps(content).encode())
    with pytest.raises(ConfigurationError, match=r"radius-t-scores\.json") as error:
        load_models(copied)
    assert named in str(error.value)


def test_identity_of_the_models_follows_the_registry(copied: Path) -> None:
    before: RiskModels = load_models(copied)
    registered(copied, "radius-t-scores.json", (copied / "radius-t-scores.json").read_bytes())
    assert load_models(copied).sha256 != before.sha256
