"""The table of goals: every row's figure for both families, its interval, and if it meets must and aim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from accuracy_parts.cases import Row
from accuracy_parts.samples import FAMILIES
from accuracy_parts.statistics import Array, exact_upper, interval, rms_cv_percent

SILENT_DICE = 0.93
"""An outline below this is a failure; one that nothing remarks on is a silent one."""
ASTRAY_MM = 3.0
REGION_NAMES = {"one_third": "one-third", "mid": "mid", "ultradistal": "UD"}


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of one family."""

    value: float | None
    cases: int
    interval: tuple[float, float] | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Goal:
    """One row.

    Attributes
    ----------
    must, aim : float or None
        Bound of the figure's absolute value; None where there is none.
    at_least : bool
        True if larger is better.
    figures : mapping of family to Figure
        The key ``all`` stands for figures that belong to no family.
    """

    name: str
    unit: str
    must: float | None
    aim: float | None
    figures: dict[str, Figure] = field(default_factory=dict)
    at_least: bool = False
    digits: int = 2

    def verdict(self, bound: float | None) -> str:
        """``pass`` or ``miss`` over all families; ``not measured`` without figures, empty without a bound."""
        if bound is None:
            return ""
        values = [figure.value for figure in self.figures.values()]
        if not values or any(value is None for value in values):
            return "not measured"
        met = [v >= bound if self.at_least else abs(v) <= bound for v in values if v is not None]
        return "pass" if all(met) else "miss"


def density_goals(clean: Sequence[Row]) -> list[Goal]:
    """BMD against truth."""

    def errors(family: str, region: str) -> Array:
        return _known(clean, family, f"{region}_error_percent")

    bias = Goal("one-third BMD against truth: bias", "%", 1.0, 0.3)
    spread = Goal("one-third BMD against truth: SD", "%", 0.6, 0.15)
    goals = [bias, spread]
    for family in FAMILIES:
        third = errors(family, "one_third")
        bias.figures[family] = _figure(third, np.mean)
        spread.figures[family] = _figure(third, lambda v: np.std(v, ddof=1))
    for region, must, aim in (("ultradistal", 2.0, 1.0), ("mid", 1.5, 0.8)):
        goal = Goal(f"{REGION_NAMES[region]} BMD, 95th percentile of absolute error", "%", must, aim)
        for family in FAMILIES:
            found = errors(family, region)
            goal.figures[family] = _figure(found, _p95, f"bias {np.mean(found):+.2f}" if len(found) else "")
        goals.append(goal)
    return goals


def repositioning_goals(repeated: Sequence[Row]) -> list[Goal]:
    """RMS-CV of BMD over two scans; the remark is what the turned bone's own projection contributes."""
    goals = []
    for region, must, aim in (("one_third", 0.5, 0.15), ("mid", 0.5, 0.2), ("ultradistal", 0.75, 0.4)):
        goal = Goal(f"repositioning RMS-CV, {REGION_NAMES[region]}", "%", must, aim)
        for family in FAMILIES:
            rows = [r for r in repeated if r["family"] == family and r[f"{region}_in_field"]]
            rows = [r for r in rows if None not in r[region]]
            pairs = np.array([r[region] for r in rows], dtype=float)
            own = np.array([r[f"{region}_true"] for r in rows], dtype=float)
            goal.figures[family] = _figure(pairs, rms_cv_percent, _own_part(pairs, own))
        goals.append(goal)
    return goals


def outline_goals(clean: Sequence[Row]) -> list[Goal]:
    """Overlap and distance of the radius's outline on clean pictures; a refused picture counts as Dice 0."""
    mean = Goal("radius Dice, mean", "", 0.98, 0.992, at_least=True, digits=4)
    lowest = Goal("radius Dice, minimum", "", 0.95, 0.985, at_least=True, digits=4)
    distance = Goal("radius HD95, median", "mm", 0.8, 0.3)
    flagged = Goal("clean pictures flagged", "%", 5.0, None, digits=1)
    for family in FAMILIES:
        rows = [r for r in clean if r["family"] == family]
        overlap = np.array([r.get("dice", 0.0) for r in rows])
        refused = sum(bool(r["refusal"]) for r in rows)
        remark = f"{refused} refused, counted as 0" if refused else ""
        mean.figures[family] = _figure(overlap, np.mean, remark)
        lowest.figures[family] = _figure(overlap, np.min, remark, spread=False)
        distance.figures[family] = _figure(_known(clean, family, "hd95_mm"), np.median)
        flagged.figures[family] = _share([bool(r["flags"]) for r in rows])
    return [mean, lowest, distance, flagged]


def artefact_goals(spoiled: Sequence[Row]) -> list[Goal]:
    """Outlines on pictures with artefacts. *Flagged*: refused, or any warning or error about the picture."""
    mean = Goal("with artefacts: mean Dice of those outlined", "", 0.95, 0.98, at_least=True, digits=4)
    silent = Goal(
        f"with artefacts: silent failures (Dice < {SILENT_DICE}, not flagged)", "", 0.0, 0.0, digits=0
    )
    astray = Goal(
        f"with artefacts: one-third BMD reported from > {ASTRAY_MM:g} mm off, not flagged",
        "",
        None,
        0.0,
        digits=0,
    )
    good = Goal(f"with artefacts: good outlines (Dice ≥ {SILENT_DICE}) flagged", "%", None, 15.0, digits=1)
    doubted = Goal("with artefacts: good outlines whose outline is doubted", "%", None, None, digits=1)
    refused = Goal("with artefacts: refused", "%", None, None, digits=1)
    for family in FAMILIES:
        rows = [r for r in spoiled if r["family"] == family]
        seen = [r for r in rows if not r["refusal"]]
        mean.figures[family] = _figure(np.array([r["dice"] for r in seen]), np.mean)
        failures = sum(is_silent(r) for r in rows)
        upper = 100 * exact_upper(failures, len(rows)) if rows else 0.0
        silent.figures[family] = Figure(float(failures), len(rows), remark=f"at most {upper:.1f} % (95 %)")
        astray.figures[family] = Figure(float(sum(_is_astray(r) for r in rows)), len(rows))
        good.figures[family] = _share([bool(r["flags"]) for r in seen if r["dice"] >= SILENT_DICE])
        doubted.figures[family] = _share([_is_doubted(r) for r in seen if r["dice"] >= SILENT_DICE])
        refused.figures[family] = _share([bool(r["refusal"]) for r in rows])
    return [mean, silent, astray, good, doubted, refused]


def _is_astray(row: Row) -> bool:
    """A number from the wrong place that nothing remarks on: an outline's overlap cannot show it."""
    reported = row.get("one_third_error_percent") is not None
    return reported and not row["flags"] and (row["one_third_mm"] or 0.0) > ASTRAY_MM


def _is_doubted(row: Row) -> bool:
    """Flagged not for the artefact, rightly seen, but for the outline itself."""
    return any(code.startswith("segmentation_") or code == "implausible_anatomy" for code in row["flags"])


def is_silent(row: Row) -> bool:
    """A failed outline that nothing remarks on."""
    return not row["flags"] and row["dice"] < SILENT_DICE


def landmark_goals(clean: Sequence[Row]) -> list[Goal]:
    """Distances of three points from where they are."""
    goals = []
    for name, key in (
        ("end plate", "end_plate_mm"),
        ("ulnar styloid", "styloid_mm"),
        ("one-third centre", "one_third_mm"),
    ):
        goal = Goal(f"{name}, 95th percentile of the distance", "mm", 1.5, 0.5)
        for family in FAMILIES:
            found = _known(clean, family, key)
            goal.figures[family] = _figure(
                found, _p95, f"median {np.median(found):.2f}" if len(found) else ""
            )
        goals.append(goal)
    return goals


def cortex_goals(clean: Sequence[Row], repeated: Sequence[Row]) -> list[Goal]:
    """Cortical thickness at one third; every scan has a blur of its own that nobody tells the engine."""
    bias = Goal("cortical thickness at one third: bias", "mm", 0.15, 0.10, digits=3)
    variation = Goal("cortical thickness at one third: repositioning RMS-CV", "%", 1.5, None)
    for family in FAMILIES:
        errors = _known(clean, family, "cortex_error_mm")
        spread = f"SD {np.std(errors, ddof=1):.3f}" if len(errors) > 1 else ""
        bias.figures[family] = _figure(errors, np.mean, spread)
        rows = [r for r in repeated if r["family"] == family and None not in r["cortex"]]
        own = np.array([r["cortex_true"] for r in rows], dtype=float)
        pairs = np.array([r["cortex"] for r in rows], dtype=float)
        variation.figures[family] = _figure(pairs, rms_cv_percent, _own_part(pairs, own))
    return [bias, variation]


def orientation_goals(rows: Sequence[Row]) -> list[Goal]:
    """What must never pass."""
    goals = []
    for name, key in (
        ("wrong side accepted (contradictory header)", "wrong_side_accepted"),
        ("wrong way up accepted", "wrong_way_up_accepted"),
        ("wrong bone or arm accepted", "wrong_bone_accepted"),
    ):
        goal = Goal(name, "", 0.0, 0.0, digits=0)
        for family in FAMILIES:
            cases = [r for r in rows if r["family"] == family]
            refused = sum(bool(r["refusal"]) for r in cases)
            remark = f"{refused} refused with a true header"
            goal.figures[family] = Figure(float(sum(r[key] for r in cases)), len(cases), remark=remark)
        goals.append(goal)
    return goals


def as_markdown(goals: Sequence[Goal]) -> list[str]:
    """The table's lines."""
    lines = [
        "| measure | must | aim | own family | voxel family | must met | aim met |",
        "|---|---|---|---|---|---|---|",
    ]
    for goal in goals:
        both = goal.figures.get("all")
        cells = [_cell(goal, both or goal.figures.get(family)) for family in FAMILIES]
        name = f"{goal.name}, {goal.unit}" if goal.unit else goal.name
        bounds = [_bound(goal, bound) for bound in (goal.must, goal.aim)]
        marks = [goal.verdict(bound) for bound in (goal.must, goal.aim)]
        lines.append(f"| {' | '.join([name, *bounds, *cells, *marks])} |")
    return lines


def as_json(goals: Sequence[Goal]) -> list[dict[str, Any]]:
    """The same for machines."""
    return [
        {**asdict(goal), "must_met": goal.verdict(goal.must), "aim_met": goal.verdict(goal.aim)}
        for goal in goals
    ]


def _bound(goal: Goal, bound: float | None) -> str:
    if bound is None:
        return ""
    if bound == 0:
        return "0"
    return f"{'≥' if goal.at_least else '≤'} {bound:g}"


def _cell(goal: Goal, figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return "–"
    text = f"{figure.value:.{goal.digits}f}"
    if figure.interval is not None:
        text += f" ({figure.interval[0]:.{goal.digits}f} to {figure.interval[1]:.{goal.digits}f})"
    return f"{text}; n {figure.cases}" + (f"; {figure.remark}" if figure.remark else "")


def _figure(
    values: Array, figure: Callable[[Array], Any], remark: str = "", *, spread: bool = True
) -> Figure:
    if len(values) < 2:
        return Figure(None, len(values))
    bounds = interval(values, lambda v: float(figure(v))) if spread else None
    return Figure(float(figure(values)), len(values), bounds, remark)


def _own_part(pairs: Array, own: Array) -> str:
    """What the turned bone's projection contributes, and what is left when measured is divided by true."""
    if not len(own):
        return ""
    own_cv, rest = rms_cv_percent(own), rms_cv_percent(pairs / own)
    return f"the projection itself {own_cv:.2f}, measured over true {rest:.2f}"


def _share(flags: Sequence[bool]) -> Figure:
    return _figure(100.0 * np.array(flags, dtype=float), np.mean)


def _known(rows: Sequence[Row], family: str, key: str) -> Array:
    return np.array([r[key] for r in rows if r["family"] == family and r.get(key) is not None], dtype=float)


def _p95(values: Array) -> float:
    return float(np.percentile(np.abs(values), 95))
