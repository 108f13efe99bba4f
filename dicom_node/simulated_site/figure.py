"""The loop in one figure: how calibration drifts, is detected, and is repaired, on a simulated site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.evaluation.report.figures.style import GREY, STYLE
from analysis.simulation.site import SitePlan

__all__ = ["draw", "write_figure"]

FIRST, LATER, LAST = "#0072B2", "#D55E00", "#009E73"
"""Of the first model, the second and the third (Okabe & Ito 2008: told apart by the colour-blind)."""
ALARM, OTHERS, LIMITS, OTHER_POPULATION = "#CC3311", "#777777", "#E8F3E8", "#DDDDDD"
WIDTH_INCHES, HEIGHT_INCHES = 7.2, 8.6
AFTERWARDS_YEARS = 1.2
"""How long the figure goes on after the last scan: until the last patients' first year is known."""
OFFSET = {"in force": 0.0, "in shadow": 0.09, "replaced": -0.09}
"""Years by which points of the same patients stand side by side."""
_MARKERS = {"in force": ("o", True), "in shadow": ("D", False), "replaced": ("s", False)}

Numbers = Mapping[str, Any]


def write_figure(numbers: Numbers, path: Path) -> None:
    """Draw the figure of a history, `dicom_node.simulated_site.summary.document`, into a file."""
    draw(numbers).savefig(path, dpi=200)


def draw(numbers: Numbers) -> Any:
    """Return the figure: models in force and in shadow, surveillance, calibration and discrimination."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    plan, colours = SitePlan(**numbers["plan"]), _colours(numbers)
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES))
        FigureCanvasAgg(figure)
        panels = figure.subplots(
            5, 1, sharex=True, gridspec_kw={"height_ratios": [0.95, 1.55, 1.55, 1.0, 1.0], "hspace": 0.42}
        )
        _models(panels[0], numbers, plan, colours)
        _surveillance(panels[1], numbers)
        _ratio(panels[2], numbers, colours)
        _slope(panels[3], numbers, colours)
        _auc(panels[4], numbers, colours)
        for panel in panels:
            _marks(panel, numbers)
            panel.axvspan(plan.years, plan.years + AFTERWARDS_YEARS, color="#F5F5F5", linewidth=0, zorder=0)
            panel.set_xlim(0.0, plan.years + AFTERWARDS_YEARS)
        _mark_texts(panels[0], numbers)
        _title(figure, numbers, plan)
        figure.subplots_adjust(left=0.105, right=0.975, top=0.875, bottom=0.055)
    return figure


def _title(figure: Any, numbers: Numbers, plan: SitePlan) -> None:
    figure.suptitle(
        "Simulated site: calibration drifts, is detected, and is repaired",
        x=0.105, y=0.985, ha="left", fontsize=11, fontweight="bold",
    )  # fmt: skip
    figure.text(
        0.105, 0.962,
        f"{numbers['patients']:,} simulated patients, {numbers['patients_with_a_risk']:,} of them with an "
        "estimated risk of a fracture within a year of the scan.\n"
        f"Bars: 95 % intervals; time of the scans. Points: at least {numbers['least_fractures']} fractures. "
        f"Seed {plan.seed}. Research use only.",
        fontsize=7.5, color=GREY, ha="left", va="top",
    )  # fmt: skip


def _colours(numbers: Numbers) -> dict[str, str]:
    """Colour by version: those that were in force at any time in the order of their turn, others grey."""
    order = dict(zip(_versions(numbers), (FIRST, LATER, LAST), strict=False))
    return {**{span["version"]: OTHERS for span in numbers["shadows"]}, **order}


def _versions(numbers: Numbers) -> list[str]:
    """Versions that were in force, in the order of their turn."""
    told = (point["version"] for point in numbers["by_year_of_scan"] if point["role"] == "in force")
    return [next(told, ""), *(promotion["after"] for promotion in numbers["promotions"])]


def _models(panel: Any, numbers: Numbers, plan: SitePlan, colours: Mapping[str, str]) -> None:
    """Share of the other population, above it the models in force and in shadow, and learning runs."""
    years = np.linspace(0.0, plan.years, 400)
    panel.fill_between(years, plan.share_of_other(years), color=OTHER_POPULATION, linewidth=0)
    panel.text(
        plan.years - 0.05, 0.5, "share of patients from another population", ha="right", va="center",
        fontsize=7.5, bbox={"facecolor": OTHER_POPULATION, "edgecolor": "none", "pad": 1.0}, zorder=5,
    )  # fmt: skip
    panel.text(
        plan.years + 0.6, 0.92, "no more scans,\nfollow-up\ngoes on", ha="center", va="center",
        fontsize=7.5, color=GREY,
    )  # fmt: skip
    starts = [0.0, *(promotion["month"] / 12 for promotion in numbers["promotions"])]
    ends = [*starts[1:], plan.years]
    for number, (version, begin, end) in enumerate(zip(_versions(numbers), starts, ends, strict=True)):
        _bar(panel, 1.62, (begin, end), colours[version], solid=True)
        panel.text(
            (begin + end) / 2, 1.615, "challenger" if number else "shipped model", ha="center", va="center",
            color="white", fontsize=7.5, fontweight="bold",
        )  # fmt: skip
    for span in numbers["shadows"]:
        end = span["until"] / 12 if span["until"] is not None else plan.years
        _bar(panel, 1.22, (span["since"] / 12, end), colours[span["version"]], solid=False)
    runs = [run["month"] / 12 for run in numbers["learning_runs"]]
    panel.plot(runs, [1.22] * len(runs), linestyle="none", marker="|", color="black", markersize=9)
    panel.grid(visible=False)
    panel.set(ylim=(0.0, 1.85), yticks=[0.0, 1.0, 1.22, 1.62])
    panel.set_yticklabels(["0", "1", "in shadow", "in force"])
    panel.set_title("a  Who is scanned, and which model is used (ticks: learning runs)")


def _bar(panel: Any, height: float, span: tuple[float, float], colour: str, *, solid: bool) -> None:
    begin, end = span
    panel.barh(
        height, end - begin, left=begin, height=0.28, color=colour if solid else "white", edgecolor=colour,
        hatch=None if solid else "/////", linewidth=0.8,
    )  # fmt: skip


def _surveillance(panel: Any, numbers: Numbers) -> None:
    """O:E as it was known in each month, with the limits that raise the alarm."""
    found = [item for item in numbers["surveillance"] if item["observed_to_expected"]]
    years = [item["month"] / 12 for item in found]
    ratios = [item["observed_to_expected"] for item in found]
    _band(panel, numbers)
    panel.fill_between(
        years, [item["low"] for item in ratios], [item["high"] for item in ratios], color=OTHERS, alpha=0.25,
        linewidth=0,
    )  # fmt: skip
    panel.plot(years, [item["value"] for item in ratios], color="black", linewidth=1.2)
    crossed = [item for item in found if item["crossed"]]
    panel.plot(
        [item["month"] / 12 for item in crossed],
        [item["observed_to_expected"]["value"] for item in crossed],
        "o", color=ALARM, markersize=3.5,
    )  # fmt: skip
    panel.text(
        0.05, 2.0, "Needs a year of scans\nand a year of follow-up.", fontsize=7.5, color=GREY, va="center"
    )
    low, high = numbers["limits"]["ratio"]
    panel.text(
        0.05, 0.87, f"limits {low:g} and {high:g}", fontsize=7.5, color="#3B7A3B", va="center", zorder=5
    )
    panel.set_title("b  Calibration as surveillance sees it, by date of looking (red: beyond the limit)")


def _ratio(panel: Any, numbers: Numbers, colours: Mapping[str, str]) -> None:
    _band(panel, numbers)
    _values(panel, numbers["by_year_of_scan"], colours, "observed_to_expected")
    panel.set_title("c  Calibration, by date of scan (known a year later)")
    handles = [
        panel.errorbar([], [], yerr=[], fmt=marker, color="black", mfc=face, markersize=5, label=label)
        for marker, face, label in (
            ("o", "black", "in force: what patients were told"),
            ("D", "white", "in shadow: computed, told to nobody"),
            ("s", "white", "first model, had it stayed"),
        )
    ]
    legend = panel.legend(handles=handles, loc="lower right", ncols=3, columnspacing=1.2, frameon=True)
    legend.get_frame().set(facecolor="white", edgecolor="none", alpha=1.0)


def _slope(panel: Any, numbers: Numbers, colours: Mapping[str, str]) -> None:
    panel.axhline(1.0, color="black", linewidth=0.8)
    _values(panel, numbers["by_year_of_scan"], colours, "slope")
    panel.set(ylabel="slope", ylim=(0.2, 1.85), yticks=[0.5, 1.0, 1.5])
    panel.set_title("d  Calibration slope, by date of scan (ideal 1)")


def _auc(panel: Any, numbers: Numbers, colours: Mapping[str, str]) -> None:
    _values(panel, numbers["by_year_of_scan"], colours, "auc")
    panel.set(
        ylabel="AUC", ylim=(0.6, 0.95), yticks=[0.6, 0.7, 0.8, 0.9], xlabel="years since the first scan"
    )
    panel.set_title("e  Discrimination, by date of scan")


def _band(panel: Any, numbers: Numbers) -> None:
    low, high = numbers["limits"]["ratio"]
    panel.axhspan(low, high, color=LIMITS, linewidth=0)
    panel.axhline(1.0, color="black", linewidth=0.8)
    panel.set_yscale("log")
    panel.set(ylabel="observed : expected", ylim=(0.42, 3.2), yticks=[0.5, 0.8, 1.0, 1.25, 2.0, 3.0])
    panel.set_yticklabels(["0.5", "0.8", "1", "1.25", "2", "3"])
    panel.minorticks_off()


def _values(panel: Any, points: Sequence[Numbers], colours: Mapping[str, str], name: str) -> None:
    for point in points:
        estimate = point[name]
        if estimate is None:
            continue
        marker, filled = _MARKERS[point["role"]]
        colour, begin, end = colours[point["version"]], point["begin"], point["end"]
        middle, value = (begin + end) / 2 + OFFSET[point["role"]], estimate["value"]
        if point["role"] != "replaced":
            panel.plot([begin, end], [value, value], color=colour, linewidth=0.8, alpha=0.5)
        panel.errorbar(
            middle, value, yerr=[[value - estimate["low"]], [estimate["high"] - value]], fmt=marker,
            color=colour, mfc=colour if filled else "white", markersize=5, linewidth=1.1, capsize=2,
        )  # fmt: skip


def _marks(panel: Any, numbers: Numbers) -> None:
    if numbers["first_alarm_month"] is not None:
        panel.axvline(numbers["first_alarm_month"] / 12, color=ALARM, linewidth=1.0, linestyle="--")
    for promotion in numbers["promotions"]:
        panel.axvline(promotion["month"] / 12, color="black", linewidth=1.0, linestyle=":")


def _mark_texts(panel: Any, numbers: Numbers) -> None:
    def text(month: int, what: str, colour: str, side: str) -> None:
        panel.annotate(
            what, (month / 12, 1.0), xycoords=("data", "axes fraction"), color=colour,
            xytext=(-2 if side == "right" else 2, 17), textcoords="offset points", ha=side, fontsize=7.5,
            annotation_clip=False,
        )  # fmt: skip

    alarm = numbers["first_alarm_month"]
    if alarm is not None:
        text(alarm, f"alarm, month {alarm}", ALARM, "right")
    for promotion in numbers["promotions"]:
        text(promotion["month"], f"promoted by a person, month {promotion['month']}", "black", "left")
