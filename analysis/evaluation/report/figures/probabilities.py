"""Calibration, decision curves and distributions of predicted risks."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.evaluation.calibration import Calibration
from analysis.evaluation.report.figures.style import COLOURS, GREY, LIGHT, colour_of, figure, shown_models
from analysis.evaluation.report.wording import number
from analysis.evaluation.results import Evaluation, HorizonEvaluation, RiskDistribution


def draw_calibration(evaluation: Evaluation) -> Any:
    """The reference by horizon: smoothed curve with band, tenths, and the distribution of risks below."""
    known = _with_calibration(evaluation)
    columns = min(2, len(known))
    rows = -(-len(known) // columns)
    drawn, axes = figure(3.5 * rows, 2 * rows, columns, gridspec_kw={"height_ratios": [5, 1] * rows})
    for place, found in enumerate(known):
        row, column = 2 * (place // columns), place % columns
        if found.calibration is not None:
            top = draw_calibration_panel(axes[row, column], found.calibration, COLOURS[0])
            axes[row, column].set_title(f"{found.years} {'year' if found.years == 1 else 'years'}")
            _spikes(axes[row + 1, column], found.distribution, top)
    for place in range(len(known), rows * columns):
        axes[2 * (place // columns), place % columns].set_visible(False)
        axes[2 * (place // columns) + 1, place % columns].set_visible(False)
    return drawn


def draw_calibration_of_models(evaluation: Evaluation) -> Any:
    """Smoothed curves of several models at the longest horizon."""
    last = max(evaluation.horizons)
    names = shown_models(evaluation, with_risks=True)
    drawn, axes = figure(3.6)
    panel = axes[0, 0]
    highest = 0.0
    for name, (colour, dash) in colour_of(names).items():
        calibration = evaluation.models[name].horizons[last].calibration
        if calibration is not None and calibration.curve is not None:
            curve = calibration.curve
            panel.plot(
                curve.predicted,
                curve.observed,
                color=colour,
                linestyle=dash,
                label=name,
                linewidth=2.0 if name == evaluation.reference else 1.2,
            )
            highest = max(highest, float(curve.predicted.max()), float(curve.observed.max()))
    _diagonal(panel, highest * 1.05)
    panel.set_aspect("equal")
    panel.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return drawn


def draw_calibration_panel(panel: Any, calibration: Calibration, colour: str) -> float:
    """One calibration plot; returns the end of its axes."""
    groups = calibration.groups
    top = max([group.predicted for group in groups] + [group.observed.high for group in groups])
    curve = calibration.curve
    if curve is not None:
        top = max(top, float(curve.predicted.max()), float(curve.observed.max()))
        panel.fill_between(curve.predicted, curve.low, curve.high, color=colour, alpha=0.15, lw=0)
        panel.plot(curve.predicted, curve.observed, color=colour, linewidth=1.8, label="smoothed, 95 % band")
    predicted = [group.predicted for group in groups]
    observed = np.array([(group.observed.value, group.observed.low, group.observed.high) for group in groups])
    spread = np.abs(observed[:, 1:].T - observed[:, 0])
    panel.errorbar(
        predicted,
        observed[:, 0],
        yerr=spread,
        fmt="o",
        color=COLOURS[1],
        markersize=3.2,
        linewidth=1.0,
        label="tenths of subjects",
    )
    top *= 1.05
    _diagonal(panel, top)
    _figures(panel, calibration)
    panel.legend(loc="lower right")
    return float(top)


def draw_decision_curves(evaluation: Evaluation) -> Any:
    """Net benefit by horizon."""
    names = shown_models(evaluation, with_risks=True)
    columns = min(2, len(evaluation.horizons))
    rows = -(-len(evaluation.horizons) // columns)
    drawn, axes = figure(2.9 * rows + 0.4, rows, columns)
    for panel, years in zip(axes.flat, evaluation.horizons, strict=False):
        for name, (colour, dash) in colour_of(names).items():
            curve = evaluation.models[name].horizons[years].decision
            if curve is None:
                continue
            strong = name == evaluation.reference
            if strong:
                panel.plot(
                    curve.threshold,
                    curve.treat_all,
                    color=GREY,
                    linewidth=1.0,
                    linestyle="--",
                    label="treat all",
                )
                panel.fill_between(curve.threshold, curve.low, curve.high, color=colour, alpha=0.13, lw=0)
                top = max(float(curve.net_benefit.max()), float(curve.treat_all[0]))
                panel.set_ylim(-0.12 * top, 1.15 * top)
                panel.set_xlim(0, float(curve.threshold[-1]))
            panel.plot(
                curve.threshold,
                curve.net_benefit,
                color=colour,
                linestyle=dash,
                label=name,
                linewidth=2.0 if strong else 1.2,
            )
        panel.axhline(0.0, color="#333a44", linewidth=0.9, label="treat none")
        _percent_axis(panel.xaxis)
        panel.set(xlabel="threshold probability", ylabel="net benefit")
        panel.set_title(f"{years} {'year' if years == 1 else 'years'}")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=4)
    for panel in list(axes.flat)[len(evaluation.horizons) :]:
        panel.set_visible(False)
    return drawn


def draw_distributions(evaluation: Evaluation) -> Any:
    """Predicted risks of the fractured and of the others, by horizon, on a logarithmic scale."""
    known = [
        h for h in evaluation.models[evaluation.reference].horizons.values() if h.distribution is not None
    ]
    drawn, axes = figure(2.2, 1, len(known), sharey=False)
    for panel, found in zip(axes.flat, known, strict=True):
        distribution = found.distribution
        if distribution is None:
            continue
        for shares, colour, label in (
            (distribution.share_others, GREY, "no fracture"),
            (distribution.share_fractured, COLOURS[1], "fracture"),
        ):
            panel.stairs(shares, distribution.bin_edges, color=colour, fill=True, alpha=0.35, label=label)
            panel.stairs(shares, distribution.bin_edges, color=colour, linewidth=1.1)
        panel.set_xscale("log")
        _percent_axis(panel.xaxis)
        panel.minorticks_off()
        panel.set_yticks([])
        panel.spines["left"].set_visible(False)
        panel.set(xlabel="predicted risk")
        panel.set_title(f"{found.years} {'year' if found.years == 1 else 'years'}")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=2)
    return drawn


def _with_calibration(evaluation: Evaluation) -> list[HorizonEvaluation]:
    horizons = evaluation.models[evaluation.reference].horizons.values()
    return [found for found in horizons if found.calibration is not None]


def _diagonal(panel: Any, top: float) -> None:
    panel.plot([0, top], [0, top], color=GREY, linewidth=0.9, linestyle=":", zorder=1)
    panel.set(xlabel="predicted risk", ylabel="observed risk", xlim=(0, top), ylim=(0, top))
    _percent_axis(panel.xaxis)
    _percent_axis(panel.yaxis)


def _figures(panel: Any, calibration: Calibration) -> None:
    lines = [f"O:E {number(calibration.observed_to_expected.value, 2)}"]
    if calibration.slope is not None and calibration.intercept is not None and calibration.ici is not None:
        lines += [
            f"intercept {number(calibration.intercept.value, 2)}",
            f"slope {number(calibration.slope.value, 2)}",
            f"ICI {number(100 * calibration.ici, 2)} %",
        ]
    panel.text(0.03, 0.97, "\n".join(lines), transform=panel.transAxes, va="top", fontsize=7.5)


def _spikes(panel: Any, distribution: RiskDistribution | None, top: float) -> None:
    """Fractured above the line, others below."""
    panel.set_xlim(0, top)
    panel.axis("off")
    if distribution is None:
        return
    edges = np.linspace(0.0, top, 61)
    for shares, sign, colour in (
        (distribution.share_fractured, 1.0, COLOURS[1]),
        (distribution.share_others, -1.0, GREY),
    ):
        cumulative = np.concatenate([[0.0], np.cumsum(shares)])
        heights = np.diff(np.interp(edges, distribution.bin_edges, cumulative))
        panel.bar(
            (edges[1:] + edges[:-1]) / 2,
            sign * heights / max(heights.max(), 1e-9),
            width=0.85 * (edges[1] - edges[0]),
            color=colour,
        )
    panel.axhline(0.0, color=LIGHT, linewidth=0.7)
    panel.text(top, 0.9, "fracture", ha="right", va="top", fontsize=6.5, color=COLOURS[1])
    panel.text(top, -0.9, "no fracture", ha="right", va="bottom", fontsize=6.5, color=GREY)


def _percent_axis(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
