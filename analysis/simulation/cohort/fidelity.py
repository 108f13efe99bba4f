"""How close emulated measurements come to those of pictures, on subjects that the emulator has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import ENDING, FRACTURE, YEARS
from analysis.simulation.cohort import store
from analysis.simulation.cohort.emulator import Emulator, fit_emulator
from analysis.simulation.cohort.imaged import imaged
from analysis.simulation.cohort.people import CHUNK
from analysis.simulation.cohort.populations import population_of
from analysis.simulation.cohort.subjects import draw_table

FloatArray = NDArray[np.float64]

FOLDS = 5
RISK_YEARS = 10.0


def emulator_fidelity(directory: Path, seed: int) -> dict[str, Any]:
    """Fit an emulator on every second chunk of an imaged cohort and compare it with the other chunks.

    Parameters
    ----------
    directory : Path
        Scans of at least four chunks.
    seed : int
        Of the emulator's draws and of the folds.

    Returns
    -------
    dict
        ``subjects_fitted``, ``subjects_held_out``; ``mean_difference_sd``, ``sd_ratio``,
        ``correlation_difference`` (median and largest over measurements or pairs);
        ``bone_correlation_difference`` (measurement with bone parameter); ``two_sample_auc``: AUC of
        gradient boosting that tells pictures from emulation, given the bone (0.5 = it cannot);
        ``two_sample_auc_null``: the same between two halves of the pictures; ``retest_sd_ratio``: SD of the
        change between visits, emulated over imaged; ``risk_auc``: AUC for fractures of a logistic model
        fitted on pictures, on pictures and on emulation.
    """
    chunks = store.written_chunks(directory)
    fitted, held_out = chunks[0::2], chunks[1::2]
    emulator = fit_emulator(directory, chunks=fitted)
    scans = imaged(directory, held_out)
    bones, values, years, owner = scans[:4]
    rng = np.random.default_rng(seed)
    index = np.flatnonzero((years == 0) & np.isfinite(values).all(axis=1))
    real, bone = values[index], bones[index]
    drawn = emulator.draw(bone, rng)
    complete = np.isfinite(drawn).all(axis=1)
    real, drawn, bone, who = real[complete], drawn[complete], bone[complete], owner[index][complete]
    return {
        "subjects_fitted": len(emulator.donors),
        "subjects_held_out": len(real),
        **_moments(real, drawn, bone),
        **_two_samples(real, drawn, bone, seed),
        "retest_sd_ratio": _retest(emulator, (bones, values, years, owner), rng),
        "risk_auc": _risk(imaged(directory, fitted), (real, drawn), who),
    }


def _moments(real: FloatArray, drawn: FloatArray, bone: FloatArray) -> dict[str, dict[str, float]]:
    sd = real.std(axis=0)
    upper = np.triu_indices(real.shape[1], 1)
    correlation = np.abs(np.corrcoef(real.T) - np.corrcoef(drawn.T))[upper]
    return {
        "mean_difference_sd": _summary(np.abs(drawn.mean(axis=0) - real.mean(axis=0)) / sd),
        "sd_ratio": _summary(drawn.std(axis=0) / sd),
        "correlation_difference": _summary(correlation),
        "bone_correlation_difference": _summary(
            np.abs(_cross_correlation(real, bone) - _cross_correlation(drawn, bone)).ravel()
        ),
    }


def _two_samples(real: FloatArray, drawn: FloatArray, bone: FloatArray, seed: int) -> dict[str, float]:
    """Two halves of the people, so that no person's bone is on both sides."""
    order = np.random.default_rng(seed).permutation(len(real))
    one, other = order[: len(real) // 2], order[len(real) // 2 :]
    pictures, others = np.hstack([real, bone])[one], np.hstack([real, bone])[other]
    emulated = np.hstack([drawn, bone])[other]
    return {
        "two_sample_auc": _separation(pictures, emulated, seed),
        "two_sample_auc_null": _separation(pictures, others, seed),
    }


def _separation(first: FloatArray, second: FloatArray, seed: int) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    features = np.vstack([first, second])
    label = np.repeat([0, 1], [len(first), len(second)])
    model = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.1, random_state=seed)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    score = cross_val_predict(model, features, label, cv=folds, method="predict_proba")[:, 1]
    return round(float(roc_auc_score(label, score)), 4)


def _retest(
    emulator: Emulator,
    scans: tuple[FloatArray, FloatArray, FloatArray, NDArray[np.int64]],
    rng: np.random.Generator,
) -> dict[str, float] | None:
    """SD of the change from the first visit to the index scan, emulated over imaged."""
    bones, values, years, owner = scans
    people = [np.flatnonzero(owner == who) for who in np.unique(owner[years != 0])]
    groups = np.array([rows[np.argsort(years[rows])] for rows in people])  # early to late, index scan last
    if not len(groups) or not emulator.repeat_donors.size:
        return None
    visits = np.concatenate([groups[:, -1:], groups[:, :-1]], axis=1)
    drawn = emulator.draw_visits(bones[visits], rng)
    real = values[visits]
    ratio = np.nanstd(drawn[:, 0] - drawn[:, 1], axis=0) / np.nanstd(real[:, 0] - real[:, 1], axis=0)
    return _summary(ratio)


def _risk(
    scans: tuple[FloatArray, FloatArray, FloatArray, NDArray[np.int64], tuple[str, ...], dict[str, Any]],
    measured: tuple[FloatArray, FloatArray],
    who: NDArray[np.int64],
) -> dict[str, float]:
    """AUC for a fracture within `RISK_YEARS` of a ridge logistic model of the measurements."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    _, values, years, owner, _, source = scans
    rows = np.flatnonzero((years == 0) & np.isfinite(values).all(axis=1))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    model.fit(values[rows], _fractured(owner[rows], source))
    label = _fractured(who, source)
    scores = [float(roc_auc_score(label, model.predict_proba(values)[:, 1])) for values in measured]
    return {name: round(score, 4) for name, score in zip(("pictures", "emulated"), scores, strict=True)}


def _fractured(who: NDArray[np.int64], source: dict[str, Any]) -> NDArray[np.bool_]:
    """Whether subjects at these positions fracture within `RISK_YEARS`, followed without censoring."""
    population = population_of(source["population"])
    label = np.zeros(len(who), np.bool_)
    for chunk in np.unique(who // CHUNK):
        table = draw_table(population, int(source["seed"]), int(chunk), CHUNK, {}, censored=False)
        fractured = (table[ENDING] == FRACTURE) & (table[YEARS] <= RISK_YEARS)
        of_chunk = who // CHUNK == chunk
        label[of_chunk] = fractured.to_numpy()[who[of_chunk] % CHUNK]
    return label


def _cross_correlation(values: FloatArray, bone: FloatArray) -> FloatArray:
    together = np.corrcoef(values.T, bone.T)
    return np.asarray(together[: values.shape[1], values.shape[1] :])


def _summary(values: FloatArray) -> dict[str, float]:
    return {
        "least": round(float(values.min()), 4),
        "median": round(float(np.median(values)), 4),
        "largest": round(float(values.max()), 4),
    }
