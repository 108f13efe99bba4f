"""Advice as part of an analysed study: the context that reaches it, its identity, and its cost."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from advice_support import GUIDELINES, SETS, advise, table
from pydicom.dataset import Dataset

from analysis.acquisition import clinical_context
from analysis.config import AnalysisConfig, ClinicalContext
from analysis.engine import analyze
from analysis.errors import ConfigurationError
from analysis.identity import analysis_identity
from analysis.risk import SHIPPED_MODELS
from analysis.serialization import to_json_object
from analysis.simulation.variants import simulate_variant

CONFIG = AnalysisConfig(
    reference=GUIDELINES.parent / "reference" / "iscd-atlas-female.csv",
    guideline=table("aace-2020"),
    models=SHIPPED_MODELS,
    segmentation="classical",
)
SITE = ClinicalContext(
    age_years=71.0,
    sex="F",
    advice={"menopause": "postmenopausal", "current_drug": "denosumab", "months_since_last_dose": 9.0},
)


@pytest.fixture(scope="module")
def objects() -> list[Dataset]:
    return list(simulate_variant("sr-only", 4).objects.values())


def test_a_study_carries_diagnosis_advice_and_assumptions(objects: list[Dataset]) -> None:
    analysis = analyze(objects, clinical=ClinicalContext(age_years=71.0, sex="F"), config=CONFIG)
    assert analysis.diagnosis is not None
    t_score = analysis.regions["one_third"].t_score
    assert t_score is not None
    expected = "osteoporosis" if round(t_score, 1) <= -2.5 else "low_bone_mass" if t_score < -1 else "normal"
    assert analysis.diagnosis.category == expected
    assert analysis.recommendations[-1].text == "Decision support; the clinician decides."
    assert any("postmenopausal, by age" in item for item in analysis.assumptions)


def test_entries_reach_the_advice_and_are_shown_as_entered(objects: list[Dataset]) -> None:
    analysis = analyze(objects, clinical=SITE, config=CONFIG)
    assert "denosumab-overdue" in {item.rule_id for item in analysis.recommendations}
    assert analysis.context["months since its last dose"] == "9 (site entry)"
    assert analysis.context["osteoporosis drug taken now"] == "denosumab (site entry)"
    assert not any("menopausal, by age" in item for item in analysis.assumptions)
    spoken = to_json_object(analysis)["recommendations"]
    assert {"conclusion", "agents", "agents_to_check", "inputs_used", "inputs_missing"} <= spoken[0].keys()


def test_every_entry_counts_in_the_identity(objects: list[Dataset]) -> None:
    contexts = [
        None,
        SITE,
        replace(SITE, advice={}),
        replace(SITE, advice={**SITE.advice, "months_since_last_dose": 5.0}),
        replace(SITE, advice={**SITE.advice, "drugs_not_tolerated": ("alendronate",)}),
    ]
    assert len({analysis_identity(objects, (), context, CONFIG) for context in contexts}) == len(contexts)
    reordered = replace(SITE, advice=dict(reversed(SITE.advice.items())))
    assert analysis_identity(objects, (), reordered, CONFIG) == analysis_identity(objects, (), SITE, CONFIG)


def test_the_drug_table_beside_the_rules_counts_in_the_identity(
    objects: list[Dataset], tmp_path: Path
) -> None:
    for name in ("aace-2020.toml", "agents.toml", "shared.toml"):
        (tmp_path / name).write_bytes((GUIDELINES / name).read_bytes())
    moved = replace(CONFIG, guideline=tmp_path / "aace-2020.toml")
    assert analysis_identity(objects, (), SITE, moved) == analysis_identity(objects, (), SITE, CONFIG)
    (tmp_path / "agents.toml").write_bytes((GUIDELINES / "agents.toml").read_bytes() + b"\n# amended\n")
    assert analysis_identity(objects, (), SITE, moved) != analysis_identity(objects, (), SITE, CONFIG)


def test_an_empty_context_shows_nothing_as_entered(objects: list[Dataset]) -> None:
    _, provenance = clinical_context(objects, None)
    assert not any("site entry" in value for value in provenance.values())


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("shoe_size", 42.0, "shoe_size"),
        ("menopause", "perhaps", "premenopausal, postmenopausal"),
        ("serum_creatinine_umol_l", 1.1, "15 to 2000"),
        ("serum_creatinine_umol_l", "high", "must be a number"),
        ("hypocalcaemia", 1.0, "true or false"),
        ("current_drug", "aspirin", "none, alendronate"),
        ("drugs_not_tolerated", ("aspirin",), "a list of"),
        ("drugs_not_tolerated", "alendronate", "a list of"),
    ],
)
def test_what_cannot_be_entered_is_refused_by_name_and_rule(name: str, value: object, named: str) -> None:
    with pytest.raises(ConfigurationError, match=name) as error:
        ClinicalContext(advice={name: value})  # type: ignore[dict-item]
    assert named in str(error.value)


@pytest.mark.alone
def test_advice_takes_less_than_twenty_milliseconds() -> None:
    for name in SETS:
        advise(name, -2.9, age_years=72.0, sex="F")
        start = time.perf_counter()
        for _ in range(20):
            advise(name, -2.9, age_years=72.0, sex="F")
        assert (time.perf_counter() - start) / 20 < 0.02
