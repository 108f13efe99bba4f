"""The loop in one figure: how calibration drifts, is detected, and is repaired, on a simulated site."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.evaluation.intervals import Estimate
from analysis.evaluation.report.figures.style import STYLE
from dicom_node.simulated_site.loop import WATCHED_MONTHS, SiteHistory
from dicom_node.simulated_site.summary import Point, points

__all__ = ["draw", "write_figure"]

FIRST, LATER, LAST = "#0072B2", "#D55E00", "#009E73"
"""Of the first model, the second and the third (Okabe & Ito 2008: told apart by the colour-blind)."""
ALARM, GREY = "#CC3311", "#777777"
WIDTH_INCHES, HEIGHT_INCHES = 7.2, 8.6
OFFSET = {"in force": 0.0, "in shadow": 0.07, "replaced": -0.07}
"""Years by which points of one year stand side by side."""


def write_figure(history: SiteHistory, path: Path) -> None:
    """Draw the figure into a PNG or SVG file."""
    import matplotlib as mpl

    mpl.use("Agg")
    drawn = draw(history)
    drawn.savefig(path, dpi=200, metadata={"Software": None} if path.suffix == ".png" else None)


def draw(history: SiteHistory) -> Any:
    """Return the figure: models in force and in shadow, surveillance, calibration and discrimination."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES))
        panels = figure.subplots(
            5, 1, sharex=True, gridspec_kw={"height_ratios": [0.95, 1.55, 1.55, 1.0, 1.0], "hspace": 0.42}
        )
        colours = _colours(history)
        found = points(history)
        _models(panels[0], history, colours)
        _surveillance(panels[1], history)
        _ratio(panels[2], history, found, colours)
        _values(panels[3], found, colours, lambda point: point.slope)
        panels[3].axhline(1.0, color="black", linewidth=0.8)
        panels[3].set(ylabel="slope")
        panels[3].set_title("d  Calibration slope, by date of scan (ideal 1)")
        _values(panels[4], found, colours, lambda point: point.auc)
        panels[4].set(ylabel="AUC", ylim=(0.65, 0.95), xlabel="years since the first scan")
        panels[4].set_title("e  Discrimination, by date of scan")
        for panel in panels:
            _marks(panel, history)
            panel.set_xlim(0.0, history.plan.years + 0.02)
        _mark_texts(panels[0], history)
        plan = history.plan
        figure.suptitle(
            "Simulated site: calibration drifts, is detected, and is repaired",
            x=0.09, y=0.985, ha="left", fontsize=11, fontweight="bold",
        )  # fmt: skip
        figure.text(
            0.09, 0.957,
            f"{len(history.patients):,} simulated patients, {history.patients['told_risk'].notna().sum():,} "
            "of them with a risk; fracture within a year of the scan; 95 % intervals; "
            f"seed {plan.seed}. Research use only.",
            fontsize=7.5, color=GREY, ha="left",
        )  # fmt: skip
        figure.subplots_adjust(left=0.09, right=0.975, top=0.905, bottom=0.055)
    return figure


def _colours(history: SiteHistory) -> dict[str, str]:
    """Colour by version: those that were in force at any time in the order of their turn, others grey."""
    versions = list(dict.fromkeys(version for version in history.patients["told_version"] if version))
    order = dict(zip(versions, (FIRST, LATER, LAST), strict=False))
    return {**{span.version: GREY for span in history.shadows}, **order}


def _models(panel: Any, history: SiteHistory, colours: dict[str, str]) -> None:
    """Share of the other population, above it the models in force and in shadow, and learning runs."""
    years = np.linspace(0.0, history.plan.years, 400)
    panel.fill_between(years, history.plan.share_of_other(years), color="#DDDDDD", linewidth=0)
    panel.text(
        history.plan.years - 0.05,
        0.5,
        "patients of another population",
        ha="right",
        va="center",
        fontsize=7.5,
    )
    starts = [0.0, *(promotion.month / 12 for promotion in history.promotions)]
    ends = [*starts[1:], history.plan.years]
    first = history.patients.loc[history.patients["told_version"] != "", "told_version"].iloc[0]
    versions = [first, *(promotion.after for promotion in history.promotions)]
    for number, (version, begin, end) in enumerate(zip(versions, starts, ends, strict=True)):
        _bar(panel, 1.62, begin, end, colours[version], solid=True)
        _bar_text(
            panel, 1.62, begin, end, "shipped model" if number == 0 else f"challenger {number} promoted"
        )
    for span in history.shadows:
        end = (span.until if span.until is not None else history.months) / 12
        _bar(panel, 1.22, span.since / 12, end, colours[span.version], solid=False)
    panel.plot(
        [month / 12 for month, _ in history.learning], [1.22] * len(history.learning),
        linestyle="none", marker="|", color="black", markersize=9,
    )  # fmt: skip
    panel.set(ylim=(0.0, 1.85), yticks=[0.0, 0.5, 1.0, 1.22, 1.62])
    panel.set_yticklabels(["0", "", "1", "in shadow", "in force"])
    panel.set_title("a  Who is scanned, and by which model (ticks: learning runs)")


def _bar(panel: Any, height: float, begin: float, end: float, colour: str, *, solid: bool) -> None:
    panel.barh(
        height, end - begin, left=begin, height=0.28, color=colour if solid else "white", edgecolor=colour,
        hatch=None if solid else "/////", linewidth=0.8,
    )  # fmt: skip


def _bar_text(panel: Any, height: float, begin: float, end: float, text: str) -> None:
    panel.text(
        (begin + end) / 2,
        height,
        text,
        ha="center",
        va="center",
        color="white",
        fontsize=7.5,
        fontweight="bold",
    )


def _surveillance(panel: Any, history: SiteHistory) -> None:
    """O:E as it was known in each month, with the limits that raise the alarm."""
    known = [(item.month / 12, item.performance) for item in history.watched if item.month <= history.months]
    months = [month for month, found in known if found.observed_to_expected]
    ratios = [found.observed_to_expected for _, found in known if found.observed_to_expected]
    _band(panel, history)
    panel.fill_between(
        months,
        [item.low for item in ratios],
        [item.high for item in ratios],
        color=GREY,
        alpha=0.25,
        linewidth=0,
    )
    panel.plot(months, [item.value for item in ratios], color="black", linewidth=1.2)
    crossed = [(month, found.observed_to_expected) for month, found in known if found.ratio_crossed]
    panel.plot(
        [month for month, _ in crossed],
        [item.value for _, item in crossed if item],
        "o",
        color=ALARM,
        markersize=4,
    )
    panel.text(
        0.05, 1.02, f"needs {WATCHED_MONTHS} months of scans\nand a year of follow-up",
        fontsize=7.5, color=GREY, va="center",
    )  # fmt: skip
    panel.set_title("b  What surveillance sees, when it sees it (red: beyond the limit, family-wise 1 %)")


def _ratio(panel: Any, history: SiteHistory, found: Sequence[Point], colours: dict[str, str]) -> None:
    _band(panel, history)
    _values(panel, found, colours, lambda point: point.observed_to_expected)
    panel.set_title("c  Calibration, by date of scan")
    handles = [
        panel.errorbar([], [], yerr=[], fmt=marker, color="black", mfc=face, markersize=5, label=label)
        for marker, face, label in (
            ("o", "black", "in force: what patients were told"),
            ("D", "white", "in shadow: computed, told to nobody"),
            ("s", "white", "first model, had it stayed"),
        )
    ]
    panel.legend(handles=handles, loc="lower right", fontsize=7, frameon=False, ncols=3, columnspacing=1.2)


def _band(panel: Any, history: SiteHistory) -> None:
    low, high = history.limits.ratio
    panel.axhspan(low, high, color="#E8F3E8", linewidth=0)
    panel.axhline(1.0, color="black", linewidth=0.8)
    panel.set_yscale("log")
    panel.set(ylabel="observed : expected", ylim=(0.42, 3.2), yticks=[0.5, 0.8, 1.0, 1.25, 2.0, 3.0])
    panel.set_yticklabels(["0.5", "0.8", "1", "1.25", "2", "3"])
    panel.minorticks_off()


_MARKERS = {"in force": ("o", True), "in shadow": ("D", False), "replaced": ("s", False)}


def _values(
    panel: Any,
    found: Sequence[Point],
    colours: dict[str, str],
    value: Callable[[Point], Estimate | None],
) -> None:
    for point in found:
        estimate = value(point)
        if estimate is None:
            continue
        marker, filled = _MARKERS[point.role]
        colour = colours[point.version]
        panel.errorbar(
            (point.begin + point.end) / 2 + OFFSET[point.role], estimate.value,
            yerr=[[estimate.value - estimate.low], [estimate.high - estimate.value]],
            fmt=marker, color=colour, mfc=colour if filled else "white", markersize=5,
            linewidth=1.1, capsize=2, alpha=0.75 if point.role == "replaced" else 1.0,
        )  # fmt: skip


def _marks(panel: Any, history: SiteHistory) -> None:
    if history.alarms:
        panel.axvline(history.alarms[0] / 12, color=ALARM, linewidth=1.0, linestyle="--")
    for promotion in history.promotions:
        panel.axvline(promotion.month / 12, color="black", linewidth=1.0, linestyle=":")


def _mark_texts(panel: Any, history: SiteHistory) -> None:
    def text(month: int, what: str, colour: str) -> None:
        panel.annotate(
            what, (month / 12, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 14), color=colour,
            textcoords="offset points", ha="center", fontsize=7.5, annotation_clip=False,
        )  # fmt: skip

    if history.alarms:
        text(history.alarms[0], f"alarm, month {history.alarms[0]}", ALARM)
    for promotion in history.promotions:
        text(promotion.month, f"promotion, month {promotion.month}", "black")
