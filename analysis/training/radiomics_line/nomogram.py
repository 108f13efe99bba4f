"""The combined model as a nomogram: points of every predictor, their sum, and the probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.training.radiomics_line.fit import Subjects
from analysis.training.radiomics_line.model import RADSCORE, TRAINING_DATA, Logistic, RadiomicsModel

FloatArray = NDArray[np.float64]

MOST_POINTS = 100.0
"""Points of the predictor with the largest effect over its range."""
PROBABILITIES = (
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.3,
    0.4,
    0.5,
    0.6,
    0.7,
    0.8,
    0.9,
    0.95,
    0.98,
    0.99,
    0.995,
)
"""Where the probability axis has marks, as far as they are reached."""
LABELS = {"age_years": "Age (years)", "male": "Sex", RADSCORE: "Radscore"}


@dataclass(frozen=True, slots=True)
class PointScale:
    """How a logistic model's predictors turn into points.

    Attributes
    ----------
    logistic : Logistic
    limits : mapping of str to (float, float)
        Range of each predictor on the drawing.
    log_odds_per_point : float
    log_odds_at_zero : float
        Log-odds of somebody with no points.
    """

    logistic: Logistic
    limits: Mapping[str, tuple[float, float]]
    log_odds_per_point: float
    log_odds_at_zero: float

    def points(self, name: str, value: float) -> float:
        """Points of one predictor's value: 0 at the harmless end of its range."""
        coefficient, (low, high) = self.logistic.coefficients[name], self.limits[name]
        harmless = low if coefficient >= 0 else high
        return coefficient * (value - harmless) / self.log_odds_per_point

    def total_of(self, probability: float) -> float:
        """Total points that mean a probability."""
        log_odds = np.log(probability / (1 - probability))
        return float((log_odds - self.log_odds_at_zero) / self.log_odds_per_point)

    @property
    def most(self) -> float:
        """Points of somebody at the harmful end of every range."""
        return float(sum(max(self.points(name, end) for end in ends) for name, ends in self.limits.items()))


def point_scale(logistic: Logistic, limits: Mapping[str, tuple[float, float]]) -> PointScale:
    """Scale a model so that its strongest predictor spans `MOST_POINTS`."""
    spans = {name: abs(logistic.coefficients[name]) * (high - low) for name, (low, high) in limits.items()}
    harmless = sum(
        logistic.coefficients[name] * (low if logistic.coefficients[name] >= 0 else high)
        for name, (low, high) in limits.items()
    )
    return PointScale(logistic, limits, max(spans.values()) / MOST_POINTS, logistic.intercept + harmless)


def limits_of(model: RadiomicsModel, subjects: Subjects) -> dict[str, tuple[float, float]]:
    """Ranges to draw the combined model over: ages seen, both sexes, the middle 98 % of Radscores."""
    names = [subjects.names.index(part.name) for part in model.parts]
    score = model.radscore_of(subjects.features[:, names])
    low, high = np.percentile(score, [1, 99])
    ages = subjects.clinical[:, 0]
    limits = {
        "age_years": (float(np.floor(ages.min() / 5) * 5), float(np.ceil(ages.max() / 5) * 5)),
        "male": (0.0, 1.0),
        RADSCORE: (float(low), float(high)),
    }
    coefficients = model.models["combined"].coefficients
    return {name: ends for name, ends in limits.items() if coefficients[name] != 0 and ends[0] < ends[1]}


def draw_nomogram(scale: PointScale, title: str, path: Path) -> None:
    """Draw a nomogram as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = len(scale.limits) + 3
    figure = Figure(figsize=(9, 0.75 * rows + 1.1), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlim(-0.27, 1.04)
    axes.set_ylim(-0.6, rows - 0.2)
    axes.axis("off")
    axes.set_title(title, loc="left", fontsize=11)
    _axis(axes, rows - 1, "Points", [(p / MOST_POINTS, f"{p:g}") for p in range(0, 101, 10)])
    for offset, (name, ends) in enumerate(scale.limits.items(), start=2):
        marks = [(scale.points(name, value) / MOST_POINTS, text) for value, text in _marks(name, ends)]
        span = [scale.points(name, end) / MOST_POINTS for end in ends]
        _axis(axes, rows - offset, LABELS.get(name, name), marks, span)
    step = _round_step(scale.most / 12)
    largest = np.ceil(scale.most / step) * step
    totals = [(t / largest, f"{t:g}") for t in np.arange(0, largest + step / 2, step)]
    _axis(axes, 1, "Total points", totals)
    reached = [(scale.total_of(p) / largest, f"{p:g}") for p in PROBABILITIES]
    _axis(axes, 0, "Probability", [mark for mark in reached if 0 <= mark[0] <= 1])
    figure.text(0.99, 0.005, TRAINING_DATA, ha="right", va="bottom", fontsize=8, color="0.35")
    figure.savefig(path, dpi=150)


def _axis(
    axes: Any, height: float, label: str, marks: Sequence[tuple[float, str]], span: Sequence[float] = ()
) -> None:
    """One scale: a line over `span` and all marks, labels above it and clear of each other."""
    axes.text(-0.05, height, label, ha="right", va="center", fontsize=10)
    places = [*span, *(place for place, _ in marks)]
    if not places:
        return
    axes.plot([min(places), max(places)], [height, height], color="black", linewidth=1)
    free = -np.inf
    for place, text in sorted(marks):
        axes.plot([place, place], [height, height + 0.12], color="black", linewidth=1)
        width = 0.0115 * len(text)
        if place - width / 2 >= free:
            axes.text(place, height + 0.18, text, ha="center", va="bottom", fontsize=8)
            free = place + width / 2 + 0.006


def _marks(name: str, ends: tuple[float, float]) -> list[tuple[float, str]]:
    if name == "male":
        return [(0.0, "woman"), (1.0, "man")]
    low, high = ends
    step = _round_step((high - low) / 12)
    values = np.arange(np.ceil(low / step - 1e-9) * step, high + step * 1e-6, step)
    return [(float(value), f"{value:.10g}" if abs(value) > step / 1e6 else "0") for value in values]


def _round_step(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(step))
    return float(next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step * (1 - 1e-9)))
