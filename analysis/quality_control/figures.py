"""The pictures of quality control: a scanner's charts and a calibration's residuals, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from analysis.quality_control.calibration import CalibrationFit
from analysis.quality_control.control_chart import BAND, CUSUM_H, ControlChart

INK, FAINT, STEADY, ALARM, WARNING = "#1a1a1a", "#8a8a8a", "#1f6fb2", "#c0392b", "#c87f0a"
SIZE, DOTS_PER_INCH = (9.0, 6.4), 110


def draw_control_chart(chart: ControlChart, days: Sequence[date], title: str, path: Path) -> None:
    """Draw Shewhart chart above CUSUM chart on one axis of dates.

    Parameters
    ----------
    days : sequence of date, one per scan of the chart
    """
    figure, (upper, lower) = _figure(2, (3, 2))
    base, sd, count = chart.baseline.mean, chart.baseline.sd, chart.baseline.scans
    out = np.array([bool(rules) for rules in chart.signals])
    for axes in (upper, lower):
        axes.axvspan(days[0], days[count - 1], color="#eef3f8", zorder=0)
    for multiple, style in ((1, ":"), (2, "--"), (3, "-")):
        for side in (-1, 1):
            upper.axhline(base + side * multiple * sd, color=FAINT, linestyle=style, linewidth=0.8)
        _label(upper, base + multiple * sd, f"+{multiple} SD")
        _label(upper, base - multiple * sd, f"−{multiple} SD")
    for side in (-1, 1):
        upper.axhline(base * (1 + side * BAND), color=WARNING, linewidth=1.2)
    _label(upper, base * (1 + BAND), f"+{100 * BAND:g} %", WARNING)
    _label(upper, base * (1 - BAND), f"−{100 * BAND:g} %", WARNING)
    upper.axhline(base, color=INK, linewidth=0.9)
    upper.plot(days, chart.values, color=STEADY, linewidth=0.8, alpha=0.6)
    _points(upper, days, chart.values, out)
    upper.set_ylabel("phantom BMD, g/cm²")
    upper.set_title(title, loc="left", fontsize=12)
    reach = max(BAND * base, float(np.abs(chart.values - base).max()), 3 * sd) * 1.12
    upper.set_ylim(base - reach, base + reach)
    lower.step(days, chart.cusum_high, where="post", color=ALARM, label="upward")
    lower.step(days, -chart.cusum_low, where="post", color=STEADY, label="downward")
    for side in (-1, 1):
        lower.axhline(side * CUSUM_H, color=INK, linewidth=0.9)
    lower.axhline(0, color=FAINT, linewidth=0.6)
    _label(lower, CUSUM_H, f"h = {CUSUM_H:g} SD", INK)
    highest = max(CUSUM_H, float(chart.cusum_high.max()), float(chart.cusum_low.max())) * 1.15
    lower.set_ylim(-highest, highest)
    lower.set_ylabel("CUSUM, SD")
    lower.legend(loc="upper left", frameon=False, fontsize=9)
    margin = (days[-1] - days[0]) / 60
    for axes in (upper, lower):
        axes.set_xlim(days[0] - margin, days[-1] + margin)
    upper.tick_params(labelbottom=False)
    lower.set_xlabel(
        f"date of phantom scan; shaded: the {count} scans of the baseline ({base:.4f} ± {sd:.4f} g/cm²)"
    )
    _save(figure, path)


def draw_calibration(fit: CalibrationFit, title: str, path: Path) -> None:
    """Draw certified density against reading with the line, and the residuals below."""
    figure, (upper, lower) = _figure(2, (3, 2))
    x = np.array([item.reading for item in fit.readings])
    y = np.array([item.certificate_g_cm2 for item in fit.readings])
    ends = np.array([x.min(), x.max()])
    upper.plot(ends, fit.slope * ends + fit.intercept, color=INK, linewidth=0.9)
    upper.plot(x, y, "o", color=STEADY, markersize=5)
    upper.set_ylabel("certified density, g/cm²")
    upper.set_title(title, loc="left", fontsize=12)
    upper.text(
        0.02,
        0.92,
        f"density = {fit.slope:.5g} · reading {fit.intercept:+.4f} g/cm², SEE {fit.see_g_cm2:.4f} g/cm²",
        transform=upper.transAxes,
        fontsize=10,
    )
    lower.axhline(0, color=INK, linewidth=0.9)
    for side in (-1, 1):
        lower.axhline(side * 2 * fit.see_g_cm2, color=FAINT, linestyle="--", linewidth=0.8)
    lower.plot(x, fit.residuals_g_cm2, "o", color=STEADY, markersize=5)
    lower.set_ylabel("residual, g/cm²")
    lower.set_xlabel("reading; dashed: ± 2 SEE")
    upper.tick_params(labelbottom=False)
    _save(figure, path)


def _figure(rows: int, ratios: Sequence[int]) -> tuple[Any, Any]:
    # the object interface: no global state of pyplot, no display needed
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 1, gridspec_kw={"height_ratios": list(ratios)})
    for item in axes:
        item.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _points(axes: Any, days: Sequence[date], values: Any, out: Any) -> None:
    steady = [day for day, alarmed in zip(days, out, strict=True) if not alarmed]
    alarmed = [day for day, alarmed in zip(days, out, strict=True) if alarmed]
    axes.plot(steady, values[~out], "o", color=STEADY, markersize=4, label="in control")
    axes.plot(alarmed, values[out], "D", color=ALARM, markersize=5.5, label="breaks a rule")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.99), frameon=False, fontsize=9, ncols=2)


def _label(axes: Any, height: float, text: str, colour: str = FAINT) -> None:
    axes.annotate(
        text,
        (1.005, height),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=8,
        color=colour,
        annotation_clip=False,
    )


def _save(figure: Any, path: Path) -> None:
    # without Software and date the same chart is the same file
    figure.savefig(path, metadata={"Software": None})
