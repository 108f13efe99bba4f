"""FRAX and Garvan as the site typed them in: passed through, never computed here.

FRAX's algorithm is not published and Garvan's coefficients are not openly available.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.risk.comparators.people import FRAX_HIP, FRAX_MAJOR, GARVAN_ANY, GARVAN_HIP, People
from analysis.risk.comparators.scores import Comparator, Computed

LICENCE = "Value of the site's own calculator; its terms are the site's to keep."


def _typed(name: str) -> Callable[[People], Computed]:
    def compute(people: People) -> Computed:
        percent = people.column(name)
        outside = (percent < 0) | (percent > 100)
        refused = [
            (np.isnan(percent), f"the site entered no {name}"),
            (outside, f"{name} must be a percentage from 0 to 100"),
        ]
        return Computed(percent, refused, percent[:, None] / 100)

    return compute


def _comparator(name: str, title: str, predicts: str, column: str) -> Comparator:
    return Comparator(
        name,
        title,
        predicts,
        f"entered by the site ({column}, per cent over ten years)",
        "Not computed by this software; its inputs and country model are not known here.",
        _typed(column),
        horizons=(10,),
        licence=LICENCE,
    )


SITE_ENTERED = (
    _comparator("frax-entered-major", "FRAX as entered", "major osteoporotic fracture", FRAX_MAJOR),
    _comparator("frax-entered-hip", "FRAX as entered, hip", "hip fracture", FRAX_HIP),
    _comparator("garvan-entered-any", "Garvan as entered", "any fracture", GARVAN_ANY),
    _comparator("garvan-entered-hip", "Garvan as entered, hip", "hip fracture", GARVAN_HIP),
)
