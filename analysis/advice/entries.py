"""What a site may enter for advice beyond the predictors of the risk models: the catalogue and its limits.

Names are those of the JSON file of `dicom_node.clinical_entries` and of conditions in a rule table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

EntryKind = Literal["number", "yes_no", "choice", "choices"]
EntryValue = float | bool | str | tuple[str, ...]

AGENT_IDS = (
    "alendronate",
    "risedronate",
    "ibandronate",
    "zoledronate",
    "denosumab",
    "teriparatide",
    "abaloparatide",
    "romosozumab",
    "raloxifene",
)
"""Agents that a site can enter as taken, taken before or not tolerated; ``agents.toml`` describes them."""

TIERS = ("low", "moderate", "high", "very_high")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing a site may enter.

    Attributes
    ----------
    name : str
    kind : {"number", "yes_no", "choice", "choices"}
        ``choices`` is a list of words.
    phrase, phrase_zh : str
        How it is called in a sentence.
    unit : str
        As shown; empty for counts and words.
    limits : (float, float)
        Numbers outside are refused as typing errors; wide, not normal, ranges (assumption).
    choices : tuple of str
    """

    name: str
    kind: EntryKind
    phrase: str
    phrase_zh: str
    unit: str = ""
    limits: tuple[float, float] = (0.0, 0.0)
    choices: tuple[str, ...] = ()


def _yes_no(name: str, phrase: str, phrase_zh: str) -> Entry:
    return Entry(name, "yes_no", phrase, phrase_zh)


def _number(name: str, phrase: str, phrase_zh: str, limits: tuple[float, float], unit: str = "") -> Entry:
    return Entry(name, "number", phrase, phrase_zh, unit, limits)


_T_SCORE = (-8.0, 8.0)

ENTRIES: Mapping[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "menopause",
            "choice",
            "menopausal state",
            "绝经状态",
            choices=("premenopausal", "postmenopausal"),
        ),
        _number("serum_creatinine_umol_l", "serum creatinine", "血肌酐", (15, 2000), "µmol/L"),
        _number(
            "calcium_adjusted_mmol_l", "albumin-adjusted calcium", "白蛋白校正血钙", (1.0, 5.0), "mmol/L"
        ),
        _number(
            "calcium_lower_limit_mmol_l",
            "the laboratory's lower limit of calcium",
            "实验室血钙下限",
            (1.8, 2.4),
            "mmol/L",
        ),
        _number(
            "calcium_upper_limit_mmol_l",
            "the laboratory's upper limit of calcium",
            "实验室血钙上限",
            (2.4, 3.0),
            "mmol/L",
        ),
        _yes_no("hypocalcaemia", "low calcium", "低钙血症"),
        _yes_no("hypercalcaemia", "high calcium", "高钙血症"),
        _yes_no("pth_elevated", "raised PTH", "甲状旁腺激素升高"),
        _number("spine_t_score", "T-score of the lumbar spine", "腰椎 T值", _T_SCORE),
        _number("femoral_neck_t_score", "T-score of the femoral neck", "股骨颈 T值", _T_SCORE),
        _number("total_hip_t_score", "T-score of the total hip", "全髋 T值", _T_SCORE),
        _number(
            "frax_major_percent", "FRAX, major fracture in 10 y", "FRAX 10 年主要骨折概率", (0, 100), "%"
        ),
        _number("frax_hip_percent", "FRAX, hip fracture in 10 y", "FRAX 10 年髋部骨折概率", (0, 100), "%"),
        _yes_no(
            "frax_above_national_threshold",
            "FRAX above the national threshold",
            "FRAX 超过本国阈值",
        ),
        Entry(
            "fracture_risk_tier",
            "choice",
            "fracture risk as the clinician classed it",
            "临床医生判定的骨折风险等级",
            choices=TIERS,
        ),
        _number("vertebral_fractures", "number of vertebral fractures", "椎体骨折数", (0, 20)),
        _yes_no("hip_fracture", "hip fracture", "髋部骨折"),
        _number(
            "months_since_fracture",
            "months since the last fragility fracture",
            "距末次脆性骨折月数",
            (0, 1200),
        ),
        _yes_no("fracture_on_treatment", "fracture while on treatment", "治疗期间骨折"),
        _yes_no("high_fall_risk", "high risk of falling", "跌倒高风险"),
        _number("glucocorticoid_months", "months on glucocorticoids", "糖皮质激素使用月数", (0, 1200)),
        _number("height_loss_cm", "height loss", "身高缩短", (0, 30), "cm"),
        Entry(
            "current_drug",
            "choice",
            "osteoporosis drug taken now",
            "当前抗骨质疏松药物",
            choices=("none", *AGENT_IDS),
        ),
        _number("current_drug_years", "years on the present drug", "当前药物使用年数", (0, 60)),
        _number("months_since_last_dose", "months since its last dose", "距末次用药月数", (0, 600)),
        Entry(
            "previous_drug",
            "choice",
            "last osteoporosis drug taken before",
            "既往抗骨质疏松药物",
            choices=("none", *AGENT_IDS),
        ),
        Entry(
            "drugs_not_tolerated",
            "choices",
            "drugs not tolerated or allergic to",
            "不耐受或过敏的药物",
            choices=AGENT_IDS,
        ),
        _yes_no("oesophageal_disorder", "disorder of the oesophagus that delays emptying", "食管排空障碍"),
        _yes_no(
            "cannot_sit_upright_30_min", "unable to sit or stand upright for 30 minutes", "无法坐立 30 分钟"
        ),
        _yes_no("acute_kidney_injury", "acute kidney injury", "急性肾损伤"),
        _yes_no(
            "venous_thromboembolism", "venous thromboembolism, now or before", "静脉血栓栓塞（现患或既往）"
        ),
        _yes_no(
            "mi_or_stroke_12_months",
            "myocardial infarction or stroke within 12 months",
            "12 个月内心肌梗死或卒中",
        ),
        _yes_no("skeletal_radiation", "radiotherapy involving the skeleton", "骨骼放射治疗史"),
        _yes_no("skeletal_malignancy", "bone metastases or skeletal malignancy", "骨转移或骨恶性肿瘤"),
        _yes_no("paget_disease", "Paget's disease of bone", "骨 Paget 病"),
        _yes_no("unexplained_high_alp", "unexplained high alkaline phosphatase", "不明原因碱性磷酸酶升高"),
        _yes_no("hyperparathyroidism", "hyperparathyroidism", "甲状旁腺功能亢进"),
    )
}
"""Name -> what may be entered. What a rule never asks would only mislead, so nothing else is taken."""


def entry_broken(name: str, value: object) -> str | None:
    """Why `value` cannot be the entry `name`, with the cure; None if it can."""
    entry = ENTRIES.get(name)
    if entry is None:
        return f"{name!r} is no entry; see docs/advice.md for the names"
    if entry.kind == "yes_no":
        return None if isinstance(value, bool) else f"{name} = {value!r} must be true or false"
    return _number_broken(entry, value) if entry.kind == "number" else _words_broken(entry, value)


def _number_broken(entry: Entry, value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{entry.name} = {value!r} must be a number"
    low, high = entry.limits
    if low <= value <= high:
        return None
    unit = f" {entry.unit}" if entry.unit else ""
    return f"{entry.name} = {value:g}{unit} lies outside {low:g} to {high:g}"


def _words_broken(entry: Entry, value: object) -> str | None:
    words = value if entry.kind == "choices" else (value,)
    if isinstance(words, tuple) and all(word in entry.choices for word in words):
        return None
    form = "a list of" if entry.kind == "choices" else "one of"
    return f"{entry.name} = {value!r} must be {form} {', '.join(entry.choices)}"


def written_entry(name: str, value: EntryValue) -> str:
    """A value as a reader sees it, with its unit."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    if isinstance(value, str):
        return value.replace("_", " ")
    unit = ENTRIES[name].unit
    return f"{value:g}" + (f" {unit}" if unit else "")
