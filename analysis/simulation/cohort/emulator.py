"""Measurements without pictures: what a scan of a bone would have measured, learnt from an imaged cohort.

A measurement is a smooth mean in the bone's own parameters plus what the scan adds: anatomy, the arm's lie,
photons, the engine's errors. The mean is a cubic ridge regression; the rest is drawn as a whole vector from
an imaged subject with a similar bone (hot-deck imputation, Andridge & Little 2010; similar = with the same
expected measurements, predictive mean matching, Little 1988), so that errors keep their correlations, their
skewness, and their dependence on the bone. Repeat scans take the vectors of all visits of
one donor, so that what a person's anatomy does stays with the person.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConfigurationError
from analysis.simulation.cohort import store
from analysis.simulation.cohort.imaged import imaged

FloatArray = NDArray[np.float64]

SCHEMA = "1"
LINEAR = ("bmd_g_cm2", "t_score")
"""Never modelled as logarithms: T-scores are then straight lines in BMD, as the reference draws them. Other
measurements are, where all are positive: products of measurements stay products."""
DEGREE = 3
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Penalties per subject on the terms; each measurement takes the one with the least error when every subject
is left out in turn (closed form, Golub, Heath & Wahba 1979)."""
FEW_VALUES = 0.25
"""Distinct values over subjects below which a measurement is drawn on these values alone (assumption)."""
DONORS = 8
"""A residual comes from one of that many nearest imaged subjects (assumption)."""
FEWEST_SUBJECTS = 500
"""Below it a cubic in `BONE` is not determined."""


@dataclass(frozen=True, eq=False)
class Emulator:
    """A fitted emulator.

    Attributes
    ----------
    names : tuple of str
        Measurements, in the order of all columns below.
    source : mapping
        Manifest of the scans it was fitted on; holds population and scanner.
    centre, scale, low, high : ndarray, (bone,)
        Standardisation of the bone, and the range beyond which the mean is not extrapolated.
    logarithmic : ndarray of bool, (names,)
        Measurements whose logarithm is modelled.
    coefficients : ndarray, (terms, names)
    donors : ndarray, (donors, bone)
        Standardised bones of imaged subjects.
    metric : ndarray, (bone, bone)
        Standardised bones times this are as far apart as their expected measurements.
    residuals : ndarray of float32, (donors, names)
        NaN where the engine withheld a number.
    repeat_donors : ndarray of int, (repeats,)
        Donors with repeat scans.
    repeat_residuals : ndarray of float32, (repeats, visits, names)
    levels : mapping of int to ndarray
        Column -> the values that a measurement with few of them (pixels of a grid) has.
    """

    names: tuple[str, ...]
    source: Mapping[str, Any]
    centre: FloatArray
    scale: FloatArray
    low: FloatArray
    high: FloatArray
    logarithmic: NDArray[np.bool_]
    coefficients: FloatArray
    donors: FloatArray
    metric: FloatArray
    residuals: NDArray[np.float32]
    repeat_donors: NDArray[np.int64]
    repeat_residuals: NDArray[np.float32]
    levels: Mapping[int, FloatArray]

    def draw(self, bones: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Measure one scan of each bone.

        Parameters
        ----------
        bones : ndarray, (n, bone)
            See `bones_of_subjects`.

        Returns
        -------
        ndarray of float64, (n, names)
        """
        donor = self._nearby(self._tree, bones, rng)
        return self._measured(bones, self.residuals[donor])

    def draw_visits(self, bones: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Measure the index scan and the earlier scans of each person.

        Parameters
        ----------
        bones : ndarray, (n, 1 + visits, bone)
            The index scan first.

        Returns
        -------
        ndarray of float64, (n, 1 + visits, names)

        Raises
        ------
        ConfigurationError
            If the imaged cohort had no repeat scans.
        """
        if not self.repeat_donors.size:
            raise ConfigurationError(
                "the emulator knows no repeat scans; fit it on a cohort that was imaged with --repeat-share"
            )
        chosen = self._nearby(self._repeat_tree, bones[:, 0], rng)
        index = self.residuals[self.repeat_donors[chosen]]
        every = np.concatenate([index[:, None], self.repeat_residuals[chosen]], axis=1)
        return np.stack([self._measured(bones[:, k], every[:, k]) for k in range(bones.shape[1])], axis=1)

    def mean(self, bones: FloatArray) -> FloatArray:
        """Smooth part of the measurements (logarithms where `logarithmic`), (n, names)."""
        clipped = np.clip(bones, self.low, self.high)
        return np.asarray(_terms((clipped - self.centre) / self.scale) @ self.coefficients)

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import cKDTree

        return cKDTree(self.donors @ self.metric)

    @cached_property
    def _repeat_tree(self) -> Any:
        from scipy.spatial import cKDTree

        return cKDTree(self.donors[self.repeat_donors] @ self.metric)

    def _nearby(self, tree: Any, bones: FloatArray, rng: np.random.Generator) -> NDArray[np.int64]:
        """One of the nearest donors of each bone, each as likely."""
        count = min(DONORS, tree.n)
        _, nearest = tree.query((bones - self.centre) / self.scale @ self.metric, k=count)
        which = rng.integers(count, size=len(bones))
        return np.asarray(nearest.reshape(len(bones), count)[np.arange(len(bones)), which], np.int64)

    def _measured(self, bones: FloatArray, residuals: NDArray[np.float32]) -> FloatArray:
        values = self.mean(bones) + residuals
        values[:, self.logarithmic] = np.exp(values[:, self.logarithmic])
        for column, levels in self.levels.items():
            values[:, column] = _nearest(levels, values[:, column])
        return _with_identities(values, self.names)


def fit_emulator(directory: Path, *, chunks: Sequence[int] | None = None) -> Emulator:
    """Fit an emulator on the scans of an imaged cohort.

    Parameters
    ----------
    directory : Path
        Of a cohort simulated with pictures, or at least with its scans.
    chunks : sequence of int, optional
        Chunks to fit on; all that are there by default.

    Raises
    ------
    ConfigurationError
        If there are too few scans, or the simulator's people have changed since they were made.
    """
    bones, values, visit_years, owner, names, source = imaged(directory, chunks)
    index = np.flatnonzero(visit_years == 0)
    if index.size < FEWEST_SUBJECTS:
        raise ConfigurationError(
            f"{directory} has {index.size} imaged subjects; an emulator needs {FEWEST_SUBJECTS}. Image more."
        )
    used, measured = bones[index], values[index]
    centre, scale = used.mean(axis=0), used.std(axis=0)
    logarithmic = np.array(
        [
            name.partition(".")[2] not in LINEAR and bool(np.nanmin(column) > 0)
            for name, column in zip(names, measured.T, strict=True)
        ]
    )
    modelled = _modelled(values, logarithmic)
    low, high = used.min(axis=0), used.max(axis=0)
    terms = _terms((np.clip(bones, low, high) - centre) / scale)
    coefficients = _ridge(terms[index], modelled[index])
    residuals = (modelled - terms @ coefficients).astype(np.float32)
    donors, rows = _repeats(visit_years, owner, index)
    return Emulator(
        names=names,
        source=source,
        centre=centre,
        scale=scale,
        low=low,
        high=high,
        logarithmic=logarithmic,
        coefficients=coefficients,
        donors=(used - centre) / scale,
        metric=_metric(coefficients[1 : 1 + used.shape[1]], np.nanstd(modelled[index], axis=0)),
        residuals=residuals[index],
        repeat_donors=donors,
        repeat_residuals=residuals[rows],
        levels=_levels(measured),
    )


def save_emulator(emulator: Emulator, path: Path) -> None:
    """Write ``NAME.json`` and beside it ``NAME.npz``.

    Parameters
    ----------
    path : Path
        Of the JSON file.
    """
    import io

    arrays = {name: getattr(emulator, name) for name in _ARRAYS}
    arrays |= {f"{_LEVELS}{column}": levels for column, levels in emulator.levels.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    store.write_bytes(path.with_suffix(".npz"), buffer.getvalue())
    store.write_json(
        path,
        {
            "schema": SCHEMA,
            "kind": "measurement emulator; simulated data, research use only",
            "names": list(emulator.names),
            "source": dict(emulator.source),
            "arrays_sha256": store.sha256(buffer.getvalue()),
        },
    )


def load_emulator(path: Path) -> Emulator:
    """Read what `save_emulator` wrote.

    Raises
    ------
    ConfigurationError
        If a file is missing, damaged or of another schema.
    """
    described = store.read_json(path)
    try:
        content = path.with_suffix(".npz").read_bytes()
    except OSError as error:
        raise ConfigurationError(f"the emulator {path} lacks its arrays ({error}); fit it anew") from error
    if described.get("schema") != SCHEMA or described.get("arrays_sha256") != store.sha256(content):
        raise ConfigurationError(f"the emulator {path} is damaged or of another version; fit it anew")
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
        return Emulator(
            names=tuple(described["names"]),
            source=described["source"],
            **{name: arrays[name] for name in _ARRAYS},
            levels={
                int(name.removeprefix(_LEVELS)): arrays[name]
                for name in arrays.files
                if name.startswith(_LEVELS)
            },
        )


_LEVELS = "levels_"
"""Begin of the names of `Emulator.levels` in a file; the column follows."""
_SECTION = ("cortical_thickness_radial_mm", "cortical_thickness_ulnar_mm", "shaft_diameter_mm")

_ARRAYS = (
    "centre",
    "scale",
    "low",
    "high",
    "logarithmic",
    "coefficients",
    "donors",
    "metric",
    "residuals",
    "repeat_donors",
    "repeat_residuals",
)


def _terms(bones: FloatArray) -> FloatArray:
    """Every product of up to `DEGREE` standardised parameters, the constant first; (n, terms)."""
    columns = [np.ones(len(bones))]
    for degree in range(1, DEGREE + 1):
        for factors in itertools.combinations_with_replacement(range(bones.shape[1]), degree):
            columns.append(np.prod(bones[:, factors], axis=1))
    return np.stack(columns, axis=1)


def _ridge(terms: FloatArray, modelled: FloatArray) -> FloatArray:
    """Ridge regression of every column on the rows where it is known."""
    coefficients = np.zeros((terms.shape[1], modelled.shape[1]))
    known = np.isfinite(modelled)
    for pattern in np.unique(known, axis=1).T:
        columns = np.flatnonzero((known == pattern[:, None]).all(axis=0))
        if pattern.any():
            coefficients[:, columns] = _chosen_ridge(terms[pattern], modelled[np.ix_(pattern, columns)])
    return coefficients


def _chosen_ridge(terms: FloatArray, target: FloatArray) -> FloatArray:
    """Coefficients, each column's with its own penalty; the constant is not penalised."""
    gram, moments = terms.T @ terms / len(terms), terms.T @ target / len(terms)
    fits, errors = [], []
    for ridge in RIDGES:
        penalty = ridge * np.eye(terms.shape[1])
        penalty[0, 0] = 0.0
        fits.append(np.linalg.solve(gram + penalty, moments))
        leverage = np.einsum("ij,ji->i", terms, np.linalg.solve(gram + penalty, terms.T)) / len(terms)
        left_out = (target - terms @ fits[-1]) / (1 - np.minimum(leverage, 0.99))[:, None]
        errors.append((left_out**2).mean(axis=0))
    best = np.argmin(errors, axis=0)
    return np.asarray(np.stack(fits)[best, :, np.arange(target.shape[1])].T)


def _metric(slopes: FloatArray, sd: FloatArray) -> FloatArray:
    """Square root of the mean outer product of the measurements' slopes, each over its SD; (bone, bone)."""
    relative = slopes / np.where(sd > 0, sd, np.inf)
    variances, directions = np.linalg.eigh(relative @ relative.T / slopes.shape[1])
    return np.asarray(directions * np.sqrt(np.maximum(variances, 0.0)))


def _levels(measured: FloatArray) -> dict[int, FloatArray]:
    levels = {}
    for column, values in enumerate(measured.T):
        distinct = np.unique(values[np.isfinite(values)])
        if 1 < distinct.size < FEW_VALUES * len(values):
            levels[column] = distinct
    return levels


def _nearest(levels: FloatArray, values: FloatArray) -> FloatArray:
    """The level next to each value; NaN stays."""
    middles = (levels[1:] + levels[:-1]) / 2
    snapped = levels[np.searchsorted(middles, values).clip(max=levels.size - 1)]
    return np.asarray(np.where(np.isnan(values), np.nan, snapped))


def _modelled(values: FloatArray, logarithmic: NDArray[np.bool_]) -> FloatArray:
    modelled = values.copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        modelled[:, logarithmic] = np.log(values[:, logarithmic])
    modelled[~np.isfinite(modelled)] = np.nan
    return modelled


def _repeats(
    visit_years: FloatArray, owner: NDArray[np.int64], index: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Donors that have repeat scans, and the rows of those scans, (repeats, visits) from early to late."""
    donor_of = {int(owner[row]): place for place, row in enumerate(index)}
    visits: dict[int, list[int]] = {}
    for row in np.flatnonzero(visit_years != 0):
        visits.setdefault(int(owner[row]), []).append(int(row))
    rows = {donor_of[who]: sorted(of, key=lambda row: visit_years[row]) for who, of in visits.items()}
    count = max(map(len, rows.values()), default=0)
    whole = [donor for donor, of in rows.items() if len(of) == count]
    return (
        np.array(whole, np.int64),
        np.array([rows[donor] for donor in whole], np.int64).reshape(len(whole), count),
    )


def _with_identities(values: FloatArray, names: Sequence[str]) -> FloatArray:
    """Measurements that are functions of others, computed from them as the engine does."""
    place = {name: index for index, name in enumerate(names)}
    used = [place.get(f"morphometry.{name}") for name in _SECTION]
    if None in used:
        return values
    radial, ulnar, diameter = (values[:, index] for index in used if index is not None)
    thickness = (radial + ulnar) / 2
    for name, derived in {
        "cortical_thickness_mm": thickness,
        "medullary_width_mm": diameter - 2 * thickness,
        "cortical_area_mm2": np.pi * thickness * (diameter - thickness),
        "cortical_index": 2 * thickness / diameter,
    }.items():
        if f"morphometry.{name}" in place:
            values[:, place[f"morphometry.{name}"]] = derived
    return values
