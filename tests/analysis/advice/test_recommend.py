"""What is said to whom, and what never is: behaviour that holds under every rule set."""

from __future__ import annotations

import re

import pytest
from advice_support import SETS, advise, said, table

from analysis.advice import recommend
from analysis.advice.guideline import load_guideline
from analysis.config import ClinicalContext
from analysis.results import RegionMeasurement

WOMAN_72 = {"age_years": 72.0, "sex": "F"}
MAN_68 = {"age_years": 68.0, "sex": "M"}

EVERY_CHECK_PASSED = {
    "weight_kg": 65.0,
    "serum_creatinine_umol_l": 70.0,
    "hypocalcaemia": False,
    "hypercalcaemia": False,
    "clinical_vitamin_d_nmol_l": 80.0,
    "oesophageal_disorder": False,
    "cannot_sit_upright_30_min": False,
    "acute_kidney_injury": False,
    "mi_or_stroke_12_months": False,
    "venous_thromboembolism": False,
    "paget_disease": False,
    "unexplained_high_alp": False,
    "skeletal_radiation": False,
    "skeletal_malignancy": False,
    "hyperparathyroidism": False,
    "current_drug": "none",
    "previous_drug": "none",
}


@pytest.mark.parametrize("guideline", SETS)
@pytest.mark.parametrize("t_score", [-4.0, -2.5, -2.4, -1.1, -1.0, 2.0])
def test_exactly_one_category_from_50_on(guideline: str, t_score: float) -> None:
    advice = advise(guideline, t_score, **WOMAN_72)
    assert sum(rule.startswith("who-") for rule in said(advice)) == 1
    assert advice.diagnosis.category is not None
    assert f"who-{advice.diagnosis.category.replace('_', '-')}" in said(advice)


@pytest.mark.parametrize("guideline", SETS)
def test_no_who_category_and_no_drug_for_a_premenopausal_woman(guideline: str) -> None:
    advice = advise(guideline, -3.5, z_score=-2.6, age_years=43.0, sex="F")
    assert advice.diagnosis.category == "below_expected_range"
    assert not any(item.agents or item.agents_to_check for item in advice.recommendations)
    assert "WHO categories are not applied" in said(advice)["z-below-expected"].text


@pytest.mark.parametrize("guideline", SETS)
def test_a_peripheral_device_gets_no_category_and_no_drug(guideline: str) -> None:
    advice = advise(guideline, None, peripheral=True, **WOMAN_72)
    assert advice.diagnosis.category is None
    assert "peripheral" in advice.diagnosis.reason
    assert "peripheral-device" in said(advice)
    assert not any(item.agents or item.agents_to_check for item in advice.recommendations)
    assert "WHO category" not in said(advice).get("not-evaluated", said(advice)["decision-support"]).text


def test_category_agrees_with_the_printed_decimal() -> None:
    """-2.46 is printed as -2.5, so it is classified as -2.5."""
    advice = advise("aace-2020", -2.46, **WOMAN_72)
    assert "T-score -2.5" in said(advice)["who-osteoporosis"].text
    assert "T-score -2.5" in advice.diagnosis.basis


def test_no_negative_zero_is_printed() -> None:
    assert "T-score 0.0" in said(advise("aace-2020", -0.04, **WOMAN_72))["who-normal"].text


def test_other_regions_are_never_classified() -> None:
    advice = recommend(
        table("aace-2020"),
        clinical=ClinicalContext(age_years=72.0, sex="F"),
        regions={
            "ultradistal": RegionMeasurement(t_score=-4.0),
            "total": RegionMeasurement(t_score=-4.0),
        },
        risk=None,
    )
    assert advice.diagnosis.category is None
    assert "no T-score" in advice.diagnosis.reason
    assert not any(rule.startswith("who-") for rule in said(advice))
    assert "WHO category" in said(advice)["not-evaluated"].text


def test_an_entered_menopausal_state_wins_over_the_age() -> None:
    early = advise("aace-2020", -2.8, age_years=46.0, sex="F", menopause="postmenopausal")
    assert early.diagnosis.category == "osteoporosis"
    assert not any("menopausal, by age" in item for item in early.assumptions)
    late = advise(
        "aace-2020",
        -2.8,
        z_score=-1.0,
        age_years=52.0,
        sex="F",
        menopause="premenopausal",
    )
    assert late.diagnosis.category == "within_expected_range"


def test_a_menopausal_state_taken_from_the_age_is_listed_as_assumed() -> None:
    assert any("postmenopausal, by age" in item for item in advise("acp-2023", -2.8, **WOMAN_72).assumptions)
    assert not any("menopausal" in item for item in advise("acp-2023", -2.8, **MAN_68).assumptions)


@pytest.mark.parametrize("guideline", SETS)
def test_assumptions_and_diagnosis_are_told_in_both_languages(guideline: str) -> None:
    for t_score in (-2.8, None):
        for patient in (WOMAN_72, MAN_68, {"age_years": 40.0, "sex": "F"}):
            advice = advise(guideline, t_score, **patient)
            assert len(advice.assumptions) == len(advice.assumptions_zh)
            assert all(re.search("[\u4e00-\u9fff]", item) for item in advice.assumptions_zh)
            assert bool(advice.diagnosis.basis) == bool(advice.diagnosis.basis_zh)
            assert bool(advice.diagnosis.reason) == bool(advice.diagnosis.reason_zh)


@pytest.mark.parametrize("guideline", SETS)
def test_an_ordinary_study_gets_a_short_list(guideline: str) -> None:
    """Age, sex and a T-score, nothing else: twelve sentences at most, the diagnosis first."""
    for t_score in (-3.2, -1.8, 0.4):
        for patient in (WOMAN_72, MAN_68):
            sentences = advise(guideline, t_score, **patient).recommendations
            assert len(sentences) <= 12, [item.rule_id for item in sentences]
            assert sentences[0].kind == "diagnosis"
            assert sum(item.text.startswith("Not evaluated") for item in sentences) <= 1


@pytest.mark.parametrize("guideline", SETS)
def test_nothing_known_gives_no_advice_beyond_limits(guideline: str) -> None:
    advice = advise(guideline)
    assert {item.kind for item in advice.recommendations} == {"limits"}
    assert said(advice)["not-evaluated"].inputs_missing


def test_unknown_is_never_no() -> None:
    advice = advise("bhof-2022", -1.5, **WOMAN_72)
    assert "smoking" in said(advice)["not-evaluated"].text
    assert "bhof-smoking" not in said(advice)
    answered = advise("bhof-2022", -1.5, current_smoker=False, clinical_alcohol_units_d=0, **WOMAN_72)
    assert "smoking" not in said(answered)["not-evaluated"].text


def test_a_drug_is_plainly_named_only_when_every_gate_is_known() -> None:
    known = advise("acp-2023", -2.9, **WOMAN_72, **EVERY_CHECK_PASSED)
    sentence = said(known)["acp-1a"]
    assert sentence.agents == (
        "alendronate",
        "risedronate",
        "ibandronate",
        "zoledronate",
    )
    assert sentence.agents_to_check == ()
    assert "alendronate 70 mg orally once a week" in sentence.text
    for gate in (
        "hypocalcaemia",
        "oesophageal_disorder",
        "serum_creatinine_umol_l",
        "clinical_vitamin_d_nmol_l",
    ):
        less = {name: value for name, value in EVERY_CHECK_PASSED.items() if name != gate}
        sentence = said(advise("acp-2023", -2.9, **WOMAN_72, **less))["acp-1a"]
        assert "alendronate" not in sentence.agents
        assert "alendronate" in sentence.agents_to_check
        assert "To be settled first" in sentence.text


def test_what_is_ruled_out_is_named_only_as_ruled_out_with_the_reason() -> None:
    patient = WOMAN_72 | EVERY_CHECK_PASSED | {"oesophageal_disorder": True}
    sentence = said(advise("acp-2023", -2.9, **patient))["acp-1a"]
    assert sentence.agents == ("zoledronate",)
    assert "Ruled out: alendronate (oesophageal disorder)" in sentence.text
    assert "禁用：阿仑膦酸钠（食管疾病）" in sentence.text_zh


def test_where_every_drug_is_ruled_out_none_is_advised() -> None:
    patient = WOMAN_72 | EVERY_CHECK_PASSED | {"hypocalcaemia": True}
    sentence = said(advise("acp-2023", -2.9, **patient))["acp-2a"]
    assert sentence.agents == sentence.agents_to_check == ()
    assert sentence.conclusion == ""
    assert sentence.text.startswith("Every drug that this rule names is ruled out")
    assert "low-calcium" in said(advise("acp-2023", -2.9, **patient))


def test_a_drug_not_tolerated_is_ruled_out() -> None:
    patient = WOMAN_72 | EVERY_CHECK_PASSED | {"drugs_not_tolerated": ["alendronate", "risedronate"]}
    sentence = said(advise("acp-2023", -2.9, **patient))["acp-1a"]
    assert sentence.agents == ("ibandronate", "zoledronate")
    assert "alendronate (not tolerated before)" in sentence.text


def test_a_sentence_says_what_it_used_and_what_it_lacked() -> None:
    sentence = said(advise("acp-2023", -2.9, **WOMAN_72))["acp-1a"]
    assert "age 72 y" in sentence.inputs_used
    assert "T-score of the one-third radius -2.9" in sentence.inputs_used
    assert "creatinine clearance" in sentence.inputs_missing
    assert sentence.guideline == "ACP 2023"
    assert sentence.strength == "strong recommendation, high-certainty evidence"


def test_kidney_function_is_cockcroft_gault_or_the_lower_entered_egfr() -> None:
    """72 y, 60 kg, 100 µmol/L, woman: (140 - 72) · 60 · 0.85 / (72 · 1.131) = 42.6 mL/min."""
    patient = WOMAN_72 | EVERY_CHECK_PASSED | {"weight_kg": 60.0, "serum_creatinine_umol_l": 100.0}
    assert "alendronate" in said(advise("acp-2023", -2.9, **patient))["acp-1a"].agents
    lower = patient | {"clinical_egfr_ml_min": 33.0}
    sentence = said(advise("acp-2023", -2.9, **lower))["acp-1a"]
    assert sentence.agents == ("risedronate", "ibandronate")
    assert "the entered eGFR stands for creatinine clearance" in advise("acp-2023", -2.9, **lower).assumptions


def test_calcium_is_judged_by_the_laboratorys_own_limit_or_not_at_all() -> None:
    patient = WOMAN_72 | EVERY_CHECK_PASSED
    del patient["hypocalcaemia"]
    alone = advise("acp-2023", -2.9, **patient, calcium_adjusted_mmol_l=2.15)
    assert "calcium" in said(alone)["acp-1a"].inputs_missing
    low = advise(
        "acp-2023",
        -2.9,
        **patient,
        calcium_adjusted_mmol_l=2.15,
        calcium_lower_limit_mmol_l=2.2,
    )
    assert "low-calcium" in said(low)
    fine = advise(
        "acp-2023",
        -2.9,
        **patient,
        calcium_adjusted_mmol_l=2.25,
        calcium_lower_limit_mmol_l=2.2,
    )
    assert "alendronate" in said(fine)["acp-1a"].agents


@pytest.mark.parametrize("guideline", SETS)
def test_the_research_risk_never_changes_anything_but_its_own_warning(
    guideline: str,
) -> None:
    for patient in (WOMAN_72, MAN_68, {"age_years": 44.0, "sex": "F"}):
        without = said(advise(guideline, -2.6, z_score=-1.0, **patient))
        for category in ("low", "moderate", "high"):
            with_risk = said(advise(guideline, -2.6, z_score=-1.0, research_risk=category, **patient))
            warned = {rule for rule in with_risk if rule.startswith("research-risk")}
            assert len(warned) == 1
            assert {rule: item for rule, item in with_risk.items() if rule not in warned} == without


@pytest.mark.parametrize("guideline", SETS)
def test_every_set_ends_with_the_clinician(guideline: str) -> None:
    for advice in (advise(guideline), advise(guideline, -3.0, **WOMAN_72)):
        assert advice.recommendations[-1].text == "Decision support; the clinician decides."
        assert advice.recommendations[-1].text_zh == "仅供决策支持；由临床医生决定。"


@pytest.mark.parametrize("guideline", SETS)
def test_disabled_rules_never_speak_and_a_sentence_says_so(guideline: str) -> None:
    disabled = load_guideline(table(guideline)).disabled
    advice = advise(
        guideline,
        -3.8,
        **WOMAN_72,
        **EVERY_CHECK_PASSED,
        vertebral_fractures=3,
        frax_major_percent=40,
    )
    assert not {rule.id for rule in disabled} & said(advice).keys()
    if disabled:
        assert said(advice)["disabled-rules"].text.startswith(f"{len(disabled)} of ")
    else:
        assert "disabled-rules" not in said(advice)


@pytest.mark.parametrize("guideline", SETS)
def test_every_sentence_is_bilingual_and_every_drug_has_its_dose(
    guideline: str,
) -> None:
    agents = load_guideline(table(guideline)).agents
    for patient in (WOMAN_72, MAN_68, WOMAN_72 | EVERY_CHECK_PASSED):
        for item in advise(guideline, -3.0, **patient).recommendations:
            assert item.text_zh
            assert "$" not in item.text + item.text_zh
            for name in item.agents + item.agents_to_check:
                assert f"{agents[name].name} {agents[name].dose}" in item.text
                assert f"{agents[name].name_zh} {agents[name].dose_zh}" in item.text_zh
