"""Surveillance in small pictures, as geometry that templates draw in SVG: shares, drift, risks, outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dicom_node.storage.surveillance import Figure
from dicom_node.web.plots.axes import Axis, Tick, round_steps

__all__ = [
    "Calibration",
    "DriftMap",
    "Months",
    "RatioCourse",
    "RiskCourse",
    "ShareCourse",
    "calibration",
    "drift_map",
    "ratio_course",
    "risk_course",
    "share_course",
]

WIDTH, HEIGHT = 460.0, 200.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 12.0, 10.0, 26.0
"""Size and margins of a course over months, in the drawing's own units."""

SQUARE = 300.0
"""Side of a calibration plot: both axes are risks on one scale."""

NAMES, CELL_HEIGHT, MAP_WIDTH = 230.0, 20.0, 980.0
"""Width of the names, height of a row, and width of the map of drift."""

MOST_LABELS = 5


@dataclass(frozen=True, slots=True)
class Months:
    """The axis of months: each has a place of equal width."""

    months: tuple[str, ...]
    left: float = LEFT
    right: float = WIDTH - RIGHT

    @property
    def step(self) -> float:
        return (self.right - self.left) / max(len(self.months), 1)

    def at(self, month: str) -> float:
        """Return the middle of a month's place."""
        return round(self.left + (self.months.index(month) + 0.5) * self.step, 2)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """The newest month and some before it, evenly."""
        every = max(1, -(-len(self.months) // MOST_LABELS))
        chosen = [month for number, month in enumerate(reversed(self.months)) if number % every == 0]
        return tuple(Tick(self.at(month), month) for month in reversed(chosen))


@dataclass(frozen=True, slots=True)
class Course:
    """What every picture over months has."""

    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


@dataclass(frozen=True, slots=True)
class Estimate:
    """One month's figure with its interval, placed; `words` says it."""

    x: float
    y: float
    low: float
    high: float
    judged: bool
    crossed: bool
    words: str


@dataclass(frozen=True, slots=True)
class ShareCourse:
    """A share of studies over months; `limit` is its height, None without one."""

    course: Course
    marks: tuple[Estimate, ...]
    limit: float | None

    @property
    def path(self) -> str:
        return " ".join(f"{mark.x},{mark.y}" for mark in self.marks)

    @property
    def band(self) -> str:
        """The corners of the intervals' band."""
        upper = [f"{mark.x},{mark.high}" for mark in self.marks]
        lower = [f"{mark.x},{mark.low}" for mark in reversed(self.marks)]
        return " ".join([*upper, *lower])


@dataclass(frozen=True, slots=True)
class Cell:
    """One feature in one month; `level` is "few", "stable", "moved", or "far" where the limit is crossed."""

    x: float
    level: str
    crossed: bool
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """One feature over all months."""

    y: float
    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class DriftMap:
    """Features down, months across."""

    rows: tuple[Row, ...]
    across: tuple[Tick, ...]
    cell: float
    left: float
    width: float
    height: float
    row_height: float = CELL_HEIGHT


@dataclass(frozen=True, slots=True)
class Box:
    """One month's predicted risks: median, quartiles, and the range of nine in ten."""

    x: float
    low: float
    lower: float
    median: float
    upper: float
    high: float
    width: float
    crossed: bool
    words: str


@dataclass(frozen=True, slots=True)
class RiskCourse:
    """Predicted risk over months beside that of the training cohort (`training`: its five heights)."""

    course: Course
    boxes: tuple[Box, ...]
    training: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RatioCourse:
    """Observed over predicted fractures over months; `ideal`, `low`, `high`: heights of 1 and the range."""

    course: Course
    marks: tuple[Estimate, ...]
    ideal: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Observed against predicted risk: tenths with intervals, a smooth curve with its band, the diagonal."""

    groups: tuple[Estimate, ...]
    curve: str
    band: str
    diagonal: tuple[float, float, float, float]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    left: float
    right: float
    top: float
    bottom: float
    width: float = SQUARE
    height: float = SQUARE


def share_course(figures: Sequence[Figure], months: Months, least: int) -> ShareCourse:
    """Place a share over months; the axis ends above the highest share, not its interval.

    Shares of less than `least` studies, and of a month that is not over, are marked as open.
    """
    shown = [one for one in figures if one.detail["value"] is not None]
    limit = next((one.detail["limit"] for one in reversed(shown) if one.detail["limit"] is not None), None)
    highest = max([one.detail["value"] for one in shown] + [limit or 0.0, 0.05])
    y = Axis(0.0, min(1.0, highest * 1.25), HEIGHT - BOTTOM, TOP)
    marks = tuple(_share(one, months, y, least) for one in shown)
    return ShareCourse(_course(months, y, _percent), marks, None if limit is None else y.at(limit))


def drift_map(
    features: Mapping[str, Sequence[Figure]], names: Mapping[str, str], months: Sequence[str]
) -> DriftMap:
    """Place every feature's drift, the most drifted of the newest months first."""
    axis = Months(tuple(months), NAMES, MAP_WIDTH - RIGHT)
    order = sorted(features, key=lambda name: (-_latest_psi(features[name]), names[name]))
    rows = tuple(
        Row(
            round(number * CELL_HEIGHT, 2),
            names[name],
            tuple(_cell(one, names[name], axis) for one in features[name] if one.detail["psi"] is not None),
        )
        for number, name in enumerate(order)
    )
    height = len(rows) * CELL_HEIGHT + 22.0
    return DriftMap(rows, axis.ticks, round(axis.step, 2), NAMES, MAP_WIDTH, height)


def risk_course(figures: Sequence[Figure], months: Months) -> RiskCourse | None:
    """Place predicted risks over months; None without any."""
    shown = [one for one in figures if one.detail["quantiles"]]
    if not shown:
        return None
    training = shown[-1].detail["training_quantiles"]
    highest = max([one.detail["quantiles"][-1] for one in shown] + [training[-1]])
    y = Axis(0.0, min(1.0, highest * 1.1), HEIGHT - BOTTOM, TOP)
    boxes = tuple(_box(one, months, y) for one in shown)
    return RiskCourse(_course(months, y, _percent), boxes, tuple(y.at(value) for value in training))


def ratio_course(
    figures: Sequence[Figure], months: Months, limits: tuple[float, float]
) -> RatioCourse | None:
    """Place observed over predicted fractures of those groups that have any; None without one."""
    shown = [one for one in figures if one.detail.get("ratio") and one.detail["fractures"]]
    if not shown:
        return None
    ratios = [one.detail["ratio"] for one in shown if one.judged] or [one.detail["ratio"] for one in shown]
    highest = max([ratio["high"] for ratio in ratios] + [limits[1]])
    y = Axis(0.0, min(highest * 1.05, 4.0), HEIGHT - BOTTOM, TOP)
    marks = tuple(_ratio(one, months, y) for one in shown)
    return RatioCourse(
        _course(months, y, lambda value: f"{value:g}"), marks, y.at(1.0), y.at(limits[0]), y.at(limits[1])
    )


def calibration(figure: Figure) -> Calibration:
    """Place one group's calibration; both axes end above its largest tenth, whatever the intervals."""
    detail = figure.detail
    groups = detail["groups"]
    largest = [max(group["predicted"], group["observed"]["value"]) for group in groups]
    most = min(1.0, max(*largest, 0.01) * 1.4)
    left, right, top, bottom = LEFT, SQUARE - RIGHT, TOP, SQUARE - 42.0
    x, y = Axis(0.0, most, left, right), Axis(0.0, most, bottom, top)
    steps = round_steps(0.0, most, 4)
    curve = [point for point in detail["curve"] if max(point[:2]) <= most]  # not bent along the edge
    upper = [f"{x.at(p)},{y.at(high)}" for p, _, _, high in curve]
    lower = [f"{x.at(p)},{y.at(low)}" for p, _, low, _ in reversed(curve)]
    return Calibration(
        tuple(_group(group, x, y) for group in groups),
        " ".join(f"{x.at(p)},{y.at(observed)}" for p, observed, _, _ in curve),
        " ".join([*upper, *lower]),
        (left, bottom, right, top),
        tuple(Tick(x.at(value), _percent(value)) for value in steps),
        tuple(Tick(y.at(value), _percent(value)) for value in steps),
        left,
        right,
        top,
        bottom,
    )


def _course(months: Months, y: Axis, label: Any) -> Course:
    steps = round_steps(y.low, y.high, 4)
    return Course(months.ticks, tuple(Tick(y.at(value), label(value)) for value in steps))


def _share(one: Figure, months: Months, y: Axis, least: int) -> Estimate:
    detail = one.detail
    judged = one.judged if detail["limit"] is not None else detail["total"] >= least
    return Estimate(
        months.at(one.month),
        y.at(detail["value"]),
        y.at(detail["low"]),
        y.at(detail["high"]),
        judged,
        one.crossed,
        f"{one.month}: {_percent(detail['value'])} ({detail['count']} / {detail['total']})",
    )


def _box(one: Figure, months: Months, y: Axis) -> Box:
    low, lower, median, upper, high = one.detail["quantiles"]
    return Box(
        x=months.at(one.month),
        low=y.at(low),
        lower=y.at(lower),
        median=y.at(median),
        upper=y.at(upper),
        high=y.at(high),
        width=round(min(12.0, months.step * 0.6), 2),
        crossed=one.crossed,
        words=f"{one.month}: {_percent(median)} ({_percent(lower)}–{_percent(upper)}), "
        f"PSI {one.detail['psi']:.2f}, n = {one.detail['subjects']}",
    )


def _ratio(one: Figure, months: Months, y: Axis) -> Estimate:
    detail = one.detail
    value, low, high = (y.at(detail["ratio"][name]) for name in ("value", "low", "high"))
    words = f"{one.month}: {_interval(detail['ratio'])}, {detail['fractures']} / {detail['subjects']}"
    crossed = bool(detail["ratio_crossed"])
    return Estimate(months.at(one.month), value, low, high, judged=one.judged, crossed=crossed, words=words)


def _cell(one: Figure, name: str, axis: Months) -> Cell:
    detail = one.detail
    words = f"{name}, {one.month}: PSI {detail['psi']:.2f}, KS {detail['ks']:.2f}, n = {detail['subjects']}"
    x = round(axis.at(one.month) - axis.step / 2, 2)
    moved = "moved" if detail["level"] == "far" else detail["level"]
    return Cell(x, "far" if one.crossed else moved, one.crossed, words)


def _latest_psi(figures: Sequence[Figure]) -> float:
    judged = [one.detail["psi"] for one in figures if one.judged]
    return float(judged[-1]) if judged else -1.0


def _group(group: Mapping[str, Any], x: Axis, y: Axis) -> Estimate:
    observed = group["observed"]
    words = (
        f"{_percent(group['predicted'])} → {_percent(observed['value'])} "
        f"({_percent(observed['low'])}–{_percent(observed['high'])}), n = {group['subjects']}"
    )
    value, low, high = (y.at(observed[name]) for name in ("value", "low", "high"))
    return Estimate(x.at(group["predicted"]), value, low, high, judged=True, crossed=False, words=words)


def _percent(value: float) -> str:
    """A share in per cent, with a decimal where whole numbers would not tell it."""
    percent = 100 * value
    return f"{percent:.0f} %" if percent >= 10 or percent == round(percent) else f"{percent:.1f} %"


def _interval(estimate: Mapping[str, float]) -> str:
    return f"{estimate['value']:.2f} ({estimate['low']:.2f}–{estimate['high']:.2f})"
