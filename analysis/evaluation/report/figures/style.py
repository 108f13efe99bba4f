"""One look for all figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.evaluation.results import Evaluation

COLOURS = ("#0b4f8a", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a7a7a")
"""Reference first; told apart by the colour-blind (Okabe & Ito)."""
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (7, 2)))
GREY, LIGHT = "#5b6470", "#d7dce2"
PAGE_WIDTH = 7.1
MOST_MODELS, MOST_COMPARATORS = 4, 2

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.0,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e9ecf0",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.color": "#333a44",
    "ytick.color": "#333a44",
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
}


def figure(height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Any, Any]:
    """A figure as wide as the page and its axes, (rows, columns)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(PAGE_WIDTH, height), layout="constrained")
    FigureCanvasAgg(drawn)
    return drawn, drawn.subplots(rows, columns, squeeze=False, **options)


def colour_of(models: Sequence[str]) -> dict[str, tuple[str, Any]]:
    """Name -> colour and dash, in order."""
    return {name: (COLOURS[place % 7], DASHES[place % 7]) for place, name in enumerate(models)}


def shown_models(evaluation: Evaluation, *, with_risks: bool = False) -> tuple[str, ...]:
    """The reference, some of the other models, and the comparators with the highest AUC.

    Curves of more than half a dozen models cannot be told apart; the tables hold all.
    """
    last = max(evaluation.horizons)

    def auc(name: str) -> float:
        found = evaluation.models[name].horizons[last].auc
        return -1.0 if found is None else found.value

    others = [name for name in evaluation.models if name != evaluation.reference and auc(name) > 0]
    if with_risks:
        others = [name for name in others if evaluation.models[name].horizons[last].calibration is not None]
    fitted = [name for name in others if not evaluation.models[name].comparator][:MOST_MODELS]
    published = sorted((n for n in others if evaluation.models[n].comparator), key=auc, reverse=True)
    return (evaluation.reference, *fitted, *published[:MOST_COMPARATORS])
