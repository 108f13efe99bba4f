"""LIME (Ribeiro et al. 2016, arXiv 1602.04938) as a second opinion beside the exact contributions.

LIME fits a linear model to the answers for inputs drawn around one person or one picture. It knows nothing of
how the model works, depends on its draws, and is used to check the other explanations, never in a report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConfigurationError

FloatArray = NDArray[np.float64]

SAMPLES = 2000
SEGMENTS = 40
"""Superpixels on a patch of 96 x 80 pixels: about 5 mm x 6 mm each (assumption)."""


def lime_contributions(
    score: Callable[[FloatArray], FloatArray],
    values: FloatArray,
    training: FloatArray,
    names: Sequence[str],
    *,
    seed: int = 0,
    samples: int = SAMPLES,
) -> Mapping[str, float]:
    """Effect of every input around one person by LIME's local linear model.

    Parameters
    ----------
    score : callable
        Inputs (n, features) to scores (n,).
    values : ndarray, (features,)
        The person.
    training : ndarray, (subjects, features)
        For the means and spreads of the draws.
    names : sequence of str
    seed, samples : int

    Returns
    -------
    mapping of name to float
        Local slope × (value − training mean), in the score's unit: comparable with the exact contributions.
    """
    explainer = _lime("lime_tabular").LimeTabularExplainer(
        training,
        mode="regression",
        feature_names=list(names),
        discretize_continuous=False,
        random_state=np.random.RandomState(seed),
    )
    explained = explainer.explain_instance(
        values, lambda rows: np.asarray(score(rows), np.float64), num_features=len(names), num_samples=samples
    )
    standardised = (values - explainer.scaler.mean_) / explainer.scaler.scale_
    slopes = dict(explained.local_exp[1])  # of a regression; under 0 the package keeps their negatives
    return {name: float(slopes.get(index, 0.0) * standardised[index]) for index, name in enumerate(names)}


def lime_map(
    score: Callable[[FloatArray], FloatArray],
    patch: FloatArray,
    replacement: FloatArray,
    *,
    seed: int = 0,
    samples: int = 400,
    segments: int = SEGMENTS,
) -> FloatArray:
    """Effect of every superpixel of a picture by LIME's local linear model.

    Parameters
    ----------
    score : callable
        Pictures (n, rows, columns) to scores (n,).
    patch, replacement : ndarray, (rows, columns)
        The picture, and what stands in for a superpixel that is switched off.

    Returns
    -------
    ndarray of float64, (rows, columns)
        Constant over each superpixel, positive where it raises the score.
    """
    explainer = _lime("lime_image").LimeImageExplainer(random_state=np.random.RandomState(seed))
    pieces = _superpixels(patch, segments)
    # the package hides with one colour only: what is switched off is marked and replaced here
    explained = explainer.explain_instance(
        np.repeat(patch[..., None], 3, axis=2),
        lambda pictures: _scores_of_marked(score, np.asarray(pictures)[..., 0], replacement),
        labels=(0,),
        top_labels=None,
        hide_color=_HIDDEN,
        num_features=int(pieces.max()) + 1,
        num_samples=samples,
        batch_size=100,
        segmentation_fn=lambda _: pieces,
        random_seed=seed,
    )
    effect = np.zeros(int(pieces.max()) + 1)
    for piece, weight in explained.local_exp[0]:
        effect[piece] = weight
    return np.asarray(effect[pieces], np.float64)


_HIDDEN = -1e6
"""Marks a pixel that is switched off; no density comes near it."""


def _scores_of_marked(
    score: Callable[[FloatArray], FloatArray], pictures: FloatArray, replacement: FloatArray
) -> FloatArray:
    whole = np.where(pictures == _HIDDEN, replacement, pictures)
    return np.asarray(score(whole), np.float64)[:, None]


def _superpixels(patch: FloatArray, segments: int) -> NDArray[np.int_]:
    from skimage.segmentation import slic

    span = float(np.ptp(patch)) or 1.0
    grey = (patch - patch.min()) / span
    pieces = slic(grey, n_segments=segments, compactness=0.5, channel_axis=None, start_label=0)
    return np.asarray(pieces, np.int_)


def _lime(module: str) -> Any:
    """The lime package, which only training and evaluation need."""
    import importlib

    try:
        return importlib.import_module(f"lime.{module}")
    except ImportError as error:
        raise ConfigurationError(
            "LIME needs the package lime of the extra 'training', which is not installed; install it with "
            "'pip install radius-dxa-node[training]'."
        ) from error
