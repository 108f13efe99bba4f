"""The model card: what the models are, how they were made, how good they are, and what they are not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from analysis.results import HORIZONS_YEARS
from analysis.training.fit import REFITS
from analysis.training.population import (
    FRACTURES_PER_PERSON_YEAR,
    FRAILTY_VARIANCE,
    HAZARD_RATIO,
    HAZARD_RATIO_AGE_PER_DECADE,
    HAZARD_RATIO_PER_SD_LOWER,
)

TEMPLATE = Path(__file__).with_name("model_card.template.md")


def model_card(models: Mapping[str, Mapping[str, Any]], evaluation: Mapping[str, Any]) -> str:
    """Write the card as Markdown.

    Parameters
    ----------
    models : mapping of model name to the JSON object of its file
    evaluation : mapping
        As written to ``evaluation.json``.
    """
    sections = [_section(content, evaluation["models"][name]) for name, content in models.items()]
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        evaluation,
        models="\n\n".join(sections),
        rate_women=f"{FRACTURES_PER_PERSON_YEAR['F']:.2%}",
        rate_men=f"{FRACTURES_PER_PERSON_YEAR['M']:.2%}",
        bone_ratios=_listed(HAZARD_RATIO_PER_SD_LOWER),
        clinical_ratios=_listed(HAZARD_RATIO),
        age_ratio=f"{HAZARD_RATIO_AGE_PER_DECADE:g}",
        frailty=f"{FRAILTY_VARIANCE:g}",
        refits=REFITS,
    )


def _listed(ratios: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {ratio:g}" for name, ratio in ratios.items())


def _section(content: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    lines = [
        f"## `{content['name']}` {content['version']}",
        "",
        f"Categories: {content['category']['rule']}.",
        "",
        "| feature | unit | log-odds per unit | training mean | training range |",
        "|---|---|---|---|---|",
        *(_feature_row(item) for item in content["features"]),
        "",
        f"Held-out subjects (slope of the cross-fitted calibration "
        f"{evaluation['cross_fitted_calibration_slope']:.2f}):",
        "",
        "| years | fractures | AUC (95 %) | oracle's AUC | Brier (without model) | O:E | slope | intercept |",
        "|---|---|---|---|---|---|---|---|",
        *(_horizon_row(years, evaluation["horizons"][str(years)]) for years in HORIZONS_YEARS),
        "",
        "| held-out group, 10 years | subjects | fractures | AUC | O:E |",
        "|---|---|---|---|---|",
        *(_group_row(name, figures) for name, figures in evaluation["groups_10_years"].items()),
    ]
    return "\n".join(lines)


def _feature_row(item: Mapping[str, Any]) -> str:
    low, high = item["training_range"]
    return (
        f"| `{item['name']}` | {item['unit']} | {item['coefficient']:+.4g} | {item['training_mean']:.4g} | "
        f"{low:.4g} to {high:.4g} |"
    )


def _group_row(name: str, figures: Mapping[str, Any]) -> str:
    quality = "– | –"
    if figures["auc"] is not None:
        quality = f"{figures['auc']:.3f} | {figures['observed_to_expected']:.2f}"
    return f"| {name} | {figures['subjects']} | {figures['fractures']} | {quality} |"


def _horizon_row(years: int, figures: Mapping[str, Any]) -> str:
    if figures["auc"] is None:
        return f"| {years} | 0 | – | – | – | – | – | – |"
    low, high = figures["auc_interval"]
    return (
        f"| {years} | {figures['fractures']} | {figures['auc']:.3f} ({low:.3f}–{high:.3f}) | "
        f"{figures['auc_oracle']:.3f} | {figures['brier']:.4f} ({figures['brier_null']:.4f}) | "
        f"{figures['observed_to_expected']:.2f} | {figures['calibration_slope']:.2f} | "
        f"{figures['calibration_intercept']:+.2f} |"
    )
