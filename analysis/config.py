"""What a site may choose about the engine; `dicom_node.config` fills it from ``[analysis]`` of node.toml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ForearmPosition = Literal["palm_down", "palm_up", "unchecked"]
RoiConvention = Literal["hologic", "lunar"]
SegmentationMethod = Literal["network", "classical"]
TextureEngine = Literal["numba", "pyradiomics"]


@dataclass(frozen=True, slots=True)
class AnalysisConfig:
    """Settings of `analysis.engine.analyze`; every path must exist.

    Attributes
    ----------
    reference : Path
        Reference curve for T- and Z-scores, a CSV of ``conf/reference/``. None is silently assumed.
    guideline : Path
        Rule table for recommendations, a TOML of ``conf/guidelines/``.
    models : Path
        Directory with ``registry.json`` and the risk models it names.
    forearm_position : {"palm_down", "palm_up", "unchecked"}
        How arms lie on this site's table: it decides which side the picture itself shows.
    roi_convention : {"hologic", "lunar"}
        Whose region definitions place the regions of interest.
    segmentation : {"network", "classical"}
        How bones are found; the classical method is also the network's fall-back.
    texture_engine : {"numba", "pyradiomics"}
        Who computes the IBSI texture classes; both give the same values, pyradiomics is the reference.
    texture_families : tuple of str
        Which texture families are computed beside the core set, see `analysis.measurement.texture`.
    devices : Path or None
        The site's own calibration, cross-calibration, precision and quality control of its scanners (TOML).
    """

    reference: Path
    guideline: Path
    models: Path
    forearm_position: ForearmPosition = "palm_down"
    roi_convention: RoiConvention = "hologic"
    segmentation: SegmentationMethod = "network"
    texture_engine: TextureEngine = "numba"
    texture_families: tuple[str, ...] = ("original",)
    devices: Path | None = None


@dataclass(frozen=True, slots=True)
class ClinicalContext:
    """What is known of the patient beyond the images; site entries win over DICOM headers.

    Units: years, millimetres, kilograms. ``None`` means unknown, never "no".
    """

    age_years: float | None = None
    sex: Literal["F", "M"] | None = None
    height_mm: float | None = None
    weight_kg: float | None = None
    forearm_length_mm: float | None = None
    prior_fragility_fracture: bool | None = None
    glucocorticoids: bool | None = None
    parental_hip_fracture: bool | None = None
    current_smoker: bool | None = None
