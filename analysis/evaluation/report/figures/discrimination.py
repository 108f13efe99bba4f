"""ROC curves, the AUC over time, and forests of AUCs and of their differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.evaluation.report.figures.style import COLOURS, GREY, colour_of, figure, shown_models
from analysis.evaluation.report.wording import number
from analysis.evaluation.results import Comparison, Evaluation


def draw_roc(evaluation: Evaluation) -> Any:
    """One panel per horizon."""
    names = shown_models(evaluation)
    columns = min(2, len(evaluation.horizons))
    rows = -(-len(evaluation.horizons) // columns)
    drawn, axes = figure(3.4 * rows, rows, columns)
    for panel, years in zip(axes.flat, evaluation.horizons, strict=False):
        panel.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
        for name, (colour, dash) in colour_of(names).items():
            found = evaluation.models[name].horizons[years]
            if found.roc is None or found.auc is None:
                continue
            panel.plot(
                found.roc.false_positive,
                found.roc.true_positive,
                color=colour,
                linestyle=dash,
                linewidth=2.0 if name == evaluation.reference else 1.2,
                label=f"{name}  {number(found.auc.value)}",
            )
        panel.set(xlabel="1 − specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1.005))
        panel.set_aspect("equal")
        panel.set_title(f"{years} {'year' if years == 1 else 'years'}")
        panel.legend(loc="lower right", title="AUC", title_fontsize=7)
    _hide_empty(axes, len(evaluation.horizons))
    return drawn


def draw_auc_over_time(evaluation: Evaluation) -> Any:
    """AUC of each half-year with the reference's band."""
    drawn, axes = figure(2.8)
    panel = axes[0, 0]
    for name, (colour, dash) in colour_of(shown_models(evaluation)).items():
        curve = evaluation.models[name].auc_over_time
        if curve is None:
            continue
        points = [(t, a) for t, a in zip(curve.years, curve.auc, strict=True) if a is not None]
        years = [t for t, _ in points]
        strong = name == evaluation.reference
        panel.plot(
            years,
            [a.value for _, a in points],
            color=colour,
            linestyle=dash,
            label=name,
            linewidth=2.0 if strong else 1.2,
        )
        if strong:
            panel.fill_between(
                years, [a.low for _, a in points], [a.high for _, a in points], color=colour, alpha=0.15, lw=0
            )
    panel.set(
        xlabel="years since the scan", ylabel="cumulative/dynamic AUC", xlim=(0, max(evaluation.horizons))
    )
    panel.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return drawn


def draw_auc_forest(evaluation: Evaluation) -> Any:
    """Every model's AUC at the longest horizon with its interval; the oracle as a line."""
    last = max(evaluation.horizons)
    found = {name: model.horizons[last] for name, model in evaluation.models.items()}
    rows = [(name, entry.auc) for name, entry in found.items() if entry.auc is not None]
    rows.sort(key=lambda row: row[1].value)
    drawn, axes = figure(0.9 + 0.23 * len(rows))
    panel = axes[0, 0]
    for place, (name, auc) in enumerate(rows):
        strong = name == evaluation.reference
        colour = COLOURS[0] if strong else ("#333a44" if not evaluation.models[name].comparator else GREY)
        marker = "s" if not evaluation.models[name].comparator else "o"
        panel.plot([auc.low, auc.high], [place, place], color=colour, linewidth=2.2 if strong else 1.3)
        panel.plot(auc.value, place, marker, color=colour, markersize=5 if strong else 4)
    oracle = found[evaluation.reference].oracle
    if oracle is not None:
        panel.axvline(oracle.auc.value, color=COLOURS[1], linewidth=1.2, linestyle="--")
        panel.annotate(
            f"oracle {number(oracle.auc.value)}",
            (oracle.auc.value, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=7,
            color=COLOURS[1],
        )
    labels = [f"{name}   {number(auc.value)}" for name, auc in rows]
    panel.set_yticks(range(len(rows)), labels=labels)
    panel.set(xlabel=f"AUC at {last} years, 95 % interval", ylim=(-0.7, len(rows) - 0.3))
    panel.grid(axis="y", visible=False)
    return drawn


def draw_difference_forest(comparisons: Sequence[Comparison], years: int) -> Any:
    """Paired differences of the AUC; filled where a claim is allowed."""
    rows = [part for part in comparisons if part.years == years][::-1]
    drawn, axes = figure(0.8 + 0.24 * len(rows))
    panel = axes[0, 0]
    panel.axvline(0.0, color=GREY, linewidth=0.9)
    for place, part in enumerate(rows):
        colour = COLOURS[0] if part.power.claim else GREY
        panel.plot([part.auc.low, part.auc.high], [place, place], color=colour, linewidth=1.4)
        panel.plot(
            part.auc.value,
            place,
            "o",
            color=colour,
            markersize=4.5,
            markerfacecolor=colour if part.power.claim else "white",
        )
    panel.set_yticks(range(len(rows)), labels=[f"{part.first} − {part.second}" for part in rows])
    panel.set(xlabel=f"difference of the AUC at {years} years, 95 % interval", ylim=(-0.7, len(rows) - 0.3))
    panel.grid(axis="y", visible=False)
    return drawn


def _hide_empty(axes: Any, used: int) -> None:
    for panel in list(axes.flat)[used:]:
        panel.set_visible(False)
