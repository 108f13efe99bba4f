"""BMD over time, against young adults and the least significant change around the prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from analysis.results import ReferenceBand
from dicom_node.web.plots.axes import Axis, Tick, round_steps
from dicom_node.workflow.study_view.numbers import AnalysisNumbers, RegionalChange, TrendStudy

__all__ = ["Longitudinal", "longitudinal"]

WIDTH, HEIGHT = 540.0, 290.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 62.0, 26.0, 30.0

DEVIATIONS = (0.0, -1.0, -2.5)
"""Young-adult mean, and WHO's thresholds of low bone mass and osteoporosis (WHO TRS 843, 1994)."""


@dataclass(frozen=True, slots=True)
class PlottedStudy:
    """One measurement; open where the machine is another one without cross-calibration."""

    x: float
    y: float
    day: str
    bmd: str
    comparable: bool
    current: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A level of the reference."""

    y: float
    deviations: float
    threshold: bool


@dataclass(frozen=True, slots=True)
class Band:
    """Where a difference from the prior is no change."""

    x: float
    y: float
    width: float
    height: float
    percent: str


@dataclass(frozen=True, slots=True)
class Longitudinal:
    """The whole plot of one region."""

    region: str
    studies: tuple[PlottedStudy, ...]
    path: str
    """Points of the line that joins comparable studies."""
    levels: tuple[Line, ...]
    band: Band | None
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def longitudinal(numbers: AnalysisNumbers, region: str) -> Longitudinal | None:
    """Place the studies of one side; None where there is one measurement only."""
    measured = [study for study in numbers.trend if region in study.bmd_g_cm2]
    if len(measured) < 2:
        return None
    reference = numbers.reference_bands.get(region)
    change = next((item for item in numbers.changes if item.region == region), None)
    x, y = _axes(measured, region, reference, change)
    studies = tuple(
        PlottedStudy(
            x=x.at(study.day.toordinal()),
            y=y.at(study.bmd_g_cm2[region]),
            day=study.day.isoformat(),
            bmd=f"{study.bmd_g_cm2[region]:.3f}",
            comparable=study.comparable,
            current=study is measured[-1],
        )
        for study in measured
    )
    joined = [study for study in studies if study.comparable]
    return Longitudinal(
        region=region,
        studies=studies,
        path=" ".join(f"{study.x},{study.y}" for study in joined) if len(joined) > 1 else "",
        levels=_levels(reference, y),
        band=_band(measured, region, change, x, y),
        across=_years(x),
        up=tuple(Tick(y.at(value), f"{value:.2f}") for value in round_steps(y.low, y.high, most=5)),
    )


def _axes(
    measured: Sequence[TrendStudy],
    region: str,
    reference: ReferenceBand | None,
    change: RegionalChange | None,
) -> tuple[Axis, Axis]:
    values = [study.bmd_g_cm2[region] for study in measured]
    if reference is not None:
        values += [reference.mean_g_cm2 + step * reference.sd_g_cm2 for step in DEVIATIONS]
    if change is not None and change.least_significant_change_percent is not None:
        share = change.least_significant_change_percent / 100
        values += [values[0] * (1 - share), values[0] * (1 + share)]
    margin = max(0.01, 0.08 * (max(values) - min(values)))
    days = [study.day.toordinal() for study in measured]
    pad = max(60.0, 0.06 * (days[-1] - days[0]))
    return (
        Axis(days[0] - pad, days[-1] + pad, LEFT, WIDTH - RIGHT),
        Axis(min(values) - margin, max(values) + margin, HEIGHT - BOTTOM, TOP),
    )


def _levels(reference: ReferenceBand | None, y: Axis) -> tuple[Line, ...]:
    if reference is None:
        return ()
    return tuple(
        Line(y.at(reference.mean_g_cm2 + step * reference.sd_g_cm2), step, step == DEVIATIONS[-1])
        for step in DEVIATIONS
    )


def _band(
    measured: Sequence[TrendStudy], region: str, change: RegionalChange | None, x: Axis, y: Axis
) -> Band | None:
    if change is None or change.least_significant_change_percent is None:
        return None
    prior = next((study for study in measured if study.day.isoformat() == change.prior_date), None)
    if prior is None:
        return None
    bmd = prior.bmd_g_cm2[region]
    spread = bmd * change.least_significant_change_percent / 100
    left, top, bottom = x.at(prior.day.toordinal()), y.at(bmd + spread), y.at(bmd - spread)
    percent = f"{change.least_significant_change_percent:.1f}"
    return Band(left, top, round(x.end - left, 2), round(bottom - top, 2), percent)


def _years(x: Axis) -> tuple[Tick, ...]:
    first, last = (date.fromordinal(round(day)) for day in (x.low, x.high))
    starts = [date(year, 1, 1) for year in range(first.year + 1, last.year + 1)]
    every = max(1, len(starts) // 8)
    return tuple(Tick(x.at(day.toordinal()), str(day.year)) for day in starts[::every])
