"""What the engine measures on a simulated scan: the same functions that measure a real one."""

from __future__ import annotations

import numpy as np

from analysis.acquisition.image import RadiusImage
from analysis.errors import RejectedInput
from analysis.measurement.measure import measure
from analysis.measurement.reference import ReferenceCurve
from analysis.measurement.regions import place_regions
from analysis.results import Calibration, SourceImage
from analysis.risk import RiskInputs
from analysis.segmentation import find_forearm
from analysis.simulation import Phantom, Subject, draw_acquisition, render

RULER_SD_MM = 2.0
"""How well a forearm's length is measured by ruler before the scan: assumption."""


def measure_subject(
    subject: Subject, reference: ReferenceCurve, rng: np.random.Generator
) -> RiskInputs | None:
    """Scan a subject once and measure the scan as the engine does; None if the engine finds no radius.

    The scan is drawn like any other (side, way up, tilt, pixel size, noise, blur); of texture the variogram
    alone is measured, because no model uses more.
    """
    phantom = render(subject, draw_acquisition(rng), seed=int(rng.integers(2**31)))
    image = _as_image(phantom, subject.forearm_length_mm + RULER_SD_MM * float(rng.standard_normal()))
    try:
        anatomy = find_forearm(image.pixels, image.spacing_mm, density=image.density)
    except RejectedInput:
        return None
    placed = place_regions(anatomy, image.spacing_mm, image.forearm_length_mm)
    measured = measure(
        image, anatomy, placed, reference, age_years=subject.age_years, sex=subject.sex, texture_families=()
    )
    return RiskInputs(
        subject.age_years, subject.sex, measured.regions, measured.morphometry, measured.texture
    )


def _as_image(phantom: Phantom, forearm_length_mm: float) -> RadiusImage:
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
        forearm_length_mm=forearm_length_mm,
    )
