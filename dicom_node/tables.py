"""Terminal tables of results, shared by ``analyze`` and ``demo``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from analysis.results import HORIZONS_YEARS

ABSENT = "-"


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
        table.add_column(heading)
    for years in HORIZONS_YEARS:
        table.add_column(f"risk {years} y", justify="right")
    table.add_column("category")
    for document in documents:
        uid = document["study_instance_uid"]
        table.add_row((labels or {}).get(uid, "…" + uid[-12:]), *_cells(document))
    return table


def print_table(table: Table) -> None:
    """Print to standard output, at full width where it is not a terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(table)


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
    ]


def number(value: float | None, decimals: int) -> str:
    """A number at its proper decimals (ISCD: BMD 3, T and Z 1), or a dash where it is absent."""
    return ABSENT if value is None else f"{value:.{decimals}f}"


def percent(probability: float) -> str:
    """A probability 0–1 as percent with one decimal."""
    return f"{100 * probability:.1f} %"
