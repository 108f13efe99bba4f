"""What the maps of simulated forearms hold: the figures behind the fixed colour scales of `reports.overlay`.

    .venv/bin/python benchmarks/map_scales.py --studies 40

Prints percentiles of every map over the bone, of all studies together and of the most extreme study.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from analysis.engine import analyze
from analysis.results import ImageEvidence
from analysis.simulation.study import simulate_study
from dicom_node.config import load_analysis_config

FIRST_SEED = 930_000
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
MAPS = ("driver_map", "density_g_cm2", "strain_map")


def main() -> None:
    """Simulate, analyse, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=40)
    options = parser.parse_args()
    config = load_analysis_config()
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in MAPS}
    for seed in range(FIRST_SEED, FIRST_SEED + options.studies):
        analysis = analyze(list(simulate_study("calibrated", seed).objects.values()), config=config)
        for name in MAPS:
            found[name] += on_the_bone(analysis.evidence, name)
    for name, values in found.items():
        print(f"{name}: {len(values)} studies")
        print("  percentile", *(f"{p:>9}" for p in PERCENTILES))
        together = np.concatenate(values)
        print("  together  ", *(f"{v:9.5f}" for v in np.percentile(together, PERCENTILES)))
        extreme = [np.percentile(np.abs(one), 99) for one in values]
        print(
            "  99th percentile of a study's magnitudes, median and largest:", np.median(extreme), max(extreme)
        )


def on_the_bone(evidence: ImageEvidence | None, name: str) -> list[NDArray[np.float32]]:
    """The map's values where it says something, as a list of none or one array."""
    values = getattr(evidence, name, None)
    if evidence is None or values is None:
        return []
    told = values[evidence.radius_mask & (values != 0)]
    return [told] if told.size else []


if __name__ == "__main__":
    main()
