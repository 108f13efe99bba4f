"""What every acquisition dialect yields: one radius image and, where the vendor gave them, its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from analysis.results import Calibration, Laterality, QualityFinding, SourceImage


@dataclass(frozen=True, slots=True)
class VendorRegion:
    """A region's numbers as the vendor printed them (g/cm², g, cm², SD); ``None`` where blank."""

    bmd_g_cm2: float | None = None
    bmc_g: float | None = None
    area_cm2: float | None = None
    t_score: float | None = None
    z_score: float | None = None


@dataclass(frozen=True, slots=True)
class VendorReport:
    """The vendor's own results for the radius, keyed by our region names."""

    source: str
    """Where they were found, e.g. ``Hologic Image Analysis Data (0019,1000)``."""
    regions: Mapping[str, VendorRegion]


@dataclass(frozen=True, slots=True, eq=False)
class RadiusImage:
    """One forearm image, ready to be measured.

    Attributes
    ----------
    pixels : ndarray of float32, (rows, columns)
        The scan itself (cropped out of a report page where there is one), dense bone bright.
        In g/cm² if `calibration` is not ``none`` and `density` is True, else relative display grey 0–1.
    density : bool
        True if `pixels` are areal density in g/cm².
    spacing_mm : (row, column) spacing in mm, or None
    spacing_source : str
        The rung of the spacing ladder, e.g. ``PixelSpacing``.
    origin : (row, column) of the crop's first pixel on the source image's grid
    """

    source: SourceImage
    study_instance_uid: str
    pixels: NDArray[np.float32]
    density: bool
    calibration: Calibration
    spacing_mm: tuple[float, float] | None
    spacing_source: str
    origin: tuple[int, int]
    laterality: Laterality | None
    device: str
    vendor: VendorReport | None = None
    forearm_length_mm: float | None = None
    findings: tuple[QualityFinding, ...] = ()
    context: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
