"""From a cohort's table to what a network learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from analysis.cohort.columns import OSTEOPOROSIS, TRUTH_PREFIX, FollowUp
from analysis.errors import ConfigurationError
from analysis.risk.patch import COLUMNS, ROWS
from analysis.risk.predictors import FAMILIES, family_of
from analysis.training.model_sets import MICROSTRUCTURE as MICROSTRUCTURE_FEATURES

FloatArray = NDArray[np.float64]

CHOSEN_GROUPS = ("morphometry", "texture")
"""Groups whose many measurements nearly repeat one another; only the few that other models use are taken."""
LEFT_OUT = ("t_score", "z_score")
"""Endings of predictors that repeat another one in other units."""
MICROSTRUCTURE = ("truth.trabecular_number_per_mm", "truth.distal_cortical_thickness_mm")
"""What ``--pretraining microstructure`` regresses, as far as a cohort has it."""
MICROSTRUCTURE_MEASURED = (
    "texture.variogram_robust_slope",
    "texture.variogram_log_sill",
    "ultradistal.bmd_g_cm2",
)
"""What it regresses in a cohort without truth."""


class Table(Protocol):
    """The part of `analysis.cohort.table.CohortTable` that is used here."""

    @property
    def frame(self) -> Any:
        """One row per subject."""

    @property
    def follow_up(self) -> FollowUp:
        """Years and endings."""

    def features(self, names: Sequence[str]) -> FloatArray:
        """(n, len(names)), NaN where unknown."""

    def patches(self) -> NDArray[np.float32]:
        """(n, 96, 80) in g/cm², NaN where there is none; ConfigurationError without any."""


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Patches (n, 96, 80) in g/cm², zeros where there is none, and whether there is one (n,)."""

    patches: NDArray[np.float32]
    seen: NDArray[np.bool_]

    def take(self, index: NDArray[np.int_]) -> Pictures:
        """The subjects at `index`."""
        return Pictures(self.patches[index], self.seen[index])


def predictor_names(
    columns: Sequence[str], families: Sequence[str] = FAMILIES, *, every: bool = False
) -> tuple[str, ...]:
    """Columns that are predictors of `families`, without those that repeat another in other units.

    Parameters
    ----------
    every : bool
        Also all of `CHOSEN_GROUPS`.
    """
    names = []
    for column in columns:
        group = column.partition(".")[0]
        if column.startswith(TRUTH_PREFIX) or column.rpartition(".")[2] in LEFT_OUT or group == "image":
            continue
        if group in CHOSEN_GROUPS and not every and column not in MICROSTRUCTURE_FEATURES:
            continue
        try:
            family = family_of(column)
        except KeyError:
            continue
        if family in families:
            names.append(column)
    return tuple(names)


def pictures_of(table: Table) -> Pictures:
    """Patches of a cohort's subjects; none at all for a cohort without pictures."""
    size = len(table.frame)
    try:
        patches = table.patches()
    except ConfigurationError:
        return Pictures(np.zeros((size, ROWS, COLUMNS), np.float32), np.zeros(size, np.bool_))
    seen = np.asarray(np.isfinite(patches).all(axis=(1, 2)), np.bool_)
    patches[~seen] = 0.0
    return Pictures(patches, seen)


def osteoporosis_of(table: Table) -> FloatArray:
    """The status (n,), NaN where unknown."""
    if OSTEOPOROSIS not in table.frame.columns:
        return np.full(len(table.frame), np.nan)
    return np.asarray(table.frame[OSTEOPOROSIS].to_numpy(dtype=np.float64, na_value=np.nan))


def microstructure_of(table: Table) -> tuple[tuple[str, ...], FloatArray]:
    """Names and values (n, targets) for the regression of microstructure; truth where the cohort has it."""
    there = [name for name in MICROSTRUCTURE if name in table.frame.columns]
    names = tuple(there) or tuple(name for name in MICROSTRUCTURE_MEASURED if name in table.frame.columns)
    return names, np.asarray(table.frame[list(names)].to_numpy(dtype=np.float64, na_value=np.nan))


def split_folds(follow_up: FollowUp, groups: NDArray[Any], number: int, seed: int) -> NDArray[np.int_]:
    """Fold of every subject: stratified by how and how soon follow-up ended; a patient stays together."""
    late = follow_up.years > np.median(follow_up.years)
    strata = 2 * follow_up.ending.astype(np.int_) + late
    folds = np.zeros(len(strata), dtype=np.int_)
    # grouping takes a pass over all patients: only where someone has several rows
    several = len(np.unique(groups)) < len(groups)
    kind = StratifiedGroupKFold if several else StratifiedKFold
    splitter = kind(number, shuffle=True, random_state=seed)
    rows = np.zeros(len(strata))
    for fold, (_, held) in enumerate(splitter.split(rows, strata, groups if several else None)):
        folds[held] = fold
    return folds
