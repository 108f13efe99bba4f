"""``dicom-node simulate``: simulated forearm DXA studies with their truth, as DICOM."""

from __future__ import annotations

import argparse
from pathlib import Path

from dicom_node.commands.options import at_least

FLAVOURS = ("calibrated", "hologic", "lunar")
VARIANTS = (
    "parametric-map",
    "separate-map",
    "hologic-history",
    "lunar-comments",
    "lunar-old-comments",
    "sr-only",
    "pdf",
)
ARTEFACTS = ("metal", "motion", "crop")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder to write the studies into"
    )
    parser.add_argument("--count", type=at_least(1), default=1, metavar="N", help="number of studies")
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="S", help="seed of the first study")
    parser.add_argument(
        "--flavour", choices=(*FLAVOURS, *VARIANTS), default="calibrated", help="way of speaking DICOM"
    )
    parser.add_argument("--artefact", choices=ARTEFACTS, help="spoil every study like this")
    parser.add_argument(
        "--samples", action="store_true", help="write the seven studies of sample_studies/ instead"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the studies, each in a folder of its own with truth.json and masks; print the folders.

    Study number *i* has the seed ``--seed + i``: the same seed gives the same bytes.
    """
    from analysis.simulation.samples import sample_studies
    from analysis.simulation.study import simulate_study, write_study
    from analysis.simulation.variants import simulate_variant

    if arguments.samples:
        for name, study in sample_studies().items():
            write_study(study, arguments.out / name)
            print(arguments.out / name)
        return 0
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        simulate = simulate_study if arguments.flavour in FLAVOURS else simulate_variant
        study = simulate(arguments.flavour, seed, artefact=arguments.artefact)
        folder = arguments.out / f"{arguments.flavour}-{seed:06d}"
        write_study(study, folder)
        print(folder)
    return 0
