"""How long one picture takes on one warm thread."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from accuracy_parts.pipeline import configuration, segment
from accuracy_parts.samples import draw_sample
from accuracy_parts.table import Figure, Goal
from analysis.config import PREPROCESSING

ALL_TEXTURE = ("original", "log", "wavelet", "lbp", "fractal", "variogram")


def speed_goals(rounds: int, first_seed: int) -> list[Goal]:
    """Network inference, and acquisition to features with every texture family, milliseconds."""
    inference = Goal("segmentation inference, one view, one thread", "ms", 30.0, 5.0, digits=1)
    whole = Goal(
        "whole picture, acquisition to all texture families, warm, one thread", "ms", 400.0, 150.0, digits=0
    )
    image = draw_sample("own", first_seed)
    inference.figures["all"] = _timed(_inference(image), rounds)
    whole.figures["all"] = _timed(_whole(first_seed), rounds)
    finding = Goal("finding both bones (all views, refinement, landmarks)", "ms", None, None, digits=0)
    finding.figures["all"] = _timed(
        lambda: segment(image, method="network", preprocessing=PREPROCESSING), rounds
    )
    shipped = Goal("the same with the shipped settings (core texture set)", "ms", None, None, digits=0)
    shipped.figures["all"] = _timed(_whole(first_seed, configuration().texture_families), rounds)
    return [inference, finding, whole, shipped]


def _inference(image: Any) -> Callable[[], Any] | None:
    """One forward pass of the shipped network; None without one."""
    from analysis.segmentation.letterbox import to_network_input
    from analysis.segmentation.network import shipped_network

    network = shipped_network()
    if network is None:
        return None
    session = network._session
    boxed, _ = to_network_input(image.pixels, image.spacing_mm)
    return lambda: session.run(None, {"image": boxed})


def _whole(seed: int, families: tuple[str, ...] = ALL_TEXTURE) -> Callable[[], Any]:
    """From a data set in memory to every measurement."""
    from analysis.acquisition import clinical_context, read_study
    from analysis.measurement.measure import measure
    from analysis.measurement.reference import load_reference
    from analysis.measurement.regions import place_regions
    from analysis.segmentation import find_forearm
    from analysis.simulation.study import simulate_study

    study = simulate_study("calibrated", seed)
    datasets = list(study.objects.values())
    reference = load_reference(configuration().reference)

    def run() -> Any:
        context, _ = clinical_context(datasets, None)
        image = read_study(datasets, context)
        anatomy = find_forearm(image.pixels, image.spacing_mm, density=image.density)
        placed = place_regions(anatomy, image.spacing_mm, image.forearm_length_mm)
        return measure(image, anatomy, placed, reference, age_years=65, sex="F", texture_families=families)

    return run


def _timed(function: Callable[[], Any] | None, rounds: int) -> Figure:
    if function is None:
        return Figure(None, 0)
    for _ in range(2):
        function()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - started))
    # a loaded machine shows in the median, hardly in the fastest run: both are told
    load = os.getloadavg()[0]
    remark = f"fastest {min(times):.1f}; load {load:.1f} on {os.cpu_count()} cores"
    return Figure(statistics.median(times), rounds, remark=remark)
