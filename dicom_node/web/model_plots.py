"""Plots of a model's figures, as geometry that a template draws in SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dicom_node.web.i18n import translatable
from dicom_node.workflow.model_view import Figures, ModelDetail

__all__ = ["Mark", "Plot", "plots_of"]

WIDTH, HEIGHT = 460, 220
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 16, 40
"""Size and margins in the SVG's own units."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One figure: where it stands and what it says."""

    x: float
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and its label."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Series:
    """The figures of one method."""

    name: str
    own: bool
    """Whether it is the model itself, not a rival."""
    marks: tuple[Mark, ...]

    @property
    def points(self) -> str:
        """The marks as SVG wants them for a polyline."""
        return " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in self.marks)


@dataclass(frozen=True, slots=True)
class Plot:
    """One panel: a quantity over the horizon in years.

    Attributes
    ----------
    ideal : float or None
        Where a perfect model would stand, in the SVG's units; None if that is off the panel.
    """

    title: str
    note: str
    series: tuple[Series, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    ideal: float | None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def plots_of(detail: ModelDetail) -> list[Plot]:
    """Return discrimination and calibration by horizon, the model's and its rivals'; none without figures."""
    methods = {"": detail.figures, **detail.rivals}
    panels = (
        (
            translatable("Discrimination: AUC by horizon"),
            translatable("0.5 is chance, 1 is perfect"),
            lambda item: item.auc,
            0.02,
            None,
        ),
        (
            translatable("Calibration: observed over expected fractures by horizon"),
            translatable("1 is perfect; above it the model promises too little"),
            lambda item: item.observed_to_expected,
            0.05,
            1.0,
        ),
    )
    found = (_plot(title, note, methods, value, step, ideal) for title, note, value, step, ideal in panels)
    return [plot for plot in found if plot is not None]


def _plot(
    title: str,
    note: str,
    methods: Mapping[str, Sequence[Figures]],
    value: Callable[[Figures], float | None],
    step: float,
    ideal: float | None,
) -> Plot | None:
    known = {
        name: [(item.years, found) for item in figures if (found := value(item)) is not None]
        for name, figures in methods.items()
    }
    values = [found for pairs in known.values() for _, found in pairs]
    horizons = sorted({years for pairs in known.values() for years, _ in pairs})
    if not values:
        return None
    extremes = (*values, ideal) if ideal is not None else tuple(values)
    low = (min(extremes) // step) * step
    high = -(-max(extremes) // step) * step
    high = high if high > low else low + step

    def across(years: int) -> float:
        place = horizons.index(years)
        return LEFT + (WIDTH - LEFT - RIGHT) * (place + 0.5) / len(horizons)

    def up(number: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (number - low) / (high - low)

    ticks = round((high - low) / step)
    every = max(1, -(-ticks // 5))
    return Plot(
        title=title,
        note=note,
        series=tuple(
            Series(
                name,
                name == "",
                tuple(Mark(across(years), up(found), f"{years} a: {found:.3f}") for years, found in pairs),
            )
            for name, pairs in sorted(known.items(), key=lambda item: item[0] == "")
            if pairs
        ),
        across=tuple(Tick(across(years), str(years)) for years in horizons),
        up=tuple(
            Tick(up(low + number * step), f"{low + number * step:.2f}")
            for number in range(0, ticks + 1, every)
        ),
        ideal=up(ideal) if ideal is not None else None,
    )
