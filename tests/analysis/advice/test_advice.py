"""Advice vignettes: what the shipped rule table says to whom, and on whose authority."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from analysis.advice import recommend
from analysis.config import ClinicalContext
from analysis.errors import ConfigurationError
from analysis.results import (
    HorizonRisk,
    ModelIdentity,
    Recommendation,
    RegionMeasurement,
    RiskCategory,
    RiskEstimate,
)

TABLE = Path(__file__).parents[3] / "conf" / "guidelines" / "forearm.toml"

AACE, ISCD, ACP, BHOF = "AACE 2020", "ISCD 2005", "ACP 2023", "BHOF 2022"


def risk_of(category: RiskCategory) -> RiskEstimate:
    return RiskEstimate(
        {10: HorizonRisk(0.1, (0.05, 0.2))}, category, ModelIdentity("m", "1", "simulated", "0"), "rule"
    )


def advise(
    t_score: float | None = None,
    *,
    z_score: float | None = None,
    category: RiskCategory | None = None,
    table: Path = TABLE,
    **clinical: Any,
) -> tuple[Recommendation, ...]:
    return recommend(
        table,
        clinical=ClinicalContext(**clinical),
        regions={"one_third": RegionMeasurement(t_score=t_score, z_score=z_score)},
        risk=risk_of(category) if category else None,
    )


def given(advice: tuple[Recommendation, ...]) -> dict[str, Recommendation]:
    """What was really said, without what was not evaluated."""
    return {item.rule_id: item for item in advice if not item.text.startswith("Not evaluated")}


WOMAN_72 = {"age_years": 72.0, "sex": "F", "prior_fragility_fracture": False, "current_smoker": False}
MAN_68 = WOMAN_72 | {"age_years": 68.0, "sex": "M"}


@pytest.mark.parametrize(
    ("patient", "scores", "rule", "text", "source"),
    [
        (WOMAN_72, {"t_score": -2.9}, "who-osteoporosis", "T-score −2.9", AACE),
        (WOMAN_72, {"t_score": -2.5}, "who-osteoporosis", "range of osteoporosis", AACE),
        (MAN_68, {"t_score": -2.7}, "who-osteoporosis", "T-score −2.7", ISCD),
        (WOMAN_72, {"t_score": -2.4}, "who-low-bone-mass", "low bone mass", AACE),
        (WOMAN_72, {"t_score": -1.0}, "who-normal", "normal", ISCD),
        (WOMAN_72, {"t_score": 0.3}, "who-normal", "T-score 0.3", ISCD),
        (WOMAN_72 | {"age_years": 44.0}, {"z_score": -2.0}, "z-below-expected", "below the expected", ISCD),
        (WOMAN_72 | {"age_years": 44.0}, {"z_score": -1.9}, "z-within-expected", "within the expected", ISCD),
        (WOMAN_72 | {"prior_fragility_fracture": True}, {"t_score": 0.0}, "fragility-fracture", "even", AACE),
        (WOMAN_72, {"t_score": -3.1}, "secondary-causes", "secondary osteoporosis", AACE),
        (WOMAN_72, {"t_score": -3.1}, "first-line-women", "strong recommendation", ACP),
        (MAN_68, {"t_score": -3.1}, "first-line-men", "low certainty in men", ACP),
        (WOMAN_72, {"t_score": -1.8}, "low-bone-mass-over-65", "decide individually", ACP),
        (WOMAN_72, {"t_score": 0.0}, "calcium-women", "1200 mg", BHOF),
        (MAN_68, {"t_score": 0.0}, "calcium-men-50-70", "1000 mg", BHOF),
        (MAN_68 | {"age_years": 71.0}, {"t_score": 0.0}, "calcium-men-71", "1200 mg", BHOF),
        (WOMAN_72, {"t_score": 0.0}, "vitamin-d", "800–1000 IU", BHOF),
        (WOMAN_72 | {"current_smoker": True}, {"t_score": 0.0}, "stop-smoking", "stop smoking", BHOF),
        (WOMAN_72, {"t_score": -2.6}, "diagnosis-persists", "persists", AACE),
        (
            WOMAN_72,
            {"t_score": 0.0, "category": "high"},
            "research-risk-high",
            "validated tool",
            "model-card",
        ),
    ],
)
def test_vignette(patient: dict[str, Any], scores: dict[str, Any], rule: str, text: str, source: str) -> None:
    said = given(advise(**scores, **patient))
    assert rule in said, sorted(said)
    assert text in said[rule].text
    assert source in said[rule].source


@pytest.mark.parametrize("t_score", [-4.0, -2.5, -2.4, -1.1, -1.0, 2.0])
def test_exactly_one_who_category_from_50_on(t_score: float) -> None:
    said = given(advise(t_score, **WOMAN_72))
    assert sum(rule.startswith("who-") for rule in said) == 1


def test_no_who_category_and_no_drug_under_50() -> None:
    said = given(advise(-3.5, z_score=-2.6, **(WOMAN_72 | {"age_years": 43.0})))
    assert not any(rule.startswith("who-") for rule in said)
    assert not any(item.kind == "treatment" for item in said.values())
    assert "WHO categories are not applied" in said["z-below-expected"].text


def test_category_agrees_with_the_printed_decimal() -> None:
    """−2.46 is printed as −2.5, so it is classified as −2.5."""
    said = given(advise(-2.46, **WOMAN_72))
    assert "T-score −2.5" in said["who-osteoporosis"].text


def test_no_negative_zero_is_printed() -> None:
    assert "T-score 0.0" in given(advise(-0.04, **WOMAN_72))["who-normal"].text


def test_other_regions_are_never_classified() -> None:
    advice = recommend(
        TABLE,
        clinical=ClinicalContext(**WOMAN_72),
        regions={"ultradistal": RegionMeasurement(t_score=-4.0), "total": RegionMeasurement(t_score=-4.0)},
        risk=None,
    )
    assert not any(rule.startswith("who-") for rule in given(advice))
    assert any("Not evaluated: WHO category" in item.text for item in advice)


def test_unknown_is_never_no() -> None:
    advice = advise(-1.5, age_years=72.0, sex="F")
    not_evaluated = [item.text for item in advice if item.text.startswith("Not evaluated")]
    assert "Not evaluated: smoking (needs whether the patient smokes)." in not_evaluated
    assert any("whether there was a fragility fracture" in text for text in not_evaluated)


def test_a_known_failed_condition_silences_a_rule_whatever_is_unknown() -> None:
    advice = advise(None, age_years=43.0, sex="F", prior_fragility_fracture=None)
    assert not any("WHO category" in item.text for item in advice if item.text.startswith("Not evaluated"))


def test_nothing_known_gives_no_advice_beyond_limits() -> None:
    assert {item.kind for item in given(advise()).values()} == {"limits"}


def test_the_research_risk_never_leads_to_treatment() -> None:
    for category in ("low", "moderate", "high"):
        with_risk = {r.rule_id for r in advise(0.0, category=category, **WOMAN_72) if r.kind == "treatment"}
        without = {r.rule_id for r in advise(0.0, **WOMAN_72) if r.kind == "treatment"}
        assert with_risk == without


def test_every_set_ends_with_the_clinician() -> None:
    for advice in (advise(), advise(-3.0, **WOMAN_72), advise(-3.0, category="high", **MAN_68)):
        assert advice[-1].text == "Decision support; the clinician decides."


def test_every_rule_names_a_source_that_can_be_looked_up() -> None:
    for rule in tomllib.loads(TABLE.read_text())["rules"]:
        assert any(mark in rule["source"] for mark in ("doi", "PMID", "PMC", ".com/", "docs/")), rule["id"]


GOOD_RULE = {
    "id": "one",
    "kind": "limits",
    "topic": "t",
    "when": [{"input": "age_years", "is": ">=", "value": 50}],
    "text": "Age $age_years.",
    "source": "s",
}


def write_table(path: Path, rule: dict[str, Any]) -> Path:
    def literal(value: Any) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, list):
            return "[" + ", ".join(literal(item) for item in value) + "]"
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{key} = {literal(item)}" for key, item in value.items()) + " }"
        return f'"{value}"' if isinstance(value, str) else str(value)

    lines = ['schema = "1"', 'title = "t"', "[[rules]]", *(f"{k} = {literal(v)}" for k, v in rule.items())]
    path.write_text("\n".join(lines))
    return path


def test_a_table_of_ones_own_works(tmp_path: Path) -> None:
    table = write_table(tmp_path / "own.toml", GOOD_RULE)
    assert advise(table=table, age_years=61.0)[0].text == "Age 61.0."


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"kind": "surgery"}, ("rule one", "surgery", "diagnosis")),
        ({"when": [{"input": "shoe", "is": "==", "value": 1}]}, ("rule one", "shoe", "age_years")),
        ({"when": [{"input": "age_years", "is": "~", "value": 1}]}, ("rule one", "~", ">=")),
        ({"when": [{"input": "age_years", "is": "<", "value": "old"}]}, ("rule one", "age_years", "old")),
        ({"when": [{"input": "sex", "is": "<", "value": "F"}]}, ("rule one", "sex", "==")),
        ({"when": [{"input": "current_smoker", "is": "==", "value": 1}]}, ("rule one", "current_smoker")),
        ({"when": [{"input": "age_years", "value": 1}]}, ("rule one", "is", "missing")),
        ({"text": "$sex"}, ("rule one", "$sex", "when")),
        ({"source": " "}, ("rule one", "source")),
        ({"colour": "red"}, ("rule one", "colour", "unknown")),
    ],
)
def test_a_wrong_rule_is_refused_by_name_key_and_remedy(
    tmp_path: Path, change: dict[str, Any], named: tuple[str, ...]
) -> None:
    table = write_table(tmp_path / "wrong.toml", GOOD_RULE | change)
    with pytest.raises(ConfigurationError, match=r"wrong\.toml") as error:
        advise(table=table)
    for part in named:
        assert part in str(error.value)


def test_repeated_ids_are_refused(tmp_path: Path) -> None:
    table = write_table(tmp_path / "twice.toml", GOOD_RULE)
    rule = table.read_text().partition("[[rules]]")[2]
    table.write_text(table.read_text() + "\n[[rules]]" + rule)
    with pytest.raises(ConfigurationError, match="one is used twice"):
        advise(table=table)


@pytest.mark.parametrize("content", ["not toml [", 'schema = "2"\ntitle = "t"\nrules = []', 'title = "t"'])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: str) -> None:
    table = tmp_path / "bad.toml"
    table.write_text(content)
    with pytest.raises(ConfigurationError, match=r"bad\.toml"):
        advise(table=table)


def test_a_missing_table_says_where_tables_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="conf/guidelines"):
        advise(table=tmp_path / "none.toml")
