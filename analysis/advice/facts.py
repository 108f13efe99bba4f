"""What a rule may ask about a patient, by name: entered, measured or derived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analysis.advice.diagnosis import densitometric_diagnosis
from analysis.advice.entries import ENTRIES, Entry
from analysis.advice.kidney import creatinine_clearance_ml_min
from analysis.config import ClinicalContext
from analysis.results import DensitometricDiagnosis, RegionChange, RegionMeasurement, RiskEstimate

Fact = float | bool | str

MENOPAUSE_ASSUMED_FROM_YEARS = 50.0
"""Assumption where no menopausal state is entered; it is listed with every study it was used for."""


@dataclass(frozen=True, slots=True)
class FactKind:
    """How an input is called in a sentence, and which values it has.

    `choices` are the words of a text; `limits` bound a number where rules are searched for contradictions.
    """

    phrase: str
    phrase_zh: str
    type: type[float] | type[bool] | type[str]
    unit: str = ""
    choices: tuple[str, ...] = ()
    limits: tuple[float, float] = (0.0, 1000.0)
    decimals: int | None = None


def _of_entry(entry: Entry) -> FactKind:
    kind: type[float] | type[bool] | type[str] = str
    if entry.kind in ("number", "yes_no"):
        kind = float if entry.kind == "number" else bool
    score = 1 if entry.name.endswith("t_score") else None
    return FactKind(entry.phrase, entry.phrase_zh, kind, entry.unit, entry.choices, entry.limits, score)


_SCORES = (-8.0, 8.0)
_CATEGORIES = ("normal", "low_bone_mass", "osteoporosis", "within_expected_range", "below_expected_range")

FACTS: Mapping[str, FactKind] = {
    "age_years": FactKind("age", "年龄", float, "y", limits=(18, 110)),
    "sex": FactKind("sex", "性别", str, choices=("F", "M")),
    "older_adult": FactKind("postmenopausal, or a man of 50 and over", "绝经后女性或 50 岁及以上男性", bool),
    "one_third_t_score": FactKind(
        "T-score of the one-third radius", "桡骨远端1/3 T值", float, limits=_SCORES, decimals=1
    ),
    "one_third_z_score": FactKind(
        "Z-score of the one-third radius", "桡骨远端1/3 Z值", float, limits=_SCORES, decimals=1
    ),
    "who_category": FactKind(
        "category of the one-third radius", "桡骨远端1/3 骨密度分类", str, choices=_CATEGORIES
    ),
    "peripheral_device": FactKind("a peripheral densitometer", "外周骨密度仪", bool),
    "axial_t_score": FactKind(
        "lowest T-score of spine and hip", "腰椎和髋部最低 T值", float, limits=_SCORES, decimals=1
    ),
    "significant_loss": FactKind(
        "loss at the one-third radius beyond the least significant change",
        "桡骨远端1/3 骨量丢失超过最小有意义变化值",
        bool,
    ),
    "risk_category": FactKind(
        "the research risk estimate", "研究性风险估计", str, choices=("low", "moderate", "high")
    ),
    "prior_fragility_fracture": FactKind("fragility fracture", "脆性骨折史", bool),
    "recent_fracture": FactKind("fracture within the last two years", "两年内骨折", bool),
    "current_smoker": FactKind("smoking", "吸烟", bool),
    "alcohol_units_d": FactKind("alcohol units a day", "每日酒精单位", float, limits=(0, 40)),
    "falls_past_year": FactKind("falls in the past year", "近一年跌倒次数", float, limits=(0, 100)),
    "glucocorticoid_mg_d": FactKind(
        "glucocorticoid dose (prednisolone equivalent)",
        "糖皮质激素剂量（泼尼松龙当量）",
        float,
        "mg/d",
        limits=(0, 200),
    ),
    "creatinine_clearance_ml_min": FactKind(
        "creatinine clearance", "肌酐清除率", float, "mL/min", limits=(0, 200)
    ),
    "vitamin_d_nmol_l": FactKind("25-OH vitamin D", "25-羟维生素 D", float, "nmol/L", limits=(3, 400)),
    **{
        name: _of_entry(entry)
        for name, entry in ENTRIES.items()
        if entry.kind != "choices"
        and name
        not in ("calcium_lower_limit_mmol_l", "calcium_upper_limit_mmol_l", "serum_creatinine_umol_l")
    },
    "hyperparathyroidism_state": FactKind(
        "hyperparathyroidism, as far as looked for",
        "甲状旁腺功能亢进排查情况",
        str,
        choices=("known", "raised_pth", "excluded", "not_examined"),
    ),
    "bisphosphonate_possible": FactKind(
        "a bisphosphonate that nothing entered rules out", "尚无禁忌的双膦酸盐", bool
    ),
}
"""Every input a rule may use."""


WORDS_ZH: Mapping[str, str] = {
    "premenopausal": "绝经前",
    "postmenopausal": "绝经后",
    "none": "无",
    "yes": "是",
    "no": "否",
}
"""Words that an assumption can name."""

DERIVED_FROM: Mapping[str, tuple[str, ...]] = {
    "older_adult": ("age_years", "sex", "menopause"),
    "who_category": ("one_third_t_score", "one_third_z_score", "age_years", "sex", "menopause"),
    "peripheral_device": (),
    "hyperparathyroidism_state": ("hyperparathyroidism", "pth_elevated"),
}
"""Inputs that are shown by what they were derived from; the kind of densitometer is told elsewhere."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One patient: values by name, None for unknown, never for "no".

    `not_tolerated` are agents; `notes` say how a derived value came about; `assumptions` what was taken for
    granted.
    """

    values: Mapping[str, Fact | None]
    diagnosis: DensitometricDiagnosis
    not_tolerated: frozenset[str] = frozenset()
    notes: Mapping[str, str] = field(default_factory=dict)
    assumptions: tuple[tuple[str, str], ...] = ()

    def shown(self, name: str) -> str:
        """``age 68.6 y``, ``smoking: no``: phrase, value, and how it was derived."""
        note = self.notes.get(name)
        between = " " if FACTS[name].type is float else ": "
        return f"{FACTS[name].phrase}{between}{written(name, self.values[name])}" + (
            f" ({note})" if note else ""
        )


def written(name: str, value: Fact | None) -> str:
    """A value as a sentence has it, with its unit."""
    kind = FACTS[name]
    if isinstance(value, bool) or not isinstance(value, float):
        if isinstance(value, str):
            return value.replace("_", " ")
        return {True: "yes", False: "no", None: "unknown"}[value]
    number = f"{value:.{kind.decimals}f}" if kind.decimals is not None else f"{round(value, 1):g}"
    return number + (f" {kind.unit}" if kind.unit else "")


def gather_facts(
    clinical: ClinicalContext,
    regions: Mapping[str, RegionMeasurement],
    risk: RiskEstimate | None,
    *,
    changes: Sequence[RegionChange] = (),
    peripheral: bool = False,
) -> Facts:
    """Collect and derive the inputs of `FACTS`.

    Scores are rounded to the one decimal a report shows, so that advice never contradicts the printed number.
    """
    assumptions: list[tuple[str, str]] = []
    notes: dict[str, str] = {}
    one_third = regions.get("one_third", RegionMeasurement())
    t_score, z_score = _reported(one_third.t_score), _reported(one_third.z_score)
    menopause = _menopause(clinical, notes, assumptions)
    older = _older_adult(clinical, menopause)
    diagnosis = densitometric_diagnosis(
        who_applies=older, t_score=t_score, z_score=z_score, peripheral=peripheral
    )
    entered = {name: value for name, value in clinical.advice.items() if not isinstance(value, tuple)}
    values: dict[str, Fact | None] = {name: entered.get(name) for name in FACTS}
    values |= {
        "age_years": clinical.age_years,
        "sex": clinical.sex,
        "menopause": menopause,
        "older_adult": older,
        "one_third_t_score": t_score,
        "one_third_z_score": z_score,
        "who_category": diagnosis.category,
        "peripheral_device": peripheral,
        "axial_t_score": _lowest(entered, ("spine_t_score", "femoral_neck_t_score", "total_hip_t_score")),
        "significant_loss": _significant_loss(changes),
        "risk_category": risk.category if risk else None,
        "prior_fragility_fracture": _fractured(clinical, entered),
        "recent_fracture": _recently(clinical, entered),
        "current_smoker": clinical.current_smoker,
        "alcohol_units_d": clinical.predictors.get("clinical.alcohol_units_d"),
        "falls_past_year": clinical.predictors.get("clinical.falls_past_year"),
        "glucocorticoid_mg_d": _glucocorticoid(clinical),
        "vitamin_d_nmol_l": clinical.predictors.get("clinical.vitamin_d_nmol_l"),
        "creatinine_clearance_ml_min": _clearance(clinical, notes, assumptions),
        "hypocalcaemia": _beyond_limit(entered, "hypocalcaemia", "calcium_lower_limit_mmol_l", -1),
        "hypercalcaemia": _beyond_limit(entered, "hypercalcaemia", "calcium_upper_limit_mmol_l", 1),
        "current_drug": _current_drug(clinical, entered),
        "hyperparathyroidism_state": _hyperparathyroidism(entered),
    }
    refused = clinical.advice.get("drugs_not_tolerated", ())
    return Facts(
        {name: float(v) if type(v) is int else v for name, v in values.items()},
        diagnosis,
        frozenset(refused) if isinstance(refused, tuple) else frozenset(),
        notes,
        tuple(assumptions),
    )


def _reported(score: float | None) -> float | None:
    return None if score is None else round(score, 1) + 0.0  # + 0.0: -0.0 becomes 0.0


def _menopause(
    clinical: ClinicalContext, notes: dict[str, str], assumptions: list[tuple[str, str]]
) -> str | None:
    entered = clinical.advice.get("menopause")
    if isinstance(entered, str):
        return entered
    if clinical.sex != "F" or clinical.age_years is None:
        return None
    notes["menopause"] = "assumed by age"
    state = "postmenopausal" if clinical.age_years >= MENOPAUSE_ASSUMED_FROM_YEARS else "premenopausal"
    years = f"{MENOPAUSE_ASSUMED_FROM_YEARS:.0f}"
    assumptions.append(
        (
            f"{state}, by age (from {years} y); no menopausal state is entered",
            f"{WORDS_ZH[state]}，按年龄推定（{years} 岁起）；未录入绝经状态",
        )
    )
    return state


def _older_adult(clinical: ClinicalContext, menopause: str | None) -> bool | None:
    """Whether T-scores and the guidelines' treatment recommendations apply at all."""
    if clinical.sex == "F" and menopause is not None:
        return menopause == "postmenopausal"
    if clinical.age_years is None:
        return None
    return clinical.age_years >= MENOPAUSE_ASSUMED_FROM_YEARS


def _lowest(entered: Mapping[str, Fact], names: Sequence[str]) -> float | None:
    return min((_reported(float(entered[name])) or 0.0 for name in names if name in entered), default=None)


def _significant_loss(changes: Sequence[RegionChange]) -> bool | None:
    for change in changes:
        if change.region == "one_third" and change.significant is not None:
            return change.significant and change.change_g_cm2 < 0
    return None


def _fractured(clinical: ClinicalContext, entered: Mapping[str, Fact]) -> bool | None:
    """Any entry that names a fracture says so; only the question itself can say "none"."""
    if (
        float(entered.get("vertebral_fractures", 0.0)) > 0
        or entered.get("hip_fracture") is True
        or "months_since_fracture" in entered
        or clinical.predictors.get("clinical.recent_fracture") == 1
    ):
        return True
    return clinical.prior_fragility_fracture


def _recently(clinical: ClinicalContext, entered: Mapping[str, Fact]) -> bool | None:
    if "months_since_fracture" in entered:
        return float(entered["months_since_fracture"]) <= 24
    answer = clinical.predictors.get("clinical.recent_fracture")
    if answer is not None:
        return answer == 1
    return False if _fractured(clinical, entered) is False else None


def _glucocorticoid(clinical: ClinicalContext) -> float | None:
    dose = clinical.predictors.get("clinical.glucocorticoid_mg_d")
    return 0.0 if dose is None and clinical.glucocorticoids is False else dose


def _clearance(
    clinical: ClinicalContext, notes: dict[str, str], assumptions: list[tuple[str, str]]
) -> float | None:
    """By Cockcroft and Gault; of it and an entered eGFR the lower, so that no limit is missed."""
    creatinine = clinical.advice.get("serum_creatinine_umol_l")
    egfr = clinical.predictors.get("clinical.egfr_ml_min")
    computed = None
    if isinstance(creatinine, float) and clinical.age_years and clinical.weight_kg and clinical.sex:
        computed = creatinine_clearance_ml_min(
            clinical.age_years, clinical.weight_kg, clinical.sex, creatinine
        )
    if computed is not None and (egfr is None or computed <= egfr):
        notes["creatinine_clearance_ml_min"] = "Cockcroft-Gault"
        return computed
    if egfr is not None:
        notes["creatinine_clearance_ml_min"] = "the entered eGFR"
        assumptions.append(
            ("the entered eGFR stands for creatinine clearance", "以录入的 eGFR 代替肌酐清除率")
        )
    return egfr


def _beyond_limit(entered: Mapping[str, Fact], name: str, limit: str, sign: int) -> bool | None:
    """The yes or no entered, or the calcium against the laboratory's own limit; a "yes" of either counts."""
    answer = entered.get(name)
    compared = None
    if "calcium_adjusted_mmol_l" in entered and limit in entered:
        compared = (float(entered["calcium_adjusted_mmol_l"]) - float(entered[limit])) * sign > 0
    if answer is True or compared is True:
        return True
    return False if answer is False or compared is False else None


def _current_drug(clinical: ClinicalContext, entered: Mapping[str, Fact]) -> str | None:
    drug = entered.get("current_drug")
    if isinstance(drug, str):
        return drug
    return "none" if clinical.predictors.get("clinical.osteoporosis_medication") == 0 else None


def _hyperparathyroidism(entered: Mapping[str, Fact]) -> str:
    """What is known of it: the answer, else a PTH, else that nobody looked."""
    answer, raised = entered.get("hyperparathyroidism"), entered.get("pth_elevated")
    if answer is not None:
        return "known" if answer else "excluded"
    if raised is not None:
        return "raised_pth" if raised else "excluded"
    return "not_examined"
