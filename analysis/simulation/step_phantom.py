"""A step phantom as a densitometer sees it: blocks of known density in a row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from scipy import ndimage

from analysis.simulation.dicom.calibrated import FOREARM_REGION, Site, calibrated_image
from analysis.simulation.dicom.common import StudyHeader

SPACING_MM = (0.4, 0.4)
STEP_MM, WIDTH_MM, MARGIN_MM = 16.0, 40.0, 15.0
BLUR_MM = 0.36


def step_phantom_density(
    densities_g_cm2: Sequence[float],
    *,
    seed: int,
    gain: float = 1.0,
    offset_g_cm2: float = 0.0,
    noise_g_cm2: float = 0.012,
) -> NDArray[np.float32]:
    """Areal density image of a step phantom.

    Parameters
    ----------
    densities_g_cm2 : sequence of float
        Of the steps, top to bottom.
    gain, offset_g_cm2 : float
        What a scanner out of calibration makes of them: ``gain · density + offset`` in the phantom.
    noise_g_cm2 : float
        Standard deviation per pixel.
    """
    rng = np.random.default_rng(seed)
    row_mm, column_mm = SPACING_MM
    step, width, margin = (round(mm / row_mm) for mm in (STEP_MM, WIDTH_MM, MARGIN_MM))
    blocks = [np.full((step, width), gain * density + offset_g_cm2) for density in densities_g_cm2]
    image = np.pad(np.concatenate(blocks), margin)
    blurred = ndimage.gaussian_filter(image, (BLUR_MM / row_mm, BLUR_MM / column_mm))
    return np.asarray(blurred + rng.normal(0.0, noise_g_cm2, blurred.shape), dtype=np.float32)


def step_phantom_image(
    densities_g_cm2: Sequence[float],
    *,
    seed: int,
    study_date: date,
    gain: float = 1.0,
    offset_g_cm2: float = 0.0,
) -> Dataset:
    """The scan of `step_phantom_density` as a DX object with its density map, ready to be saved."""
    header = StudyHeader(
        key=f"step-phantom-{seed}-{study_date}",
        patient_name="SIMULATED^Step phantom",
        patient_id="SIM-STEP-PHANTOM",
        birth_date=date(2000, 1, 1),
        sex="O",
        height_mm=1,
        weight_kg=1,
        study_date=study_date,
    )
    density = step_phantom_density(densities_g_cm2, seed=seed, gain=gain, offset_g_cm2=offset_g_cm2)
    site = Site("FOREARM", FOREARM_REGION, "Quality control, step phantom", "U", ("L", "H"))
    return calibrated_image(header, density, SPACING_MM, site)
