"""What a fusion network is given, from predictors and patches; needs numpy alone, as the node does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.risk.predictors import family_of

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

LARGEST_Z = 4.0
"""Standardised values are kept within this, so that one outlier cannot decide a risk."""
SKEWED = 1.5
"""Skewness beyond which a positive predictor is taken as its logarithm."""


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Inputs of a network for n subjects.

    Attributes
    ----------
    patches : ndarray of float32, (n, 96, 80)
        g/cm²; zeros without a picture.
    values, known : ndarray of float32, (n, predictors)
        Standardised, 0 where unknown; 1 where known.
    seen : ndarray of float32, (n, 1)
        1 where there is a picture.
    """

    patches: Float32Array
    values: Float32Array
    known: Float32Array
    seen: Float32Array

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: NDArray[np.int_] | NDArray[np.bool_]) -> Inputs:
        """The subjects at `index`."""
        return Inputs(self.patches[index], self.values[index], self.known[index], self.seen[index])


@dataclass(frozen=True, slots=True)
class Standard:
    """How predictors become numbers about 0: learnt on training subjects, part of the model.

    Attributes
    ----------
    names : tuple of str
    logarithm : tuple of bool
        Which are taken as ``log(value + 1)``.
    mean, scale : tuple of float
    """

    names: tuple[str, ...]
    logarithm: tuple[bool, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def of(cls, names: Sequence[str], features: FloatArray) -> Standard:
        """Learn it; `features` is (n, len(names)) with NaN where unknown."""
        logarithm = tuple(_wants_logarithm(features[:, column]) for column in range(len(names)))
        changed = _changed(features, logarithm)
        mean, scale = [], []
        for column in changed.T:
            known = column[np.isfinite(column)]
            mean.append(float(known.mean()) if known.size else 0.0)
            scale.append(max(float(known.std()), 1e-6) if known.size else 1.0)
        return cls(tuple(names), logarithm, tuple(mean), tuple(scale))

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Standard:
        """What `to_json` wrote."""
        return cls(**{key: tuple(written[key]) for key in ("names", "logarithm", "mean", "scale")})

    def to_json(self) -> dict[str, Any]:
        """Plain lists."""
        return {key: list(value) for key, value in asdict(self).items()}

    @property
    def families(self) -> dict[str, tuple[int, ...]]:
        """Family -> positions of its predictors."""
        found: dict[str, list[int]] = {}
        for position, name in enumerate(self.names):
            found.setdefault(family_of(name), []).append(position)
        return {family: tuple(positions) for family, positions in found.items()}

    def apply(self, features: FloatArray, patches: Float32Array, seen: NDArray[np.bool_]) -> Inputs:
        """Standardise; `features` as in `of`, `patches` (n, 96, 80), `seen` (n,)."""
        changed = (_changed(features, self.logarithm) - self.mean) / self.scale
        known = np.isfinite(changed)
        values = np.clip(np.where(known, changed, 0.0), -LARGEST_Z, LARGEST_Z)
        return Inputs(
            np.ascontiguousarray(patches, np.float32),
            values.astype(np.float32),
            known.astype(np.float32),
            seen.astype(np.float32)[:, None],
        )


def without(inputs: Inputs, families: Mapping[str, tuple[int, ...]], missing: Sequence[str]) -> Inputs:
    """The same subjects without some families of predictors (or without ``image``)."""
    values, known = inputs.values.copy(), inputs.known.copy()
    for family in missing:
        index = list(families.get(family, ()))
        values[:, index] = known[:, index] = 0
    seen = np.zeros_like(inputs.seen) if "image" in missing else inputs.seen
    return Inputs(inputs.patches, values, known, seen)


def _wants_logarithm(column: FloatArray) -> bool:
    known = column[np.isfinite(column)]
    if known.size < 20 or known.min() < 0 or known.std() == 0 or len(np.unique(known)) <= 5:
        return False
    return abs(_skewness(known)) > SKEWED and abs(_skewness(np.log1p(known))) < abs(_skewness(known))


def _skewness(values: FloatArray) -> float:
    return float(np.mean(((values - values.mean()) / max(values.std(), 1e-12)) ** 3))


def _changed(features: FloatArray, logarithm: Sequence[bool]) -> FloatArray:
    changed = np.array(features, np.float64)
    for column in np.flatnonzero(logarithm):
        changed[:, column] = np.log1p(np.maximum(changed[:, column], 0.0))
    return changed
