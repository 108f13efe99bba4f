"""Laws for whole crowds: no contraindicated drug, no missing dose, never "no drug" beside a drug."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from advice_support import SETS, advise, table
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.advice.agents import Agent
from analysis.advice.entries import AGENT_IDS, ENTRIES
from analysis.advice.guideline import load_guideline
from analysis.advice.recommend import Advice

Patient = Mapping[str, Any]

ORAL = ("alendronate", "risedronate", "ibandronate")
BISPHOSPHONATES = (*ORAL, "zoledronate")
PTH_LIKE = ("teriparatide", "abaloparatide")


def clearance(patient: Patient) -> float | None:
    """Cockcroft-Gault in µmol/L by the factors 1.23 and 1.04, as others write it; or a lower eGFR."""
    known = [patient.get("clinical_egfr_ml_min")]
    if all(name in patient for name in ("age_years", "weight_kg", "sex", "serum_creatinine_umol_l")):
        factor = 1.04 if patient["sex"] == "F" else 1.23
        known.append(
            (140 - patient["age_years"]) * patient["weight_kg"] * factor / patient["serum_creatinine_umol_l"]
        )
    return min((value for value in known if value is not None), default=None)


def below(limit: float) -> Callable[[Patient], bool | None]:
    """1 % aside: the two ways to write the formula differ by their rounded factors."""

    def test(patient: Patient) -> bool | None:
        value = clearance(patient)
        return None if value is None else value < limit * 0.98

    return test


def entered(name: str) -> Callable[[Patient], bool | None]:
    return lambda patient: patient.get(name)


def man(patient: Patient) -> bool:
    return patient.get("sex") == "M"


CONTRAINDICATIONS: Mapping[str, tuple[Callable[[Patient], bool | None], ...]] = {
    "alendronate": (
        below(35),
        entered("hypocalcaemia"),
        entered("oesophageal_disorder"),
        entered("cannot_sit_upright_30_min"),
    ),
    "risedronate": (
        below(30),
        entered("hypocalcaemia"),
        entered("oesophageal_disorder"),
        entered("cannot_sit_upright_30_min"),
    ),
    "ibandronate": (
        man,
        below(30),
        entered("hypocalcaemia"),
        entered("oesophageal_disorder"),
        entered("cannot_sit_upright_30_min"),
    ),
    "zoledronate": (below(35), entered("hypocalcaemia"), entered("acute_kidney_injury")),
    "denosumab": (entered("hypocalcaemia"),),
    "teriparatide": (
        below(30),
        entered("paget_disease"),
        entered("unexplained_high_alp"),
        entered("skeletal_radiation"),
        entered("skeletal_malignancy"),
        entered("hypercalcaemia"),
        entered("hyperparathyroidism"),
    ),
    "abaloparatide": (
        entered("paget_disease"),
        entered("skeletal_radiation"),
        entered("skeletal_malignancy"),
        entered("hypercalcaemia"),
        entered("hyperparathyroidism"),
    ),
    "romosozumab": (man, entered("mi_or_stroke_12_months"), entered("hypocalcaemia")),
    "raloxifene": (man, below(30), entered("venous_thromboembolism")),
}
"""Written from the labels, apart from ``agents.toml``: what must never be named where it holds (True), and
only with a check where it is not known (None)."""

CONTINUOUS: Mapping[str, tuple[float, float]] = {
    "weight_kg": (40, 110),
    "serum_creatinine_umol_l": (40, 260),
    "clinical_egfr_ml_min": (8, 110),
    "clinical_vitamin_d_nmol_l": (15, 160),
    "spine_t_score": (-4.5, 1.5),
    "total_hip_t_score": (-4.5, 1.5),
    "frax_major_percent": (1, 45),
    "frax_hip_percent": (0.1, 15),
    "months_since_fracture": (0, 120),
    "current_drug_years": (0, 12),
    "months_since_last_dose": (0, 14),
    "clinical_glucocorticoid_mg_d": (0, 20),
    "clinical_alcohol_units_d": (0, 8),
    "glucocorticoid_months": (0, 36),
}
YES_NO = (
    *(name for name, entry in ENTRIES.items() if entry.kind == "yes_no"),
    "prior_fragility_fracture",
    "current_smoker",
)


def random_patient(chance: random.Random) -> dict[str, Any]:
    """Anyone: from nothing entered to everything, mostly healthy, over all ages."""
    share = chance.choice((0.1, 0.5, 0.95, 1.0))

    def known() -> bool:
        return chance.random() < share

    patient: dict[str, Any] = {"t_score": round(chance.uniform(-4.5, 1.5), 2)}
    if chance.random() < 0.5:
        patient["z_score"] = round(chance.uniform(-3.5, 1.5), 2)
    if chance.random() < 0.97:
        patient["age_years"] = round(chance.uniform(30, 97), 1)
    if chance.random() < 0.97:
        patient["sex"] = chance.choice("FFM")
    for name, (low, high) in CONTINUOUS.items():
        if known() and not (name == "months_since_fracture" and chance.random() < 0.7):
            patient[name] = round(chance.uniform(low, high), 1)
    for name in YES_NO:
        if known():
            patient[name] = chance.random() < 0.08
    if known():
        patient["fracture_risk_tier"] = chance.choice(("low", "moderate", "high", "very_high"))
    for name, none_share in (("current_drug", 0.8), ("previous_drug", 0.7)):
        if known():
            patient[name] = "none" if chance.random() < none_share else chance.choice(AGENT_IDS)
    if chance.random() < 0.2:
        patient["drugs_not_tolerated"] = chance.sample(AGENT_IDS, chance.randint(1, 4))
    if chance.random() < 0.1:
        patient["menopause"] = chance.choice(("premenopausal", "postmenopausal"))
    return patient


def check_laws(advice: Advice, patient: Patient, agents: Mapping[str, Agent]) -> int:
    """Assert every law; return how many drugs were named plainly."""
    plain = [name for item in advice.recommendations for name in item.agents]
    pending = [name for item in advice.recommendations for name in item.agents_to_check]
    for name in (*plain, *pending):
        assert not any(rule(patient) for rule in CONTRAINDICATIONS[name]), (name, patient)
        assert name not in patient.get("drugs_not_tolerated", ()), (name, patient)
    for name in plain:
        assert not any(rule(patient) is None for rule in CONTRAINDICATIONS[name]), (name, patient)
    for item in advice.recommendations:
        named = item.text.partition(" Ruled out:")[0]
        for name in item.agents + item.agents_to_check:
            assert f"{agents[name].name} {agents[name].dose}" in named, (item.rule_id, patient)
        if item.kind == "treatment" and "Every drug that this rule" not in named:
            for name in set(AGENT_IDS) - {*item.agents, *item.agents_to_check}:
                assert f"{agents[name].name} {agents[name].dose}" not in named, (item.rule_id, name, patient)
    conclusions = {item.conclusion for item in advice.recommendations}
    if "no_drug" in conclusions:
        assert not plain and not pending, patient
        assert not conclusions & {"treat", "consider", "options"}, patient
    assert advice.recommendations[-1].rule_id == "decision-support"
    return len(plain)


def examine(count: int, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - patients, no secret
    plainly_named = 0
    for number in range(count):
        name = SETS[number % len(SETS)]
        patient = random_patient(chance)
        advice = advise(name, **patient)
        plainly_named += check_laws(advice, patient, load_guideline(table(name)).agents)
        if number % 50 == 0:
            assert advise(name, **patient) == advice
    assert plainly_named > count / 20, "too few drugs were named for the laws to mean anything"


@pytest.mark.slow
def test_ten_thousand_random_patients_meet_the_laws() -> None:
    examine(10_000, seed=20_240_601)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_hundred_thousand_random_patients_meet_the_laws() -> None:
    examine(100_000, seed=20_240_602)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), name=st.sampled_from(SETS), dropped=st.sets(st.integers(0, 60)))
def test_the_laws_hold_whatever_is_forgotten(seed: int, name: str, dropped: set[int]) -> None:
    patient = random_patient(random.Random(seed))  # noqa: S311 - patients, no secret
    less = {key: value for index, (key, value) in enumerate(patient.items()) if index not in dropped}
    less["t_score"] = patient["t_score"]
    agents = load_guideline(table(name)).agents
    check_laws(advise(name, **patient), patient, agents)
    check_laws(advise(name, **less), less, agents)
