"""The explanation reads as a person would say it, in both languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.measurement import density_distribution, mechanics, morphometry
from analysis.measurement.texture.core_set import CORE
from analysis.results import Contribution, RegionMeasurement
from analysis.risk.predictors import FAMILIES, PREDICTORS
from analysis.wording import (
    LANGUAGES,
    Language,
    explanation_lead,
    explanation_sentences,
    family_sentence,
    family_shares,
    feature_name,
    main_drivers,
)
from analysis.wording.names import ENTERED, FAMILY_NAMES, YES_OR_NO
from analysis.wording.numbers import COUNTS

REGIONS = {"one_third": RegionMeasurement(bmd_g_cm2=0.512, t_score=-2.94)}
BONE = Contribution("one_third.bmd_g_cm2", 0.512, 0.62, "g/cm2", "densitometry", 0.59)
AGE = Contribution("age_years", 70.2, 0.2, "a", "demography", 64.0)
WOMAN = Contribution("male", 0.0, 0.31, "1", "demography", 0.25)
WALL = Contribution("morphometry.cortical_thickness_mm", 2.9, -0.18, "mm", "microstructure", 2.6)
MARKER = Contribution("turnover.ctx_ng_l", 310.0, 0.03, "ng/L", "turnover", 300.0, imputed=True)


def told(*explanation: Contribution, language: Language = "en") -> list[str]:
    return explanation_sentences(explanation, REGIONS, language)


def test_the_strongest_input_is_told_first_with_its_distance_from_the_reference() -> None:
    assert told(AGE, BONE)[0] == (
        "One-third radius BMD 0.512 g/cm², 2.9 SD below the reference, "
        "raises the estimated risk most (+0.62)."
    )
    assert told(AGE, BONE, language="zh")[0] == (
        "桡骨远端1/3骨密度 0.512 g/cm²，低于参考值 2.9 个标准差，是使估计风险升高最多的因素（+0.62）。"
    )


def test_most_is_said_only_of_one_among_several() -> None:
    sentences = told(BONE, AGE, WALL)
    assert sum(" most " in sentence for sentence in sentences) == 1
    assert "Cortical thickness 2.90 mm, above the average of 2.60 mm, lowers the estimated risk (-0.18)." in (
        sentences
    )


def test_a_bone_below_the_young_reference_but_above_the_average_is_told_as_both() -> None:
    dense = Contribution("one_third.bmd_g_cm2", 0.64, -0.2, "g/cm2", "densitometry", 0.59)
    assert told(dense)[0] == (
        "One-third radius BMD 0.640 g/cm², 2.9 SD below the reference but above the average of 0.590 g/cm², "
        "lowers the estimated risk (-0.20)."
    )
    assert (
        "低于参考值 2.9 个标准差，但高于平均值 0.590 g/cm²，使估计风险降低" in told(dense, language="zh")[0]
    )


def test_yes_and_no_are_told_as_words() -> None:
    def fracture(value: float) -> Contribution:
        return Contribution("clinical.prior_fracture", value, value - 0.1, "1", "clinical", 0.1)

    assert told(fracture(1.0))[0] == "Prior fragility fracture raises the estimated risk (+0.90)."
    assert told(fracture(0.0))[0] == "No prior fragility fracture lowers the estimated risk (-0.10)."
    assert told(fracture(0.0), language="zh")[0] == "无既往脆性骨折，使估计风险降低（-0.10）。"
    assert told(WOMAN)[0] == "Female sex raises the estimated risk (+0.31)."
    assert told(WOMAN, language="zh")[0] == "女性，使估计风险升高（+0.31）。"


def test_counts_and_lengths_are_told_as_people_count_and_measure() -> None:
    falls = Contribution("clinical.falls_past_year", 2.0, 0.1, "1", "clinical", 0.44)
    height = Contribution("height_mm", 1631.0, 0.1, "mm", "demography", 1655.0)
    assert told(falls)[0].startswith("Number of falls in the past year 2, above the average of 0.4, raises")
    dose = Contribution("clinical.glucocorticoid_mg_d", 0.0, -0.2, "mg/d", "clinical", 0.31)
    assert "equivalent) 0 mg/day, below the average of 0.310 mg/day, lowers" in told(dose)[0]
    assert told(height)[0].startswith("Height 163.1 cm, below the average of 165.5 cm, raises")


@pytest.mark.parametrize(("language", "words"), [("en", "has no influence"), ("zh", "没有影响")])
def test_what_rounds_to_nothing_has_no_influence(language: Language, words: str) -> None:
    small = Contribution("weight_kg", 62.0, -0.004, "kg", "demography", 61.0)
    sentence = told(small, BONE, language=language)[1]
    assert words in sentence
    assert "0.00" not in sentence


def test_unknown_inputs_are_named_together_and_not_told_as_measured() -> None:
    weight = Contribution("weight_kg", 66.0, 0.0, "kg", "demography", 66.0, imputed=True)
    assert "Serum CTX and weight are not known; the averages of comparable people were used (+0.03)." in told(
        BONE, MARKER, weight
    )
    assert "Weight is not known; the average of comparable people was used." in told(BONE, weight)
    assert "血清CTX、体重未知，采用了可比人群的平均值（+0.03）。" in told(BONE, MARKER, weight, language="zh")
    assert not any("310" in sentence for sentence in told(BONE, MARKER))


def test_inputs_beyond_the_first_six_are_summed_up() -> None:
    many = [Contribution(f"texture.feature_{n}", 1.0, n / 10) for n in range(1, 8)]
    assert told(*many)[-1] == "1 further input raises the estimated risk (+0.10)."
    assert told(*many, language="zh")[-1] == "其余 1 项因素合计使估计风险升高（+0.10）。"


def test_families_account_for_what_distinguishes_the_estimate() -> None:
    assert told(BONE, AGE, WALL)[-1] == (
        "Bone density accounts for 62 % of what distinguishes this estimate from the average; "
        "age, sex and body size for 20 %; bone structure and texture for 18 %."
    )
    assert told(BONE, AGE, WALL, language="zh")[-1] == (
        "骨密度占该估计值与平均水平差异的 62%；年龄、性别和体格占 20%；骨结构与纹理占 18%。"
    )
    assert told(AGE)[-1].startswith("Age, sex and body size account for 100 %")


def test_features_that_cancel_within_a_family_do_not_inflate_its_share() -> None:
    one = Contribution("one_third.bmd_g_cm2", 0.5, 1.0, "g/cm2", "densitometry")
    other = Contribution("ultradistal.bmd_g_cm2", 0.3, -0.9, "g/cm2", "densitometry")
    age = Contribution("age_years", 70.0, 0.3, "a", "demography")
    shares = {item.family: item.share for item in family_shares((one, other, age))}
    assert shares == {"demography": pytest.approx(0.75), "densitometry": pytest.approx(0.25)}


@given(st.lists(st.tuples(st.sampled_from(FAMILIES), st.floats(-3, 3)), max_size=12))
def test_shares_add_up_to_one_and_sums_to_the_whole(parts: list[tuple[str, float]]) -> None:
    explanation = [Contribution("age_years", 1.0, value, "a", family) for family, value in parts]
    shares = family_shares(explanation)
    if shares:
        assert sum(item.share for item in shares) == pytest.approx(1.0)
        assert sum(item.contribution for item in shares) == pytest.approx(sum(v for _, v in parts), abs=1e-9)


def test_nothing_to_explain_is_nothing_said() -> None:
    assert told() == []
    assert family_sentence([Contribution("age_years", 60.0, 0.0, "a", "demography")], "en") is None


def test_the_catalogue_names_every_input_in_both_languages() -> None:
    assert set(ENTERED) == set(PREDICTORS)
    assert set(FAMILY_NAMES) == set(FAMILIES)
    binary = {name for name, item in PREDICTORS.items() if item.kind == "binary"}
    assert binary - {"male"} == YES_OR_NO
    assert {name for name, item in PREDICTORS.items() if item.kind == "count"} == COUNTS
    measured = [
        *(f"morphometry.{name}" for name in morphometry.CATALOGUE),
        *(f"mechanics.{name}" for name in mechanics.CATALOGUE),
        *(f"density_distribution.{name}" for name in density_distribution.CATALOGUE),
        *(f"texture.{name}" for name in CORE),
        *(
            f"{region}.{of}"
            for region in ("ultradistal", "mid", "one_third", "total")
            for of in ("bmd_g_cm2",)
        ),
        "image.score",
    ]
    names = {language: [feature_name(name, language) for name in measured] for language in LANGUAGES}
    assert not any("_" in name for name in names["en"])
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in name) for name in names["zh"])
    assert len(set(names["en"])) == len(measured)


def test_texture_is_named_as_the_standard_names_it() -> None:
    assert feature_name("texture.original_glcm_JointEnergy", "en") == "GLCM second moment"
    assert feature_name("texture.original_glrlm_ShortRunEmphasis", "en") == "GLRLM short run emphasis"


def test_the_lead_says_what_the_numbers_in_brackets_are() -> None:
    assert "doubles" in explanation_lead("en")
    assert "加倍" in explanation_lead("zh")


def test_the_main_drivers_tell_texture_as_one_and_leave_out_what_moves_little() -> None:
    explanation = [
        Contribution("age_years", 68.6, 0.35, "a"),
        Contribution("texture.variogram_log_sill", -8.3, -0.30, "1"),
        Contribution("texture.original_glcm_Idm", 0.4, -0.25, "1"),
        Contribution("bmi_kg_m2", 24.0, -0.09, "kg/m2"),
        Contribution("weight_kg", 60.0, 2.0, "kg", imputed=True),
    ]
    assert main_drivers(explanation, "en", count=2) == (
        ["age 68.6 y"],
        ["the texture of the ultradistal radius"],
    )
    assert main_drivers(explanation, "zh", count=2)[1] == ["桡骨超远端纹理"]
