"""Tiers, subgroups, and several models at one glance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.evaluation.intervals import Estimate
from analysis.evaluation.report.figures.style import COLOURS, GREY, colour_of, figure, shown_models
from analysis.evaluation.report.wording import number
from analysis.evaluation.results import Evaluation, SubgroupLevel, Subgroups, Tier

TIER_COLOURS = ("#009e73", "#e69f00", "#c0392b", "#7b2d8b")
RATIO_TICKS = (0.2, 0.33, 0.5, 0.7, 0.9, 1.1, 1.4, 2.0, 3.0, 5.0)
WORST_RATIO = 0.5
"""|log(O:E)| and |1 - slope| at which the radar chart's calibration axes reach their centre."""


def draw_tiers(tiers: Sequence[Tier]) -> Any:
    """Cumulative incidence of fracture (left) and of death before it (right), with numbers at risk."""
    drawn, axes = figure(3.3, 1, 2)
    for place, tier in enumerate(tiers):
        colour = TIER_COLOURS[place % len(TIER_COLOURS)]
        axes[0, 0].step(
            tier.years, tier.fracture, where="post", color=colour, label=f"{tier.name} ({tier.subjects:,})"
        )
        axes[0, 0].fill_between(
            tier.years, tier.fracture_low, tier.fracture_high, step="post", color=colour, alpha=0.18, lw=0
        )
        axes[0, 1].step(tier.years, tier.death, where="post", color=colour)
    for panel, title in zip(axes[0], ("Fracture", "Death before a fracture"), strict=True):
        panel.set_title(title)
        panel.set(xlim=(0, tiers[0].years[-1]), xlabel="years since the scan", ylabel="cumulative incidence")
        panel.set_ylim(bottom=0)
        panel.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axes[0, 0].legend(loc="upper left", title="tier (subjects)", title_fontsize=7)
    return drawn


def draw_subgroups(subgroups: Sequence[Subgroups]) -> Any:
    """AUC and O:E of every group with intervals."""
    rows: list[tuple[str, SubgroupLevel | None]] = []
    for part in subgroups:
        rows.append((part.variable, None))
        rows += [(level.level, level) for level in part.levels]
    rows.reverse()
    drawn, axes = figure(0.8 + 0.2 * len(rows), 1, 2, sharey=True)
    for place, (_, level) in enumerate(rows):
        if level is not None:
            _bar(axes[0, 0], place, level.auc, 3)
            _bar(axes[0, 1], place, level.observed_to_expected, 2)
    axes[0, 1].axvline(1.0, color=GREY, linewidth=0.9)
    for bound in (0.9, 1.1):
        axes[0, 1].axvline(bound, color=GREY, linewidth=0.7, linestyle=":")
    axes[0, 1].set_xscale("log")
    low, high = axes[0, 1].get_xlim()
    axes[0, 1].set_xlim(max(low, RATIO_TICKS[0]), min(high, RATIO_TICKS[-1]))
    shown = [tick for tick in RATIO_TICKS if low <= tick <= high]
    axes[0, 1].minorticks_off()
    axes[0, 1].set_xticks(shown, labels=[f"{tick:g}" for tick in shown])
    labels = [
        name if level is None else f"{name}  ({level.fractures:,}/{level.subjects:,})" for name, level in rows
    ]
    axes[0, 0].set_yticks(range(len(rows)), labels=labels)
    for tick, (_, level) in zip(axes[0, 0].get_yticklabels(), rows, strict=True):
        if level is None:
            tick.set_fontweight("bold")
    years = subgroups[0].years
    axes[0, 0].set(xlabel=f"AUC at {years} years", ylim=(-0.7, len(rows) - 0.3))
    axes[0, 1].set(xlabel=f"observed : expected at {years} years")
    for panel in axes[0]:
        panel.grid(axis="y", visible=False)
    return drawn


def draw_radar(evaluation: Evaluation) -> Any:
    """Several models on six axes that all mean "better outwards", each scaled as its label says."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = shown_models(evaluation, with_risks=True)
    spokes = {name: radar_values(evaluation, name) for name in names}
    labels = (
        "AUC\n0.5–0.9",
        "C-index\n0.5–0.9",
        "scaled Brier\n0–20 %",
        "O:E\n|log| 0.5–0",
        "slope\n|1−s| 0.5–0",
        "net benefit\nshare of best",
    )
    angles = np.linspace(0.0, 2 * np.pi, len(labels), endpoint=False)
    drawn = Figure(figsize=(5.6, 3.2), layout="constrained")
    FigureCanvasAgg(drawn)
    panel: Any = drawn.add_subplot(projection="polar")
    panel.set_theta_offset(np.pi / 2)
    panel.set_theta_direction(-1)
    for name, (colour, dash) in colour_of(names).items():
        values = np.append(spokes[name], spokes[name][0])
        strong = name == evaluation.reference
        panel.plot(
            np.append(angles, angles[0]),
            values,
            color=colour,
            linestyle=dash,
            label=name,
            linewidth=2.0 if strong else 1.2,
        )
        if strong:
            panel.fill(np.append(angles, angles[0]), values, color=colour, alpha=0.08)
    panel.set_xticks(angles, labels=labels)
    panel.tick_params(axis="x", pad=12)
    panel.set_ylim(0, 1)
    panel.set_yticks([0.25, 0.5, 0.75, 1.0], labels=[])
    panel.legend(loc="center left", bbox_to_anchor=(1.22, 0.5))
    return drawn


def radar_values(evaluation: Evaluation, name: str) -> list[float]:
    """Six figures of a model at the longest horizon, each from 0 (centre) to 1 (rim)."""
    last = max(evaluation.horizons)
    model = evaluation.models[name]
    found = model.horizons[last]
    auc = 0.5 if found.auc is None else found.auc.value
    c_index = 0.5 if model.c_index is None else model.c_index.value
    scaled = 0.0 if found.brier is None else found.brier.scaled.value
    ratio = slope = benefit = 0.0
    if found.calibration is not None:
        ratio = 1.0 - abs(math.log(max(found.calibration.observed_to_expected.value, 1e-6))) / WORST_RATIO
        if found.calibration.slope is not None:
            slope = 1.0 - abs(1.0 - found.calibration.slope.value) / WORST_RATIO
    if found.decision is not None:
        best = max(
            float(entry.horizons[last].decision.net_benefit.mean())  # type: ignore[union-attr]
            for entry in evaluation.models.values()
            if entry.horizons[last].decision is not None
        )
        benefit = float(found.decision.net_benefit.mean()) / best if best > 0 else 0.0
    raw = ((auc - 0.5) / 0.4, (c_index - 0.5) / 0.4, scaled / 0.2, ratio, slope, benefit)
    return [min(1.0, max(0.0, value)) for value in raw]


def _bar(panel: Any, place: int, value: Estimate | None, digits: int) -> None:
    if value is None:
        return
    panel.plot([value.low, value.high], [place, place], color=COLOURS[0], linewidth=1.3)
    panel.plot(value.value, place, "s", color=COLOURS[0], markersize=3.6)
    panel.annotate(
        number(value.value, digits),
        (value.high, place),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        fontsize=6.3,
        color=GREY,
    )
