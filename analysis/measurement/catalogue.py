"""What a measured quantity is: its unit, its meaning and where its definition comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Quantity:
    """One named quantity of a measurement module.

    Attributes
    ----------
    name : str
        Key under which its value travels in `analysis.results.StudyAnalysis`.
    unit : str
        UCUM code, ``1`` where it has none.
    description : str
        What it is, as a reader of the report may see it.
    source : str
        Paper, standard or ``assumption`` behind the definition.
    """

    name: str
    unit: str
    description: str
    source: str


def catalogue(quantities: Iterable[Quantity]) -> Mapping[str, Quantity]:
    """Quantities by name.

    Raises
    ------
    ValueError
        If two bear the same name.
    """
    by_name: dict[str, Quantity] = {}
    for quantity in quantities:
        if quantity.name in by_name:
            raise ValueError(f"two quantities are called {quantity.name}")
        by_name[quantity.name] = quantity
    return MappingProxyType(by_name)
