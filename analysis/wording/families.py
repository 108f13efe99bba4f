"""Which kind of information the estimate rests on: contributions added up by family.

Inputs that go together (two regions' BMD, BMD and cortical thickness) share between them what they have in
common, and how they share it is the model's choice. The sum over a family does not depend on that choice as
much as its parts do: it is the Shapley value of the family taken as one player of a linear model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.results import Contribution


@dataclass(frozen=True, slots=True)
class FamilyShare:
    """What one family of inputs adds to the estimate.

    Attributes
    ----------
    family : str
        As in `analysis.risk.predictors.Family`.
    contribution : float
        Sum of the family's contributions, with its sign.
    share : float
        0-1: magnitude of that sum over the sum of such magnitudes of all families.
    """

    family: str
    contribution: float
    share: float


def family_shares(explanation: Sequence[Contribution]) -> tuple[FamilyShare, ...]:
    """Add contributions up by family, largest magnitude first.

    Returns
    -------
    tuple of FamilyShare
        Empty if a contribution names no family, or if nothing contributes anything.
    """
    if not all(item.family for item in explanation):
        return ()
    families = dict.fromkeys(item.family for item in explanation)
    sums = {
        family: math.fsum(item.contribution for item in explanation if item.family == family)
        for family in families
    }
    total = math.fsum(map(abs, sums.values()))
    if total == 0.0:
        return ()
    shares = [FamilyShare(family, value, abs(value) / total) for family, value in sums.items()]
    return tuple(sorted(shares, key=lambda item: (-item.share, item.family)))
