"""BMD of the one-third radius over time, against young adults and the least significant change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from analysis.results import ReferenceBand, RegionChange, TrendPoint
from reports.anatomy import Box
from reports.drawing import line_height, wrapped
from reports.language import translated
from reports.page import Page, mixed
from reports.sentences import region_name
from reports.source import ReportContext

PLOTTED_REGION = "one_third"
"""The only region of the radius that is used for diagnosis (ISCD 2023 Official Positions)."""

DIAGNOSTIC_T = -2.5
"""WHO threshold of osteoporosis (WHO Technical Report Series 843, 1994)."""


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
        (-1.0, "-1 SD"),
        (DIAGNOSTIC_T, "-2.5 SD"),
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
    words = [translated("Dashed: young-adult mean, -1 and -2.5 SD", language)]
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
