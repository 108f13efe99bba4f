"""Published ways to tell risk, to hold this project's models against.

`comparator_scores` answers for a cohort, `comparators` for one patient. A value outside a comparator's
published range is absent with a reason, never clamped.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from analysis.config import ClinicalContext
from analysis.risk.comparators.baselines import AGE_SEX, BMD_ONLY, PREVALENCE
from analysis.risk.comparators.indices import ORAI, OST, OSTA, SCORE
from analysis.risk.comparators.people import (
    CURRENT_OESTROGEN,
    FEMORAL_NECK_T,
    FRAX_HIP,
    FRAX_MAJOR,
    GARVAN_ANY,
    GARVAN_HIP,
    QFRACTURE_PREFIX,
    People,
    people_of_table,
    person_of_context,
)
from analysis.risk.comparators.qfracture import QFRACTURE
from analysis.risk.comparators.scores import (
    Comparator,
    ComparatorScore,
    ComparatorScores,
    score_of,
    scores_of,
)
from analysis.risk.comparators.site_entered import SITE_ENTERED
from analysis.risk.comparators.uk2008 import UK2008

if TYPE_CHECKING:
    from analysis.cohort.table import CohortTable

__all__ = [
    "COMPARATORS",
    "CURRENT_OESTROGEN",
    "FEMORAL_NECK_T",
    "FRAX_HIP",
    "FRAX_MAJOR",
    "GARVAN_ANY",
    "GARVAN_HIP",
    "QFRACTURE_PREFIX",
    "Comparator",
    "ComparatorScore",
    "ComparatorScores",
    "People",
    "comparator_scores",
    "comparators",
]

COMPARATORS: tuple[Comparator, ...] = (
    AGE_SEX,
    BMD_ONLY,
    OST,
    OSTA,
    ORAI,
    SCORE,
    *QFRACTURE,
    PREVALENCE,
    *UK2008,
    *SITE_ENTERED,
)
"""In the order in which reports show them."""

_NOTHING: Mapping[str, float] = MappingProxyType({})


def comparator_scores(table: CohortTable) -> Mapping[str, ComparatorScores]:
    """Every comparator over a cohort.

    Parameters
    ----------
    table : CohortTable
        Columns named as in `analysis.risk.predictors`, and where a site has them ``site.…`` and
        ``qfracture.…`` columns.

    Returns
    -------
    mapping of str to ComparatorScores
        In the order of `COMPARATORS`; NaN where a comparator has no value for a subject.
    """
    people = people_of_table(table)
    return {comparator.name: scores_of(comparator, people) for comparator in COMPARATORS}


def comparators(
    context: ClinicalContext, *, further: Mapping[str, float] = _NOTHING, ethnicity: str | None = None
) -> tuple[ComparatorScore, ...]:
    """Every comparator for one patient.

    Parameters
    ----------
    context : ClinicalContext
        What header and site tell.
    further : mapping of str to float
        Predictors, measured values and site-entered values by column name; they win over `context`.
    ethnicity : str or None

    Returns
    -------
    tuple of ComparatorScore
        In the order of `COMPARATORS`. A disclaimer must be displayed alongside its value.
    """
    person = person_of_context(context, further, ethnicity)
    return tuple(score_of(comparator, person) for comparator in COMPARATORS)
