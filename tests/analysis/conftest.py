"""Simulated scans that several tests share; each is rendered once per session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.acquisition.image import RadiusImage
from analysis.results import Calibration, SourceImage
from analysis.simulation import Phantom, draw_acquisition, draw_subject, render

Scan = Callable[..., Phantom]


@pytest.fixture(scope="session")
def scan() -> Scan:
    """``scan(seed, **acquisition)``: any adult, scanned as drawn from the seed except for what is given."""

    @cache
    def rendered(seed: int, changes: tuple[tuple[str, Any], ...]) -> Phantom:
        rng = np.random.default_rng([seed, 77])
        subject = draw_subject(rng)
        acquisition = draw_acquisition(rng, artefact=dict(changes).get("artefact"))
        return render(subject, replace(acquisition, **dict(changes)), seed)

    return lambda seed, **changes: rendered(seed, tuple(sorted(changes.items())))


@pytest.fixture(scope="session")
def as_image() -> Callable[[Phantom], RadiusImage]:
    """A phantom as the calibrated image that acquisition would yield."""

    def made(phantom: Phantom) -> RadiusImage:
        rows, columns = phantom.density_g_cm2.shape
        return RadiusImage(
            source=SourceImage("", "", "", rows, columns),
            study_instance_uid="",
            pixels=phantom.density_g_cm2,
            density=True,
            calibration=Calibration.REAL_WORLD_VALUE_MAP,
            spacing_mm=phantom.spacing_mm,
            spacing_source="simulated",
            origin=(0, 0),
            laterality=phantom.acquisition.laterality,
            device="simulated",
            forearm_length_mm=phantom.truth.forearm_length_mm,
        )

    return made


@pytest.fixture(scope="session")
def display_grey() -> Callable[..., NDArray[np.float32]]:
    """A phantom as an 8-bit display grey with soft tissue, window and grey curve, 0–1."""

    def shown(
        phantom: Phantom, *, soft: float = 0.04, gamma: float = 0.8, top_percentile: float = 99.5
    ) -> NDArray[np.float32]:
        mixed = phantom.density_g_cm2 + soft * phantom.soft_tissue_g_cm2
        low, high = np.percentile(mixed, (5.0, top_percentile))
        grey = np.clip((mixed - low) / (high - low), 0.0, 1.0) ** gamma
        return (np.round(grey * 255) / 255).astype(np.float32)

    return shown
