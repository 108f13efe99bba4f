"""The plots of a report: BMD over time, position against young adults, and risk by horizon."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from analysis.results import REGIONS, HorizonRisk, ReferenceBand, RegionChange, RiskEstimate, TrendPoint
from reports.anatomy import Box
from reports.drawing import line_height, text_width, wrapped
from reports.language import translated
from reports.numbers import number_text, percent_text
from reports.page import Page, mixed
from reports.sentences import region_name
from reports.source import ReportContext

PLOTTED_REGION = "one_third"
"""The only region of the radius that is used for diagnosis (ISCD 2023 Official Positions)."""

DIAGNOSTIC_T = -2.5
"""WHO threshold of osteoporosis (WHO Technical Report Series 843, 1994)."""

T_RANGE = (-5.0, 3.0)
"""Shown without an earlier study; markers beyond it lie at its end, with an arrow."""

RISK_ENDS = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Ends of the risk axis: the first that holds every interval."""

DAYS_PER_YEAR = 365.25


def has_trend(context: ReportContext) -> bool:
    """Whether there is more than one measurement of the plotted region."""
    return len(_measured(context.analysis.trend)) > 1


def draw_trend(page: Page, box: Box, context: ReportContext) -> None:
    """Plot the one-third BMD of every study against the young-adult reference and least significant change.

    Measurements of another machine without cross-calibration are open and not joined.
    """
    theme, language = page.theme, context.language
    points = _measured(context.analysis.trend)
    change = next((c for c in context.analysis.changes if c.region == PLOTTED_REGION), None)
    band = context.analysis.reference_bands.get(PLOTTED_REGION)
    size = 0.925 * theme.size
    heading = translated(
        "{region} BMD (g/cm²) over time", language, region=region_name("one_third", language)
    )
    page.text(box.x, box.y, heading, size=size, color=theme.muted)
    legend_lines = _trend_legend(page, box, context, change, size)
    plot = Box(
        box.x + 3.0 * size,
        box.y + line_height(size) + 0.3 * size,
        box.width - 8.6 * size,
        box.height - (2.25 + legend_lines) * line_height(size) - 0.3 * size,
    )
    axes = _TrendAxes(plot, points, band)
    page.rectangle(plot.x, plot.y, plot.width, plot.height, fill=theme.band)
    _draw_reference(page, axes, band, size, context)
    if change is not None and change.least_significant_change_percent is not None:
        _draw_least_change(page, axes, points, change)
    for tick in axes.value_ticks():
        page.line([(plot.x - 0.25 * size, axes.y(tick)), (plot.x, axes.y(tick))], theme.muted, size / 20)
        top = axes.y(tick) - 0.66 * line_height(size)
        page.text(plot.x - 0.4 * size, top, f"{tick:.2f}", size=size, anchor="right", color=theme.muted)
    for year in axes.year_ticks(size):
        at = axes.x(date(year, 1, 1))
        page.line(
            [(at, plot.y + plot.height), (at, plot.y + plot.height + 0.25 * size)], theme.muted, size / 20
        )
        page.text(
            at, plot.y + plot.height + 0.2 * size, str(year), size=size, anchor="middle", color=theme.muted
        )
    joined = [(axes.x(point.study_date), axes.y(bmd)) for point, bmd in points if point.comparable]
    if len(joined) > 1:
        page.line(joined, theme.ink, size / 10)
    for point, bmd in points:
        fill = theme.accent if point.comparable else theme.paper
        page.dot(
            axes.x(point.study_date), axes.y(bmd), 0.3 * size, fill=fill, line=theme.ink, width=size / 12
        )


def draw_reference_position(page: Page, box: Box, context: ReportContext) -> None:
    """Show where the T-scores lie between the thresholds; said in words where there is none."""
    theme, language, size = page.theme, context.language, 0.925 * page.theme.size
    scores = [
        (region, measured.t_score)
        for region in REGIONS
        if (measured := context.analysis.regions.get(region)) is not None and measured.t_score is not None
    ]
    if not scores:
        page.paragraph(
            box.x,
            box.y,
            translated("No T-score: the position among young adults is not known.", language),
            box.width,
            size=size,
            color=theme.muted,
        )
        return
    title = translated("Position against young adults (T-score); no earlier study", language)
    page.text(box.x, box.y, title, size=size, color=theme.muted)
    left, width = box.x + 0.6 * size, box.width - 1.2 * size
    bar_y, bar_height = box.y + line_height(size) * 2.5, 0.85 * size
    low, high = T_RANGE

    def at(score: float) -> float:
        return left + width * (min(max(score, low), high) - low) / (high - low)

    for first, last, level in ((low, DIAGNOSTIC_T, 0.78), (DIAGNOSTIC_T, -1.0, 0.5), (-1.0, high, 0.22)):
        color = mixed(theme.warning, level, theme.paper)
        page.rectangle(at(first), bar_y, at(last) - at(first), bar_height, fill=color)
    for tick in (-5.0, -4.0, -3.0, DIAGNOSTIC_T, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0):
        threshold = tick in (DIAGNOSTIC_T, -1.0)
        below = bar_y + bar_height
        page.line([(at(tick), below), (at(tick), below + 0.3 * size)], theme.ink, size / 16)
        if threshold or tick in (-4.0, 0.0, 1.0, 2.0):
            page.text(at(tick), below + 0.3 * size, f"{tick:g}", size=size, anchor="middle", bold=threshold)
    free_from = box.x
    for region, score in sorted(scores, key=lambda found: found[1]):
        label = f"{region_name(region, language)} {number_text(score, '{T-score}')}"
        main = region == PLOTTED_REGION
        half = text_width(label, size, bold=main) / 2
        centre = min(max(at(score), free_from + half), box.x + box.width - half)
        page.text(centre, bar_y - 1.45 * line_height(size), label, size=size, anchor="middle", bold=main)
        tip = (at(score), bar_y + 0.1 * size)
        page.polygon(
            [(tip[0] - 0.32 * size, tip[1] - 0.55 * size), (tip[0] + 0.32 * size, tip[1] - 0.55 * size), tip],
            theme.ink,
        )
        free_from = centre + half + 0.8 * size


def draw_risk(page: Page, box_x: float, y: float, width: float, context: ReportContext) -> float:
    """Draw a bar per horizon with its 90 % interval, and the tiers under the longest; return the y below."""
    risk = context.analysis.risk
    if risk is None:
        return y
    theme, language, size = page.theme, context.language, page.theme.size
    years = sorted(risk.horizons)
    labels = {year: translated("{years} y", language, years=year) for year in years}
    left = box_x + max(text_width(label, size) for label in labels.values()) + 0.6 * size
    values = {year: _interval_text(risk.horizons[year]) for year in years}
    small, unit = 0.925 * size, translated("% (90 % interval)", language)
    room = max(text_width(unit, small), *(text_width(value, size, bold=True) for value in values.values()))
    right = box_x + width - room - 0.9 * size
    end = next(e for e in RISK_ENDS if e >= max(h.interval[1] for h in risk.horizons.values()) or e == 1.0)
    row = 1.55 * size

    def at(probability: float) -> float:
        return left + (right - left) * min(probability, end) / end

    for year in years:
        middle = y + row / 2
        estimate = risk.horizons[year]
        page.text(left - 0.5 * size, middle - 0.66 * line_height(size), labels[year], anchor="right")
        page.rectangle(left, middle - 0.36 * size, right - left, 0.72 * size, fill=theme.band)
        if year == years[-1]:
            _draw_tiers(page, risk, (left, middle - 0.36 * size, right - left, 0.72 * size), end)
        page.rectangle(
            left, middle - 0.24 * size, at(estimate.probability) - left, 0.48 * size, fill=theme.accent
        )
        low, high = (at(limit) for limit in estimate.interval)
        page.line([(low, middle), (high, middle)], theme.ink, size / 9)
        for limit in (low, high):
            page.line([(limit, middle - 0.3 * size), (limit, middle + 0.3 * size)], theme.ink, size / 11)
        last = year == years[-1]
        page.text(box_x + width - room, middle - 0.66 * line_height(size), values[year], bold=last)
        y += row
    for step in range(6):
        page.text(
            at(step * end / 5),
            y + 0.05 * size,
            f"{100 * step * end / 5:g}",
            size=small,
            anchor="middle",
            color=theme.muted,
        )
    page.text(box_x + width - room, y + 0.05 * size, unit, size=small, color=theme.muted)
    return y + line_height(small) + 0.2 * size


def _draw_tiers(page: Page, risk: RiskEstimate, bar: tuple[float, float, float, float], end: float) -> None:
    """Shade the tiers behind the longest horizon, which is the one they are defined on."""
    if risk.moderate_from is None or risk.high_from is None:
        return
    x, y, width, height = bar
    theme = page.theme
    limits = (risk.moderate_from, risk.high_from)
    for first, last, level in ((limits[0], limits[1], 0.3), (limits[1], 1.0, 0.6)):
        start, stop = (x + width * min(limit, end) / end for limit in (first, last))
        page.rectangle(start, y, stop - start, height, fill=mixed(theme.warning, level, theme.paper))


def _interval_text(estimate: HorizonRisk) -> str:
    low, high = (percent_text(limit) for limit in estimate.interval)
    return f"{percent_text(estimate.probability)} ({low}–{high})"


class _TrendAxes:
    """Places of dates and densities in a plot."""

    def __init__(
        self, plot: Box, points: Sequence[tuple[TrendPoint, float]], band: ReferenceBand | None
    ) -> None:
        from matplotlib.ticker import MaxNLocator

        self.plot = plot
        values = [bmd for _, bmd in points]
        if band is not None:
            values += [band.mean_g_cm2, band.mean_g_cm2 + DIAGNOSTIC_T * band.sd_g_cm2]
        margin = max(0.02, 0.12 * (max(values) - min(values)))
        self._low, self._high = min(values) - margin, max(values) + margin
        self._ticks = [float(tick) for tick in MaxNLocator(4).tick_values(self._low, self._high)]
        days = [point.study_date.toordinal() for point, _ in points]
        pad = max(60.0, 0.06 * (days[-1] - days[0]))
        self._first, self._last = days[0] - pad, days[-1] + pad

    def x(self, day: date) -> float:
        """Column of a day."""
        share = (day.toordinal() - self._first) / (self._last - self._first)
        return self.plot.x + self.plot.width * share

    def y(self, bmd: float) -> float:
        """Row of a density, kept within the plot."""
        share = (min(max(bmd, self._low), self._high) - self._low) / (self._high - self._low)
        return self.plot.y + self.plot.height * (1.0 - share)

    def value_ticks(self) -> list[float]:
        """Round densities within the plot."""
        return [tick for tick in self._ticks if self._low <= tick <= self._high]

    def year_ticks(self, size: float) -> list[int]:
        """Years whose beginning lies in the plot, as many as can be labelled."""
        years = [
            year
            for year in range(
                date.fromordinal(int(self._first)).year, date.fromordinal(int(self._last)).year + 1
            )
            if self._first <= date(year, 1, 1).toordinal() <= self._last
        ]
        most = max(1, int(self.plot.width / (4.0 * size)))
        return years[:: int(np.ceil(len(years) / most))] if years else []


def _measured(trend: Sequence[TrendPoint]) -> list[tuple[TrendPoint, float]]:
    return [(point, point.bmd_g_cm2[PLOTTED_REGION]) for point in trend if PLOTTED_REGION in point.bmd_g_cm2]


def _draw_reference(
    page: Page, axes: _TrendAxes, band: ReferenceBand | None, size: float, context: ReportContext
) -> None:
    """Lines at the young-adult mean, one and two and a half standard deviations below it."""
    if band is None:
        return
    theme, plot, language = page.theme, axes.plot, context.language
    lines = (
        (0.0, translated("mean", language)),
        (-1.0, "−1 SD"),
        (DIAGNOSTIC_T, "−2.5 SD"),
    )
    for deviations, label in lines:
        y = axes.y(band.mean_g_cm2 + deviations * band.sd_g_cm2)
        color = theme.warning if deviations == DIAGNOSTIC_T else theme.muted
        page.line([(plot.x, y), (plot.x + plot.width, y)], color, size / 16, dash=(size / 3, size / 4))
        x = plot.x + plot.width + 0.3 * size
        page.text(x, y - 0.66 * line_height(size), label, size=size, color=color)


def _draw_least_change(
    page: Page, axes: _TrendAxes, points: Sequence[tuple[TrendPoint, float]], change: RegionChange
) -> None:
    """The band around the prior within which a difference is no change."""
    prior = next((bmd for point, bmd in points if point.study_date == change.prior_date), None)
    if prior is None or change.least_significant_change_percent is None:
        return
    theme = page.theme
    spread = prior * change.least_significant_change_percent / 100
    left, right = axes.x(change.prior_date), axes.plot.x + axes.plot.width
    top, bottom = axes.y(prior + spread), axes.y(prior - spread)
    page.rectangle(left, top, right - left, bottom - top, fill=mixed(theme.accent, 0.35, theme.paper))


def _trend_legend(
    page: Page, box: Box, context: ReportContext, change: RegionChange | None, size: float
) -> int:
    """Say what the marks mean, at the bottom of the box; return how many lines that took."""
    language, theme = context.language, page.theme
    words = [translated("Dashed: young-adult mean, −1 and −2.5 SD", language)]
    if change is not None and change.least_significant_change_percent is not None:
        words.append(translated("blue band: least significant change around the prior", language))
    if any(not point.comparable for point in context.analysis.trend):
        words.append(translated("open: other machine, not comparable", language))
    text = translated("; ", language).join(words)
    lines = wrapped(text, size, box.width)
    y = box.y + box.height - len(lines) * line_height(size)
    for line in lines:
        page.text(box.x, y, line, size=size, color=theme.muted)
        y += line_height(size)
    return len(lines)
