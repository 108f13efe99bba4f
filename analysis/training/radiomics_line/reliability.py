"""Which features two observers and two scans agree on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.training.radiomics_line.scans import Readings

REQUIRED_ICC = 0.75
"""ICC(2,1) that a feature must exceed between observers and between scans, as in the published study."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """ICC(2,1) of every feature, between outlines (`inter`) and between scans (`intra`)."""

    names: tuple[str, ...]
    inter: FloatArray
    intra: FloatArray

    @property
    def reliable(self) -> tuple[str, ...]:
        """Names whose ICC exceeds `REQUIRED_ICC` both ways."""
        kept = (self.inter > REQUIRED_ICC) & (self.intra > REQUIRED_ICC)
        return tuple(name for name, keep in zip(self.names, kept, strict=True) if keep)


def reliability(readings: Readings) -> Reliability:
    """ICC(2,1) of all features of the imaging subset."""
    return Reliability(
        readings.names,
        icc_agreement(readings.index, readings.other_observer),
        icc_agreement(readings.index, readings.repeat),
    )


def icc_agreement(first: FloatArray, second: FloatArray) -> FloatArray:
    """ICC(2,1) of Shrout & Fleiss 1979 (ICC(A,1) of McGraw & Wong 1996) of many features at once.

    Two-way random effects, absolute agreement, single measurement; equal to pingouin's ``ICC(A,1)``, which
    takes 0.1 s for one feature.

    Parameters
    ----------
    first, second : ndarray, (people, features)

    Returns
    -------
    ndarray, (features,)
        NaN for features that are not finite or the same in everybody.
    """
    people = len(first)
    table = np.stack([first, second])
    grand, by_person, by_reading = table.mean(axis=(0, 1)), table.mean(axis=0), table.mean(axis=1)
    between = 2 * ((by_person - grand) ** 2).sum(axis=0) / (people - 1)
    readings = people * ((by_reading - grand) ** 2).sum(axis=0)
    rest = ((table - by_person[None] - by_reading[:, None] + grand) ** 2).sum(axis=(0, 1)) / (people - 1)
    spread = between + rest + 2 * (readings - rest) / people
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 0, (between - rest) / spread, np.nan)


def icc_interval(first: FloatArray, second: FloatArray) -> tuple[float, float, float]:
    """ICC(2,1) of one feature with its 95 % interval, by pingouin.

    Parameters
    ----------
    first, second : ndarray, (people,)
    """
    import pandas
    import pingouin

    people = len(first)
    long = pandas.DataFrame(
        {
            "person": np.tile(np.arange(people), 2),
            "reading": np.repeat(["first", "second"], people),
            "value": np.concatenate([first, second]),
        }
    )
    table = pingouin.intraclass_corr(long, targets="person", raters="reading", ratings="value")
    row = table.set_index("Type").loc["ICC(A,1)"]
    low, high = row["CI95"]
    return float(row["ICC"]), float(low), float(high)
