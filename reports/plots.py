"""Plots of one study: position among young adults, risk by horizon, and what moved the risk."""

from __future__ import annotations

from analysis.results import REGIONS, Contribution, HorizonRisk, RiskEstimate
from analysis.wording import feature_name
from analysis.wording.numbers import signed
from reports.anatomy import Box
from reports.drawing import line_height, shortened, text_width
from reports.language import translated
from reports.numbers import number_text, percent_text
from reports.page import Page, mixed
from reports.sentences import region_name
from reports.source import ReportContext
from reports.trend import DIAGNOSTIC_T, PLOTTED_REGION

T_RANGE = (-5.0, 3.0)
"""Shown without an earlier study; markers beyond it lie at its end, with an arrow."""

RISK_ENDS = (0.25, 0.5, 1.0)
"""Ends of the risk axis: the first that holds every interval. A low risk must look low."""

DRIVERS_SHOWN = 5

LEAST_DRIVER_AXIS = 0.5
"""Log-hazard at the end of the shortest axis of drivers: small contributions must look small."""


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
    title = translated("Position against young adults (T-score)", language)
    if not context.analysis.changes:
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
            _draw_tiers(page, risk, Box(left, middle + 0.46 * size, right - left, 0.26 * size), end)
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


def _draw_tiers(page: Page, risk: RiskEstimate, bar: Box, end: float) -> None:
    """Shade the tiers under the longest horizon, which is the one they are defined on."""
    if risk.moderate_from is None or risk.high_from is None:
        return
    theme = page.theme
    limits = (0.0, risk.moderate_from, risk.high_from, end)
    for first, last, level in zip(limits, limits[1:], (0.12, 0.42, 0.85), strict=False):
        start, stop = (bar.x + bar.width * min(limit, end) / end for limit in (first, last))
        page.rectangle(start, bar.y, stop - start, bar.height, fill=mixed(theme.warning, level, theme.paper))


def draw_drivers(page: Page, x: float, y: float, width: float, context: ReportContext) -> float:
    """Draw the largest contributions to the log-hazard as signed bars; return the y below."""
    explanation = context.analysis.explanation
    if not explanation:
        return y
    theme, language, size = page.theme, context.language, 0.925 * page.theme.size
    caption = translated("What moved the estimate most (log-hazard)", language)
    y = page.paragraph(x, y, caption, width, size=size, color=theme.muted)
    shown = sorted(explanation, key=lambda item: (-abs(item.contribution), item.feature))[:DRIVERS_SHOWN]
    end = max(LEAST_DRIVER_AXIS, abs(shown[0].contribution))
    number_width = text_width("-0.00", size) + 0.4 * size
    names = min(0.58 * width, 0.6 * size + max(text_width(_driver_name(i, context), size) for i in shown))
    zero = x + names + (width - names) / 2
    half = (width - names) / 2 - number_width
    for item in shown:
        label = shortened(_driver_name(item, context), size, names - 0.4 * size)
        page.text(x, y, label, size=size)
        length = half * abs(item.contribution) / end
        raises = item.contribution > 0
        color = theme.warning if raises else theme.accent
        page.rectangle(zero if raises else zero - length, y + 0.32 * size, length, 0.7 * size, fill=color)
        at = zero + length + 0.3 * size if raises else zero - length - 0.3 * size
        page.text(at, y, signed(item.contribution, 2), size=size, anchor="left" if raises else "right")
        y += line_height(size)
    top = y - len(shown) * line_height(size)
    page.line([(zero, top), (zero, y)], theme.muted, size / 16)
    return y + 0.2 * size


def _driver_name(item: Contribution, context: ReportContext) -> str:
    name = feature_name(item.feature, context.language)
    return translated("{input} (not known)", context.language, input=name) if item.imputed else name


def _interval_text(estimate: HorizonRisk) -> str:
    low, high = (percent_text(limit) for limit in estimate.interval)
    return f"{percent_text(estimate.probability)} ({low}–{high})"
