"""What every acquisition dialect yields: a radius image, the vendor's numbers, or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from analysis.results import (
    BmdSource,
    Calibration,
    Laterality,
    PriorMeasurement,
    QualityFinding,
    RegionMeasurement,
    SourceImage,
)


@dataclass(frozen=True, slots=True)
class VendorRegion:
    """A region's numbers as the vendor printed them (g/cm², g, cm², SD, %); ``None`` where blank.

    `young_adult_percent` and `age_matched_percent` are BMD in percent of the mean of the vendor's young-adult
    and age-matched reference (Hologic: PR, AM; GE Lunar: PYA, PAM).
    """

    bmd_g_cm2: float | None = None
    bmc_g: float | None = None
    area_cm2: float | None = None
    t_score: float | None = None
    z_score: float | None = None
    young_adult_percent: float | None = None
    age_matched_percent: float | None = None

    def measurement(self) -> RegionMeasurement:
        """The same numbers as a result; scores are the vendor's, whose reference belongs to its device."""
        scored = self.t_score is not None or self.z_score is not None
        return RegionMeasurement(
            bmd_g_cm2=self.bmd_g_cm2,
            bmd_source=BmdSource.VENDOR if self.bmd_g_cm2 is not None else None,
            bmc_g=self.bmc_g,
            area_cm2=self.area_cm2,
            t_score=self.t_score,
            z_score=self.z_score,
            score_source=BmdSource.VENDOR if scored else None,
        )


@dataclass(frozen=True, slots=True)
class VendorPrior:
    """One row of the vendor's own history: an earlier examination of one region."""

    day: date
    region: str
    bmd_g_cm2: float
    t_score: float | None = None


@dataclass(frozen=True, slots=True)
class VendorReport:
    """The vendor's own results for the radius.

    Attributes
    ----------
    source : str
        Where they were found, e.g. ``Hologic Image Analysis Data (0019,1000)``.
    regions : Mapping[str, VendorRegion]
        The current examination, keyed by our region names.
    history : tuple of VendorPrior
        Earlier examinations that the vendor lists, oldest first.
    milligrams : bool
        True if BMD was printed in mg/cm² (a number above 10) and has been divided by 1000.
    """

    source: str
    regions: Mapping[str, VendorRegion]
    history: tuple[VendorPrior, ...] = ()
    milligrams: bool = False


def comparable_history(
    history: Sequence[PriorMeasurement],
    vendor: VendorReport | None,
    laterality: Laterality | None,
    *,
    peripheral: bool,
) -> tuple[PriorMeasurement, ...]:
    """Earlier measurements that the vendor's current numbers may be compared with.

    Our own history wins; without any, the vendor's, one measurement per day. Neither the study nor the
    machine behind a vendor's row is known: both stay empty, so that nothing calls such a change significant.
    None for a peripheral device, which is not for monitoring.
    """
    if peripheral:
        return ()
    if history or vendor is None:
        return tuple(history)
    return tuple(
        PriorMeasurement(
            study_instance_uid="",
            study_date=day,
            laterality=laterality,
            device="",
            bmd_g_cm2={prior.region: prior.bmd_g_cm2 for prior in vendor.history if prior.day == day},
        )
        for day in sorted({prior.day for prior in vendor.history})
    )


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
    peripheral : bool
        True for a peripheral densitometer, to whose T-scores the WHO categories do not apply.
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
    peripheral: bool = False
    findings: tuple[QualityFinding, ...] = ()
    context: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def comparable_history(self, history: Sequence[PriorMeasurement]) -> tuple[PriorMeasurement, ...]:
        """See `comparable_history`; BMD of our own pixels is not compared with the vendor's."""
        vendor = None if self.density else self.vendor
        return comparable_history(history, vendor, self.laterality, peripheral=self.peripheral)


@dataclass(frozen=True, slots=True)
class NumbersOnly:
    """A study that reports the forearm's numbers without showing it: a Structured Report or a document.

    Attributes
    ----------
    source : SourceImage
        The vendor's document that holds the numbers; it has no pixels, so `rows` and `columns` are 0.
    vendor : VendorReport
    peripheral : bool
        See `RadiusImage`.
    """

    source: SourceImage
    study_instance_uid: str
    laterality: Laterality | None
    device: str
    vendor: VendorReport
    peripheral: bool = False
    findings: tuple[QualityFinding, ...] = ()
    context: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def comparable_history(self, history: Sequence[PriorMeasurement]) -> tuple[PriorMeasurement, ...]:
        """See `comparable_history`."""
        return comparable_history(history, self.vendor, self.laterality, peripheral=self.peripheral)
