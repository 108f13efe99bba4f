"""Discrimination, comparisons, calibration, usefulness and distribution: what must be reported."""

from __future__ import annotations

from functools import partial

from analysis.evaluation.report.document import Block, Paragraph, Picture, Section, Table
from analysis.evaluation.report.figures.discrimination import (
    draw_auc_forest,
    draw_auc_over_time,
    draw_difference_forest,
    draw_roc,
)
from analysis.evaluation.report.figures.probabilities import (
    draw_calibration,
    draw_calibration_of_models,
    draw_decision_curves,
    draw_distributions,
)
from analysis.evaluation.report.wording import (
    NOTHING,
    count,
    estimate,
    gap,
    number,
    p_value,
    percent,
    share,
)
from analysis.evaluation.results import Comparison, Evaluation, HorizonEvaluation, ModelEvaluation


def discrimination(evaluation: Evaluation) -> Section:
    """AUC by horizon and C-index of everything, with ROC curves, forest and AUC over time."""
    blocks: list[Block] = [
        Table(
            "AUC by horizon and C-index",
            ("model", "subjects", *(f"{years} y" for years in evaluation.horizons), "C-index"),
            tuple(_auc_row(model) for model in evaluation.models.values()),
            "Cumulative/dynamic AUC with censoring weights and DeLong's 95 % interval; death before a "
            "fracture counts as none. C-index to the longest horizon. Comparators (∘) are published "
            "elsewhere and know only the subjects with all their inputs.",
            weights=(1.9, 0.9, *[1.75] * len(evaluation.horizons), 1.75),
            strong_rows=_reference_row(evaluation),
        ),
        Picture(
            "ROC curves by horizon. The thick line is the reference.",
            "ROC curves of several models, one panel per horizon.",
            partial(draw_roc, evaluation),
        ),
        Picture(
            f"AUC at {max(evaluation.horizons)} years with 95 % intervals; squares are models, circles "
            "published comparators.",
            "Forest plot of the AUC of all models.",
            partial(draw_auc_forest, evaluation),
        ),
        Picture(
            "AUC for a fracture by each time after the scan, from the risk at the next horizon; band: 95 % "
            "interval of the reference.",
            "Time-dependent AUC of several models.",
            partial(draw_auc_over_time, evaluation),
        ),
    ]
    ceilings = _ceilings(evaluation)
    if ceilings is not None:
        blocks.insert(1, ceilings)
    notes = [m for m in evaluation.models.values() if m.note]
    if notes:
        blocks.append(
            Table(
                "What must be known of models and comparators",
                ("model", "note"),
                tuple((model.name, model.note) for model in notes),
                weights=(1.2, 4.5),
                text_columns=frozenset({0, 1}),
            )
        )
    return Section("discrimination", "Discrimination", tuple(blocks))


def comparisons(evaluation: Evaluation) -> Section:
    """Paired differences with their power."""
    last = max(evaluation.horizons)
    blocks: list[Block] = [
        Paragraph(
            "Each pair is compared on the subjects whom both models know, by DeLong's paired test with "
            "censoring weights. P values are adjusted over all pairs of a horizon by Holm's procedure. Power "
            "is that of a two-sided 5 % test for the difference stated beforehand (marked †) or, where none "
            "was stated, for the one observed: the latter repeats the P value and is shown so that a lucky "
            "significance is not taken for proof. No difference is claimed below 80 %."
        )
    ]
    for years in sorted(evaluation.horizons, reverse=True):
        rows = [part for part in evaluation.comparisons if part.years == years]
        if not rows:
            continue
        blocks.append(
            Table(
                f"Differences of the AUC at {years} {'year' if years == 1 else 'years'}",
                (
                    "first − second",
                    "subjects",
                    "difference",
                    "P (Holm)",
                    "power",
                    "detectable",
                    "n for 80 %",
                    "claim",
                ),
                tuple(_comparison_row(part) for part in rows),
                "Detectable: the least true difference that 80 % of such studies would show.",
                weights=(2.7, 0.95, 2.5, 0.9, 0.8, 1.15, 1.05, 0.7),
            )
        )
        if years == last:
            blocks.append(
                Picture(
                    f"Paired differences of the AUC at {last} years; filled where a claim is allowed.",
                    "Forest plot of paired differences of the AUC.",
                    partial(draw_difference_forest, evaluation.comparisons, last),
                )
            )
            blocks.append(_other_differences(rows))
    return Section("comparisons", "Comparisons and their power", tuple(blocks))


def calibration(evaluation: Evaluation) -> Section:
    """Calibration of the reference in pictures, of every model in figures."""
    rows = [
        _calibration_row(model, found)
        for model in evaluation.models.values()
        for found in model.horizons.values()
        if found.calibration is not None
    ]
    return Section(
        "calibration",
        "Calibration",
        (
            Picture(
                f"Calibration of {evaluation.reference}: smoothed curve (logistic regression on a restricted "
                "cubic spline of the predicted log-odds) with 95 % band; tenths of the subjects with "
                "Aalen-Johansen estimates; below, the predicted risks of those with and without a fracture.",
                "Calibration plots of the reference model by horizon.",
                partial(draw_calibration, evaluation),
            ),
            Picture(
                f"Smoothed calibration of several models at {max(evaluation.horizons)} years.",
                "Calibration curves of several models.",
                partial(draw_calibration_of_models, evaluation),
            ),
            Table(
                "Calibration and overall accuracy",
                (
                    "model",
                    "years",
                    "O:E",
                    "intercept",
                    "slope",
                    "ICI %",
                    "E50 / E90 %",
                    "Brier",
                    "scaled Brier %",
                ),
                tuple(rows),
                "Intercept (ideal 0) with slope fixed at 1; slope ideal 1; ICI: mean |curve − prediction|, "
                "in brackets what chance alone gives a perfect model; Brier in brackets: without a model.",
                weights=(1.75, 0.75, 1.85, 2.3, 2.1, 1.45, 1.5, 2.0, 2.2),
            ),
        ),
    )


def usefulness(evaluation: Evaluation) -> Section:
    """Decision curves, and net benefit at the tiers' thresholds against others."""
    blocks: list[Block] = [
        Picture(
            "Decision curves by horizon: net benefit of treating those at or above a threshold probability, "
            "with censoring weights, death before a fracture counting as no fracture. Band: 95 % interval of "
            "the reference.",
            "Decision curves of several models by horizon.",
            partial(draw_decision_curves, evaluation),
        )
    ]
    rows = [
        (f"{part.first} − {part.second}", percent_threshold(threshold), gap(found), p_value(found.p_value))
        for part in evaluation.comparisons
        for threshold, found in part.net_benefit.items()
    ]
    if rows:
        blocks.append(
            Table(
                "Differences of net benefit at the thresholds of the tiers",
                ("first − second", "threshold", "difference", "P"),
                tuple(rows),
                "Per subject; 0.001 is one more true positive per 1,000 subjects without more false ones.",
                weights=(3, 1, 2.5, 1),
            )
        )
    return Section("usefulness", "Clinical usefulness", tuple(blocks))


def distribution(evaluation: Evaluation) -> Section:
    """How the reference's risks are distributed among those with and without a fracture."""
    rows: list[tuple[str, ...]] = []
    header: tuple[str, ...] = ()
    for found in evaluation.models[evaluation.reference].horizons.values():
        if found.distribution is None:
            continue
        header = tuple(f"{100 * q:g} %" for q in found.distribution.quantiles)
        for name, values in (
            ("fracture", found.distribution.fractured),
            ("no fracture", found.distribution.others),
        ):
            rows.append((str(found.years), name, *(f"{100 * value:.2f}" for value in values)))
    return Section(
        "distribution",
        "Distribution of predicted risks",
        (
            Picture(
                "Predicted risks of those who fractured within the horizon and of the others (weighted).",
                "Histograms of the predicted risk by outcome and horizon.",
                partial(draw_distributions, evaluation),
            ),
            Table(
                "Quantiles of the predicted risk, %",
                ("years", "outcome", *header),
                tuple(rows),
                text_columns=frozenset({0, 1}),
            ),
        ),
    )


def percent_threshold(text: str) -> str:
    """A threshold's key as a percentage."""
    return f"{100 * float(text):.3g} %"


def display_name(model: ModelEvaluation) -> str:
    """The model's name, comparators marked."""
    return f"{model.name} ∘" if model.comparator else model.name


def _reference_row(evaluation: Evaluation) -> frozenset[int]:
    return frozenset({list(evaluation.models).index(evaluation.reference)})


def _auc_row(model: ModelEvaluation) -> tuple[str, ...]:
    aucs = (estimate(found.auc) for found in model.horizons.values())
    return (display_name(model), count(model.subjects), *aucs, estimate(model.c_index))


def _ceilings(evaluation: Evaluation) -> Table | None:
    """Share of the oracle's and of the attainable AUC, where a simulator knows them."""
    rows = []
    for model in evaluation.models.values():
        for name, pick in (("oracle", "oracle"), ("attainable", "attainable")):
            found = [getattr(entry, pick) for entry in model.horizons.values()]
            if any(found) and not model.comparator:
                ratios = (estimate(entry.ratio, 4) if entry else NOTHING for entry in found)
                rows.append((model.name, name, *ratios))
    if not rows:
        return None
    first = evaluation.models[evaluation.reference].horizons.values()
    ceilings = ", ".join(
        f"{found.years} y {number(found.oracle.auc.value)}" for found in first if found.oracle is not None
    )
    return Table(
        "AUC as a share of what can be known",
        ("model", "against", *(f"{years} y" for years in evaluation.horizons)),
        tuple(rows),
        "Oracle: the true risk. Attainable: the same features with a much larger training cohort."
        + (f" AUC of the oracle: {ceilings}." if ceilings else ""),
        weights=(1.7, 1, *[1.9] * len(evaluation.horizons)),
        text_columns=frozenset({0, 1}),
    )


def _comparison_row(part: Comparison) -> tuple[str, ...]:
    needed = part.power.subjects_for_80
    return (
        f"{part.first} − {part.second}",
        count(part.subjects),
        gap(part.auc),
        p_value(part.auc_p_holm),
        share(part.power.power) + ("†" if part.power.assumption == "expected" else ""),
        number(part.power.detectable, 4),
        NOTHING if needed is None else (count(needed) if needed < 10_000_000 else "> 10⁷"),
        "yes" if part.power.claim else "no",
    )


def _other_differences(rows: list[Comparison]) -> Table:
    return Table(
        f"Differences of C-index and Brier score at {rows[0].years} years",
        ("first − second", "C-index", "Brier score"),
        tuple((f"{part.first} − {part.second}", gap(part.c_index), gap(part.brier, 5)) for part in rows),
        "Below 0 the first has the smaller Brier score. Unadjusted 95 % intervals.",
        weights=(2.4, 2.4, 2.7),
    )


def _calibration_row(model: ModelEvaluation, found: HorizonEvaluation) -> tuple[str, ...]:
    part, brier = found.calibration, found.brier
    if part is None or brier is None:
        return ()
    exists = part.ici is not None and part.e50 is not None and part.e90 is not None
    return (
        display_name(model),
        str(found.years),
        estimate(part.observed_to_expected, 2),
        estimate(part.intercept, 2),
        estimate(part.slope, 2),
        f"{100 * part.ici:.2f} ({100 * (part.ici_by_chance or 0.0):.2f})"
        if part.ici is not None
        else NOTHING,
        f"{100 * part.e50:.2f} / {100 * part.e90:.2f}"  # type: ignore[operator]
        if exists
        else NOTHING,
        f"{number(brier.score.value, 4)} ({number(brier.without_model, 4)})",
        percent(brier.scaled).replace(" %", "", 1),
    )
