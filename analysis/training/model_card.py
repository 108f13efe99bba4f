"""The model card: what the models are, how they were made, how good they are, and what they are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from analysis.results import HORIZONS_YEARS
from analysis.training.imputation import IMPUTATIONS
from analysis.training.model_sets import MODEL_SETS
from analysis.training.one_model import KEPT

TEMPLATE = Path(__file__).with_name("model_card.template.md")
ABSENT = "–"


def model_card(models: Sequence[Mapping[str, Any]], evaluation: Mapping[str, Any]) -> str:
    """Write the card as Markdown.

    Parameters
    ----------
    models : sequence of mapping
        The JSON objects of the model files, most preferred first.
    evaluation : mapping
        As written to ``evaluation.json``.
    """
    sections = [_section(content, evaluation["models"][content["name"]]) for content in models]
    plan = evaluation["plan"]
    purposes = {model.name: model.purpose for model in MODEL_SETS}
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        training_data=evaluation["training_data"],
        remark=evaluation["remark"],
        subjects=evaluation["subjects"],
        fractures=evaluation["fractures"],
        deaths=evaluation["deaths"],
        cohort_sha256=evaluation["cohort_sha256"],
        search=plan["search"],
        trials=plan["trials"],
        folds=plan["folds"],
        seed=plan["seed"],
        imputations=IMPUTATIONS,
        refits=len(models[0]["refits"]["fracture_coefficients"]),
        order="\n".join(
            f"{number}. `{content['name']}`: {purposes[content['name']]}."
            for number, content in enumerate(models, start=1)
        ),
        level_noise=f"{100 / evaluation['fractures'] ** 0.5:.1f} %",
        models="\n\n".join(sections),
    )


def _section(content: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    hyper, calibration = evaluation["hyperparameters"], evaluation["calibration"]
    priors = ", ".join(f"{group.replace('_', ' ')} {sd:.3g}" for group, sd in hyper["prior_sd"].items())
    lines = [
        f"## `{content['name']}` {content['version']}",
        "",
        f"Categories: {content['category']['rule']}.",
        "",
        f"Prior SD (log-hazard per SD of a feature): {priors}. Frailty variance "
        f"{hyper['frailty_variance']:g}; inner knots of the baseline {hyper['inner_knots']}. "
        f"Calibration: {calibration['chosen']}.",
        "",
        "| feature | unit | scale | log-hazard per SD | training mean | training range | |",
        "|---|---|---|---|---|---|---|",
        *(_feature_row(item, content) for item in content["features"]),
        "",
        *_products(content),
        f"Held-out folds of the nested cross-validation ({KEPT} is the kind that is shipped):",
        "",
        "| learner | years | fractures | AUC | Brier | logarithmic score | O:E | slope |",
        "|---|---|---|---|---|---|---|---|",
        *(
            _horizon_row(learner, years, figures[str(years)])
            for learner, figures in evaluation["cross_validated"].items()
            for years in HORIZONS_YEARS
        ),
    ]
    return "\n".join(lines)


def _feature_row(item: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    fracture = content["fracture"]
    coefficient = fracture["coefficients"][fracture["terms"].index([item["name"]])]
    low, high = item["training_range"]
    mean = f"{item['mean']:.4g}" + ("" if item["transform"] == "identity" else f" ({item['transform']})")
    return (
        f"| `{item['name']}` | {item['unit']} | {item['transform']} | {coefficient:+.3f} | {mean} | "
        f"{low:.4g} to {high:.4g} | {'required' if item['required'] else ''} |"
    )


def _products(content: Mapping[str, Any]) -> list[str]:
    pairs = zip(content["fracture"]["terms"], content["fracture"]["coefficients"], strict=True)
    texts = [f"`{'` × `'.join(term)}` {value:+.3f}" for term, value in pairs if len(term) == 2]
    return [f"Products of standardised features: {', '.join(texts)}.", ""] if texts else []


def _horizon_row(learner: str, years: int, figures: Mapping[str, Any]) -> str:
    return (
        f"| {learner} | {years} | {figures['fractures']} | {_shown(figures['auc'], '.3f')} | "
        f"{_shown(figures['brier'], '.4f')} | {_shown(figures['log_score'], '.4f')} | "
        f"{_shown(figures['observed_to_expected'], '.2f')} | {_shown(figures['calibration_slope'], '.2f')} |"
    )


def _shown(value: float | None, style: str) -> str:
    return ABSENT if value is None else format(value, style)
