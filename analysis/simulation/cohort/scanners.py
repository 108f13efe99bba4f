"""Scanners of simulated cohorts: how the pictures are taken, and what the device's scale makes of density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from analysis.errors import ConfigurationError
from analysis.simulation import Acquisition, draw_acquisition
from analysis.simulation.view import FIELD_OF_VIEW_MM

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scanner:
    """One kind of densitometer; every scan draws its own acquisition from these ranges.

    Attributes
    ----------
    name : str
        As on the command line and in a cohort's ``scanner`` column.
    spacing_mm, blur_mm, photons_per_mm2, fat_error : (float, float) or None
        Uniform ranges, see `analysis.simulation.Acquisition`; None leaves what `draw_acquisition` draws.
    gain, offset_g_cm2 : float
        Density that the device shows = gain · true + offset.
    """

    name: str
    spacing_mm: Range | None = None
    blur_mm: Range | None = None
    photons_per_mm2: Range | None = None
    fat_error: Range | None = None
    gain: float = 1.0
    offset_g_cm2: float = 0.0

    def acquisition(self, rng: np.random.Generator) -> Acquisition:
        """Draw one scan: either side, either way up, any tilt within ±10°."""
        drawn = draw_acquisition(rng)
        if self.spacing_mm is not None:
            spacing = round(float(rng.uniform(*self.spacing_mm)), 3)
            height, width = FIELD_OF_VIEW_MM
            drawn = replace(
                drawn,
                spacing_mm=(spacing, spacing),
                rows=round(height / spacing),
                columns=round(width / spacing),
            )
        ranges = {
            "blur_mm": self.blur_mm,
            "photons_per_mm2": self.photons_per_mm2,
            "fat_error": self.fat_error,
        }
        others = {name: float(rng.uniform(*ends)) for name, ends in ranges.items() if ends is not None}
        return replace(drawn, **others)  # type: ignore[arg-type]


SCANNERS: Mapping[str, Scanner] = {
    scanner.name: scanner
    for scanner in (
        Scanner("reference"),
        # Pixels of 0.45–0.60 mm: coarser than the reference's 0.3–0.5, within what forearm scans have (to
        # 0.6 mm). Blur at or above the reference's upper half and two thirds of its dose: assumptions, a
        # device of an older fan-beam generation. Gain 1.03, offset 0.005 g/cm²: assumptions, of the order by
        # which two devices of one maker differ before they are cross-calibrated.
        Scanner(
            "external",
            spacing_mm=(0.45, 0.60),
            blur_mm=(0.40, 0.55),
            photons_per_mm2=(0.7e6, 1.6e6),
            fat_error=(0.0010, 0.0025),
            gain=1.03,
            offset_g_cm2=0.005,
        ),
    )
}
"""Scanners by name."""


def scanner_named(name: str) -> Scanner:
    """The scanner of that name.

    Raises
    ------
    ConfigurationError
        If there is none; the text lists those there are.
    """
    try:
        return SCANNERS[name]
    except KeyError as error:
        raise ConfigurationError(
            f"There is no scanner {name!r}; use one of {', '.join(sorted(SCANNERS))}."
        ) from error
