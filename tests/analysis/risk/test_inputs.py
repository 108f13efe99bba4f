"""What a site enters and a header says reaches the models under the catalogue's names."""

from __future__ import annotations

import pytest

from analysis.acquisition.clinical import clinical_context
from analysis.config import ClinicalContext
from analysis.errors import ConfigurationError
from analysis.risk import RiskInputs, known_predictors
from analysis.risk.inputs import feature_phrase, feature_value, is_known_feature


def test_body_mass_index_follows_from_height_and_weight() -> None:
    known = known_predictors(ClinicalContext(height_mm=1600.0, weight_kg=64.0))
    assert known["bmi_kg_m2"] == pytest.approx(25.0)
    assert "bmi_kg_m2" not in known_predictors(ClinicalContext(height_mm=1600.0))


def test_answers_become_predictors_and_unknown_is_never_no() -> None:
    known = known_predictors(ClinicalContext(prior_fragility_fracture=True, current_smoker=False))
    assert known == {"clinical.prior_fracture": 1.0, "clinical.current_smoker": 0.0}


@pytest.mark.parametrize(("answer", "dose"), [(False, 0.0), (True, None), (None, None)])
def test_a_yes_to_glucocorticoids_names_no_dose(answer: bool | None, dose: float | None) -> None:
    known = known_predictors(ClinicalContext(glucocorticoids=answer))
    assert known.get("clinical.glucocorticoid_mg_d") == dose


def test_entries_by_catalogue_name_win() -> None:
    context = ClinicalContext(
        prior_fragility_fracture=False,
        predictors={"clinical.prior_fracture": 1.0, "turnover.ctx_ng_l": 410.0},
    )
    known = known_predictors(context)
    assert (known["clinical.prior_fracture"], known["turnover.ctx_ng_l"]) == (1.0, 410.0)


@pytest.mark.parametrize(
    ("predictors", "rule"),
    [
        ({"clinical.prior_fracture": 0.5}, "must be 0 or 1"),
        ({"turnover.ctx_ng_l": 9e9}, "outside"),
        ({"clinical.falls_past_year": 1.5}, "whole number"),
        ({"shoe_size": 42.0}, "docs/cohort-schema.md"),
        ({"male": 1.0}, "enter it as sex"),
        ({"texture.variogram_sill": 1.0}, "no predictor that can be entered"),
    ],
)
def test_an_entry_that_cannot_be_is_refused_with_the_rule(predictors: dict[str, float], rule: str) -> None:
    with pytest.raises(ConfigurationError, match=rule):
        ClinicalContext(predictors=predictors)


def test_every_entry_is_shown_with_its_provenance() -> None:
    site = ClinicalContext(predictors={"clinical.falls_past_year": 2.0, "clinical.type2_diabetes": 1.0})
    _, provenance = clinical_context([], site)
    assert provenance["falls in the past year"] == "2 (site entry)"
    assert provenance["type 2 diabetes"] == "yes (site entry)"


def test_features_are_read_by_name_from_every_group() -> None:
    inputs = RiskInputs(
        70.0, "M", {}, mechanics={"maximum_strain": 900.0}, predictors={"balance_gait.grip_kg": 30.0}
    )
    assert feature_value(inputs, "male") == 1.0
    assert feature_value(inputs, "mechanics.maximum_strain") == 900.0
    assert feature_value(inputs, "balance_gait.grip_kg") == 30.0
    assert feature_value(inputs, "balance_gait.gait_speed_m_s") is None
    assert is_known_feature("image.score")
    assert not is_known_feature("one_third.bmc_g")
    assert feature_phrase("turnover.ctx_ng_l") == "serum CTX"
