"""What a reader concludes, in both languages: diagnosis, change, risk, advice, the impression, refusals."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest
from pydicom import Dataset
from report_support import make_analysis

from analysis.results import (
    Contribution,
    DensitometricDiagnosis,
    QualityFinding,
    Recommendation,
    Severity,
    Status,
    StudyAnalysis,
    TrendPoint,
)
from reports.identity import RESEARCH_STATEMENT
from reports.sentences import (
    assumption_sentences,
    comparison_sentences,
    context_sentences,
    diagnosis_sentence,
    impression_sentences,
    indication_sentences,
    limit_sentences,
    other_bone_sentences,
    provenance_sentences,
    quality_sentences,
    recommendation_sentences,
    refusal_sentences,
    region_sentences,
    research_statement,
    risk_sentences,
    shape_sentences,
    technique_sentences,
    texture_sentence,
)

LOW = DensitometricDiagnosis(
    "low_bone_mass",
    "T-score -2.3 of the one-third radius (WHO; ISCD)",
    basis_zh="桡骨远端1/3 T值 -2.3（WHO；ISCD）",
)
NONE = DensitometricDiagnosis(
    None, reason="The one-third radius has no T-score.", reason_zh="桡骨远端1/3没有T值。"
)
ADVICE = Recommendation(
    "work_up",
    "Look for secondary causes. Then treat.",
    "Table 17",
    rule_id="secondary",
    text_zh="查找继发性病因。然后治疗。",
    guideline="AACE/ACE 2020",
    strength="Grade B, evidence level I",
    inputs_used=("age 68.6 y",),
    inputs_missing=("smoking",),
)


def test_the_impression_has_three_sentences_what_was_found_the_risk_and_what_to_do_first() -> None:
    analysis = make_analysis(diagnosis=LOW, recommendations=(ADVICE,))
    assert impression_sentences(analysis) == [
        "One-third radius BMD 0.556 ± 0.004 g/cm²: low bone mass (osteopenia), T-score -2.3 of the one-third "
        "radius (WHO; ISCD); -3.7 % since 2024-11-01, exceeds the least significant change of 1.5 %.",
        "Fracture risk within 10 y 19.9 % (90 % interval 13.9 to 26.8 %; moderate risk, research model); "
        "raised most by one-third radius BMD 0.556 g/cm² and age 68.6 y.",
        "First: Look for secondary causes. More under Advice.",
    ]
    assert impression_sentences(analysis, "zh") == [
        "桡骨远端1/3骨密度 0.556 ± 0.004 g/cm²：骨量减少（低骨量），桡骨远端1/3 T值 -2.3（WHO；ISCD）；"
        "自 2024-11-01 以来变化 -3.7%，超过最小有意义变化（1.5%）。",
        "10 年内骨折风险 19.9%（90%区间 13.9%～26.8%；中等风险，研究用模型）；使风险升高最多的因素："
        "桡骨远端1/3骨密度 0.556 g/cm²、年龄 68.6 岁。",
        "首先：查找继发性病因。详见建议部分。",
    ]


def test_the_impression_says_why_there_is_no_category_and_no_risk() -> None:
    said = impression_sentences(make_analysis(diagnosis=NONE, risk=None, explanation=(), changes=()))
    assert said[0].endswith("; no densitometric category: The one-third radius has no T-score.")
    assert said[1] == "No fracture risk was computed; the quality findings say why."


def test_what_merely_lists_licensed_drugs_or_states_a_limit_is_not_what_to_do_first() -> None:
    listed = replace(ADVICE, kind="treatment", conclusion="options", text="Licensed: a, b, c.")
    limit = replace(ADVICE, kind="limits", text="Decision support.")
    assert impression_sentences(make_analysis(recommendations=(listed, limit)))[2:] == []


def test_inputs_without_influence_or_without_a_value_of_their_own_are_not_named_as_drivers() -> None:
    drivers = (
        Contribution("age_years", 60.0, 0.9, "a", imputed=True),
        Contribution("weight_kg", 70.0, 0.001, "kg"),
    )
    assert "raised most" not in impression_sentences(make_analysis(explanation=drivers))[1]


@pytest.mark.parametrize(
    ("diagnosis", "language", "said"),
    [
        (None, "en", None),
        (NONE, "en", "No densitometric category: The one-third radius has no T-score."),
        (NONE, "zh", "未给出骨密度诊断分类：桡骨远端1/3没有T值。"),
        (LOW, "zh", "骨密度诊断分类：骨量减少（低骨量）。依据：桡骨远端1/3 T值 -2.3（WHO；ISCD）"),
    ],
)
def test_the_diagnosis_comes_with_its_basis_or_its_reason(
    diagnosis: DensitometricDiagnosis | None, language: str, said: str | None
) -> None:
    assert diagnosis_sentence(make_analysis(diagnosis=diagnosis), language) == said  # type: ignore[arg-type]


def test_a_follow_up_names_the_prior_its_machine_and_the_source_of_the_least_significant_change() -> None:
    lsc = QualityFinding(
        "lsc_published",
        Severity.INFO,
        "Changes are judged by the published precision of forearm DXA times 2.77 (Hologic QDR-1000, 100 "
        "women), not by this site's own precision.",
    )
    point = TrendPoint(date(2024, 11, 1), {"one_third": 0.578}, "Hologic Horizon", True)
    english = comparison_sentences(make_analysis(trend=(point,), quality=(lsc,)))
    assert english[0] == "Compared with the study of 2024-11-01 (Hologic Horizon; the same machine)."
    assert english[-1] == lsc.message
    chinese = comparison_sentences(make_analysis(trend=(point,), quality=(lsc,)), "zh")
    assert chinese[0] == "与 2024-11-01 的检查比较（Hologic Horizon；同一设备）。"
    assert chinese[1].startswith(
        "桡骨远端1/3：自 2024-11-01 以来 2.0 年间变化 -0.021 g/cm²（-3.7%，每年 -1.8%）"
    )
    assert "100名女性" in chinese[-1]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("machine_changed", "another machine without cross-calibration"),
        ("cross_calibrated", "another machine, converted by the site's cross-calibration"),
    ],
)
def test_another_machine_is_named_as_such(code: str, said: str) -> None:
    assert said in comparison_sentences(make_analysis(quality=(QualityFinding(code, Severity.INFO, "."),)))[0]


def test_a_change_between_machines_is_left_open_and_not_called_unknown() -> None:
    change = replace(make_analysis().changes[0], significant=None)
    text = comparison_sentences(make_analysis(changes=(change,)))[1]
    assert text.endswith("not judged, as the machines differ without cross-calibration")


def test_a_baseline_says_that_there_was_nothing_to_compare_with() -> None:
    said = comparison_sentences(make_analysis(changes=()), "zh")
    assert said == ["没有同侧前臂的既往检查可供比较。"]


def test_the_technique_names_side_scanner_calibration_and_how_much_is_in_doubt() -> None:
    english, chinese = (technique_sentences(make_analysis(), language) for language in ("en", "zh"))
    assert english[0] == "DXA of the left forearm"
    assert english[-1] == "Technical quality: 1 warning, see the quality findings"
    assert chinese[0] == "左侧前臂双能X线吸收检测（DXA）"
    assert chinese[-1] == "技术质量：有 1 条警告，见质量说明"
    assert technique_sentences(make_analysis(laterality=None))[0].endswith("side not declared")


def test_the_indication_is_what_the_header_says_and_an_absent_one_is_said() -> None:
    header, request = Dataset(), Dataset()
    header.ReasonForStudy = "Fragility fracture of the wrist"
    header.AdmittingDiagnosesDescription = ["Hyperparathyroidism", "Osteopenia"]
    request.RequestedProcedureDescription = "DXA forearm"
    header.RequestAttributesSequence = [request]
    assert indication_sentences(header) == [
        "Reason for the study: Fragility fracture of the wrist",
        "Requested procedure: DXA forearm",
        "Admitting diagnoses: Hyperparathyroidism; Osteopenia",
    ]
    assert indication_sentences(Dataset(), "zh") == ["DICOM文件头中未注明检查指征。"]


def test_advice_names_guideline_strength_source_and_what_is_missing() -> None:
    analysis = make_analysis(recommendations=(ADVICE,))
    assert recommendation_sentences(analysis) == [
        "Look for secondary causes. Then treat. [AACE/ACE 2020; Grade B, evidence level I; Table 17; "
        "not known: smoking]"
    ]
    assert recommendation_sentences(analysis, "zh", traced=True) == [
        "查找继发性病因。然后治疗。[AACE/ACE 2020；推荐等级 B，证据等级 I；Table 17；规则 secondary；"
        "判定所用信息：年龄 68.6 岁；未知：吸烟]"
    ]


def test_advice_of_a_site_without_chinese_is_given_in_its_own_words() -> None:
    analysis = make_analysis(recommendations=(replace(ADVICE, text_zh=""),))
    assert recommendation_sentences(analysis, "zh")[0].startswith("Look for secondary causes. Then treat.")


def test_assumptions_are_told() -> None:
    analysis = make_analysis(assumptions=("postmenopausal, by age",), assumptions_zh=("按年龄判定为绝经后",))
    assert assumption_sentences(analysis) == ["Assumed: postmenopausal, by age"]
    assert assumption_sentences(analysis, "zh") == ["假定：按年龄判定为绝经后"]


def refused(status: Status, reason: str) -> StudyAnalysis:
    return StudyAnalysis("1.2.3", status, reason, "ab" * 32, "0.3.0")


def test_a_refusal_says_why_and_what_to_do() -> None:
    reason = "The image has no contrast: no bone can be seen in it. Send the diagnostic scan."
    assert refusal_sentences(refused(Status.REJECTED, reason), "zh") == [
        "本检查无法分析：未产生任何数值、轮廓或风险估计。",
        "原因：图像没有对比度：看不到骨。请发送诊断用扫描。",
        "更正上述问题后请重新发送该检查，系统将重新分析。在此之前，请在没有本分析的情况下阅片。",
    ]
    declined = refusal_sentences(
        refused(Status.NOT_APPLICABLE, "The study holds no DXA image (Modality CT).")
    )
    assert declined[1] == "Reason: The study holds no DXA image (Modality CT)."
    assert declined[2].startswith("Nothing needs to be done, unless")
    assert refusal_sentences(make_analysis()) == []


def test_the_research_statement_people_read_is_the_one_on_every_object() -> None:
    assert research_statement("en") == RESEARCH_STATEMENT
    assert research_statement("zh") == "人工智能结果 - 仅供研究 - 不用于诊断"


def test_every_sentence_keeps_its_numbers_in_chinese() -> None:
    analysis = make_analysis(
        other_bones={"ulna": make_analysis().regions}, mechanics={"mean_strain_index": 2150.0}
    )
    assert analysis.risk is not None
    pairs = [
        (said(analysis, "en"), said(analysis, "zh"))
        for said in (
            region_sentences,
            other_bone_sentences,
            shape_sentences,
            quality_sentences,
            limit_sentences,
            provenance_sentences,
            context_sentences,
        )
    ]
    pairs.append(([texture_sentence(analysis) or ""], [texture_sentence(analysis, "zh") or ""]))
    pairs.append((risk_sentences(analysis.risk), risk_sentences(analysis.risk, "zh")))
    for english, chinese in pairs:
        assert len(english) == len(chinese)
        for left, right in zip(english, chinese, strict=True):
            assert re.search("[\u4e00-\u9fff]", right)
            numbers = set(re.findall(r"\d+\.\d+", left))
            assert numbers <= set(re.findall(r"\d+\.\d+", right))
