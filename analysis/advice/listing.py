"""The rule sets, drugs and entries as Markdown: the tables of ``docs/advice.md``, compared by a test.

``python -m analysis.advice.listing conf/guidelines docs/advice.md`` writes them anew.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.advice.entries import ENTRIES
from analysis.advice.guideline import Guideline, load_guideline
from analysis.advice.recommend import Advice, recommend
from analysis.config import ClinicalContext
from analysis.results import RegionMeasurement

START, END = "<!-- {} -->\n", "<!-- end of {} -->"

MINIMAL = ClinicalContext(age_years=72.0, sex="F")
FULL = ClinicalContext(
    age_years=72.0,
    sex="F",
    weight_kg=61.0,
    prior_fragility_fracture=True,
    current_smoker=False,
    predictors={"clinical.vitamin_d_nmol_l": 62.0, "clinical.falls_past_year": 1.0},
    advice={
        "menopause": "postmenopausal",
        "serum_creatinine_umol_l": 138.0,
        "calcium_adjusted_mmol_l": 2.31,
        "calcium_lower_limit_mmol_l": 2.2,
        "calcium_upper_limit_mmol_l": 2.6,
        "spine_t_score": -2.2,
        "total_hip_t_score": -2.6,
        "fracture_risk_tier": "very_high",
        "current_drug": "none",
        "previous_drug": "none",
        "oesophageal_disorder": False,
        "cannot_sit_upright_30_min": False,
        "acute_kidney_injury": False,
        "mi_or_stroke_12_months": True,
        "paget_disease": False,
        "unexplained_high_alp": False,
        "skeletal_radiation": False,
        "skeletal_malignancy": False,
        "hyperparathyroidism": False,
    },
)
"""The patients of the examples."""


def blocks(directory: Path) -> Mapping[str, str]:
    """Name of a block in the page -> its Markdown.

    Parameters
    ----------
    directory : Path
        With the rule sets, ``agents.toml`` and ``shared.toml``.
    """
    paths = sorted(
        path for path in directory.glob("*.toml") if path.name not in ("agents.toml", "shared.toml")
    )
    sets = {path.name: load_guideline(path) for path in paths}
    return {
        "rule sets": _sets(sets),
        "disabled rules": _disabled(sets),
        "drugs": _drugs(next(iter(sets.values()))),
        "entries": _entries(),
        "example minimal": _example(directory / "acp-2023.toml", MINIMAL),
        "example full": _example(directory / "acp-2023.toml", FULL),
    }


def filled(page: str, directory: Path) -> str:
    """A page with every block as `blocks` has it."""
    for name, content in blocks(directory).items():
        start, end = START.format(name), END.format(name)
        before, _, rest = page.partition(start)
        page = f"{before}{start}\n{content}\n\n{end}{rest.partition(end)[2]}"
    return page


def _sets(sets: Mapping[str, Guideline]) -> str:
    rows = []
    for file, guideline in sets.items():
        own = [rule for rule in guideline.rules if rule.guideline == guideline.title]
        shared = len(guideline.rules) - len(own)
        rows.append((f"`{file}`", guideline.title, len(own), len(guideline.disabled), shared))
    return _table(("file", "guideline", "rules that speak", "disabled", "shared statements"), rows)


def _disabled(sets: Mapping[str, Guideline]) -> str:
    rows = [
        (f"`{file}`", f"`{rule.id}`", rule.topic, rule.disabled)
        for file, guideline in sets.items()
        for rule in guideline.disabled
    ]
    return _table(("file", "rule", "topic", "why it is disabled"), rows)


def _drugs(guideline: Guideline) -> str:
    rows = []
    for agent in guideline.agents.values():
        out = [gate.say for gate in agent.gates if gate.effect == "excluded"]
        first = [gate.say for gate in agent.gates if gate.effect == "caution"]
        licence = "women and men" if agent.men else "women"
        rows.append((agent.name, agent.dose, licence, "; ".join(out), "; ".join(first) or "—"))
    return _table(("drug", "starting dose", "licence", "ruled out by", "settled first"), rows)


def _entries() -> str:
    rows = []
    for entry in ENTRIES.values():
        values = {
            "yes_no": "true or false",
            "number": f"{entry.limits[0]:g} to {entry.limits[1]:g} {entry.unit}".strip(),
            "choice": "one of " + ", ".join(entry.choices),
            "choices": "a list of drugs",
        }[entry.kind]
        rows.append((f"`{entry.name}`", entry.phrase, values))
    return _table(("entry", "what it is", "values"), rows)


def _example(guideline: Path, clinical: ClinicalContext) -> str:
    advice = recommend(
        guideline, clinical=clinical, regions={"one_third": RegionMeasurement(t_score=-2.9)}, risk=None
    )
    assumed = [f"- {item}" for item in advice.assumptions] or ["- nothing"]
    return "\n".join([*_sentences(advice), "", "Assumed:", "", *assumed])


def _sentences(advice: Advice) -> list[str]:
    return [
        f"{number}. *{item.kind.replace('_', '-')}* — {item.text} [{item.guideline or item.source}]"
        for number, item in enumerate(advice.recommendations, 1)
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text(filled(target.read_text(encoding="utf-8"), source), encoding="utf-8")
