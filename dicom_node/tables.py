"""Terminal tables of results, shared by ``analyze`` and ``demo``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from analysis.results import HORIZONS_YEARS

ABSENT = "-"
PIPE_WIDTH = 180


def analyses_table(documents: Iterable[Mapping[str, Any]], labels: Mapping[str, str] | None = None) -> Table:
    """One row per study: side, BMD, T-score, risk, category, first advice.

    Parameters
    ----------
    documents : iterable of mappings
        Study objects of schema "1" (`analysis.serialization.to_json_object`).
    labels : mapping, optional
        Study Instance UID -> name to show instead of the UID's last digits.
    """
    table = Table(title="Radius DXA analyses: AI, research use only, risk model trained on simulated data")
    for heading in ("study", "status", "side", "1/3 BMD g/cm²", "T", "UD BMD g/cm²", "T"):
        table.add_column(heading, no_wrap=heading in ("study", "status"))
    for years in HORIZONS_YEARS:
        table.add_column(f"risk {years} y", justify="right")
    table.add_column("category")
    table.add_column("change of 1/3 BMD")
    for document in documents:
        uid = document["study_instance_uid"]
        table.add_row((labels or {}).get(uid, "…" + uid[-12:]), *_cells(document))
    return table


def print_table(table: Table) -> None:
    """Print to standard output."""
    standard_output().print(table)


def standard_output() -> Console:
    """A console that keeps long lines whole where standard output is not a terminal, but a file or pipe."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPE_WIDTH)


def _cells(document: Mapping[str, Any]) -> list[str]:
    one_third, ultradistal = (document["regions"][name] for name in ("one_third", "ultradistal"))
    risks = [document["risk"]["horizons"][str(years)] for years in HORIZONS_YEARS]
    return [
        document["status"],
        document["laterality"] or ABSENT,
        number(one_third["bmd_g_cm2"], 3),
        number(one_third["t_score"], 1),
        number(ultradistal["bmd_g_cm2"], 3),
        number(ultradistal["t_score"], 1),
        *(percent(risk["probability"]) if risk else ABSENT for risk in risks),
        document["risk"]["category"] or ABSENT,
        _change(document),
    ]


def _change(document: Mapping[str, Any]) -> str:
    change = next((item for item in document["changes"] if item["region"] == "one_third"), None)
    if change is None:
        return ABSENT
    verdict = {True: "significant", False: "not significant", None: "significance unknown"}
    return f"{change['change_percent']:+.1f} % in {change['years']:.1f} y, {verdict[change['significant']]}"


def number(value: float | None, decimals: int) -> str:
    """A number at its proper decimals (ISCD: BMD 3, T and Z 1), or a dash where it is absent."""
    return ABSENT if value is None else f"{round(value, decimals) + 0.0:.{decimals}f}"  # never "-0.0"


def percent(probability: float) -> str:
    """A probability 0–1 as percent with one decimal."""
    return f"{100 * probability:.1f} %"
