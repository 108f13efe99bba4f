"""Fit the segmentation's quality score: how often an outline with such evidence is right.

    python -m analysis.training.segmentation_quality --size 400 --seed 7

draws forearms of the simulator, spoils two thirds of them, segments them as the engine does, and writes
``analysis/segmentation/weights/quality.json``. The second phantom family has no part in it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.config import PREPROCESSING
from analysis.errors import RejectedInput
from analysis.segmentation.fusion import segment
from analysis.segmentation.network import Network, shipped_network
from analysis.segmentation.preprocessing import prepare
from analysis.segmentation.quality import COEFFICIENTS, FEATURES, GOOD_DICE, SIGNS, dice
from analysis.simulation import draw_acquisition, draw_subject, render
from analysis.training.spoiling import Scan, displayed, spoiled

SPOILED_SHARE = 2 / 3
DISPLAYED_SHARE = 0.4
PENALTY = 1.0
"""Inverse strength of the ridge penalty on standardised evidence."""
CLEAN_FLAGGED = 0.03
"""Share of unspoilt scans that may be flagged at most."""
REFUSE_BELOW = 0.2
"""An outline that is four times as likely to be wrong as right is declined."""


@dataclass(frozen=True, slots=True)
class Case:
    """One segmented scan: its evidence, whether it was spoilt, and the Dice it reached."""

    evidence: NDArray[np.float64]
    edge_confidence: float
    spoiled: bool
    dice: float


def draw_case(rng: np.random.Generator, network: Network) -> Case | None:
    """Draw, spoil and segment one scan; None where the segmentation itself refuses."""
    phantom = render(draw_subject(rng), draw_acquisition(rng), seed=int(rng.integers(2**31)))
    scan = Scan(phantom.density_g_cm2, phantom.spacing_mm, True, phantom.truth.radius_mask)
    is_spoiled = bool(rng.random() < SPOILED_SHARE)
    if is_spoiled:
        scan = spoiled(scan, rng)
    if rng.random() < DISPLAYED_SHARE:
        scan = displayed(scan, rng)
    try:
        picture = prepare(scan.pixels, scan.spacing_mm, PREPROCESSING, density=scan.density)
        found = segment(scan.pixels, picture, network)
    except RejectedInput:
        return None
    evidence = found.evidence()
    return Case(
        evidence.vector(), evidence.edge_confidence, is_spoiled, dice(found.anatomy.radius_mask, scan.radius)
    )


def fit(cases: list[Case]) -> dict[str, Any]:
    """Ridge-penalised logistic regression of "Dice at least `GOOD_DICE`" on the evidence.

    The flag is set just above the best score of any wrong outline, but never so high that more than
    `CLEAN_FLAGGED` of the unspoilt scans would be flagged.
    """
    evidence = np.array([case.evidence for case in cases])
    good = np.array([case.dice >= GOOD_DICE for case in cases])
    confidence = np.array([[case.edge_confidence] for case in cases])
    weights, intercept = _logistic(evidence, good, SIGNS)
    edge_weights, edge_intercept = _logistic(confidence, good, (1,))
    logit = evidence @ weights + intercept
    clean = np.array([not case.spoiled for case in cases])
    above_wrong = float(logit[~good].max()) + 0.25
    flag = min(above_wrong, float(np.quantile(logit[clean], CLEAN_FLAGGED)))
    return {
        "features": list(FEATURES),
        "weights": [round(float(weight), 4) for weight in weights],
        "intercept": round(float(intercept), 4),
        "edges": {"weight": round(float(edge_weights[0]), 4), "intercept": round(float(edge_intercept), 4)},
        "flag_below": round(float(1 / (1 + np.exp(-flag))), 4),
        "refuse_below": REFUSE_BELOW,
        "fitted_on": {
            "cases": len(cases),
            "wrong": int((~good).sum()),
            "wrong_unflagged": int(((logit >= flag) & ~good).sum()),
            "clean_flagged": round(float((logit[clean] < flag).mean()), 4),
            "good_spoilt_flagged": round(float((logit[~clean & good] < flag).mean()), 4),
        },
    }


def _logistic(
    values: NDArray[np.float64], good: NDArray[np.bool_], signs: tuple[int, ...]
) -> tuple[NDArray[np.float64], float]:
    """Weights and intercept on the original scales of `values`; no weight against its sign.

    Evidence hangs together, and of a few hundred scans a free fit would let more doubt speak for an outline.
    """
    from scipy.optimize import minimize

    mean, spread = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-6)
    design = (values - mean) / spread
    outcome = np.where(good, 1.0, -1.0)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = outcome * (design @ parameters[1:] + parameters[0])
        residual = -outcome / (1.0 + np.exp(margin))
        gradient = np.concatenate([[residual.sum()], design.T @ residual + PENALTY * parameters[1:]])
        return float(
            np.logaddexp(0.0, -margin).sum() + PENALTY / 2 * parameters[1:] @ parameters[1:]
        ), gradient

    bounds = [(None, None), *((0.0, None) if sign > 0 else (None, 0.0) for sign in signs)]
    found = minimize(loss, np.zeros(len(bounds)), jac=True, bounds=bounds, method="L-BFGS-B").x
    weights = found[1:] / spread
    return weights, float(found[0] - weights @ mean)


def main() -> None:
    """Draw, fit and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", type=int, default=400, help="scans to draw")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    network = shipped_network()
    if network is None:
        parser.error("the segmentation network is missing: train it first")
    drawn = [draw_case(np.random.default_rng([options.seed, k]), network) for k in range(options.size)]
    cases = [case for case in drawn if case is not None]
    content = fit(cases)
    content["made"] = (
        f"python -m analysis.training.segmentation_quality --size {options.size} --seed {options.seed}"
    )
    content["network"] = network.model.sha256
    COEFFICIENTS.write_text(json.dumps(content, indent=2) + "\n")
    sys.stdout.write(f"{json.dumps(content['fitted_on'])} refused {len(drawn) - len(cases)}\n")


if __name__ == "__main__":
    main()
