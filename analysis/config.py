"""What a site may choose about the engine; `dicom_node.config` fills it from ``[analysis]`` of node.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from analysis.errors import ConfigurationError

ForearmPosition = Literal["palm_down", "palm_up", "unchecked"]
RoiConvention = Literal["hologic", "lunar"]
SegmentationMethod = Literal["network", "classical"]
TextureEngine = Literal["numba", "pyradiomics"]
TextureFamily = Literal["core", "original", "log", "wavelet", "lbp", "fractal", "variogram"]
PreprocessingStep = Literal[
    "anisotropy_correction",
    "artefact_exclusion",
    "denoise",
    "grey_standardisation",
    "contrast_normalisation",
]

PREPROCESSING: tuple[PreprocessingStep, ...] = (
    "anisotropy_correction",
    "artefact_exclusion",
    "grey_standardisation",
    "contrast_normalisation",
)
"""The steps that were found to help on simulated forearms; ``denoise`` moved edges more than it mended."""


@dataclass(frozen=True, slots=True)
class MechanicsAssumptions:
    """What the mechanical model must assume, for no projection shows it; results are for relative use only.

    Attributes
    ----------
    compact_modulus_mpa : float
        Young's modulus of compact bone. Assumption, of the order of human cortical bone.
    compact_mineral_g_cm3 : float
        Mineral per volume of compact bone; 1.05 is customary in hip structural analysis, pQCT of the radius
        gives 1.16 (122.1 mg/mm over 105.1 mm², PMC3179319). Section moments use it too.
    density_exponent : float
        Of the power law from mineral density to modulus; 1.49 to 2.18 in trabecular bone (Morgan, J Biomech
        2003;36:897-904), for compact bone an assumption.
    poisson_ratio : float
        Assumption.
    depth_over_width : float
        Of the shaft's section, taken as an ellipse; towards the wrist depth grows with the square root of the
        width. Assumption.
    fall_load_body_weights : float
        Force on one hand over body weight: 0.65 to 1.7 in arrested forward falls (DeGoede & Ashton-Miller, J
        Biomech 2002;35:843-848).
    radius_share : float
        Part of that force which the radius carries: the ulna bears 18.4 % (Werner 1986, PMID 3770570).
    transverse_share : float
        Force across the forearm in the image's plane over the force along it. Assumption.
    unit_load_n : float
        Force on the radius where body mass is unknown.
    element_mm : float
        Side of the square elements.
    """

    compact_modulus_mpa: float = 17_000.0
    compact_mineral_g_cm3: float = 1.05
    density_exponent: float = 1.5
    poisson_ratio: float = 0.3
    depth_over_width: float = 1.0
    fall_load_body_weights: float = 1.0
    radius_share: float = 0.816
    transverse_share: float = 0.05
    unit_load_n: float = 1000.0
    element_mm: float = 0.8


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
    preprocessing : tuple of str
        Which steps prepare a picture for segmentation, see `analysis.segmentation.preprocessing`; what is
        measured is never changed by them.
    texture_engine : {"numba", "pyradiomics"}
        Who computes the IBSI texture classes; both give the same values, pyradiomics is the reference.
    texture_families : tuple of str
        Which texture features are measured: ``core`` are those that a repeated scan finds again, the others
        are whole families, see `analysis.measurement.texture`. The variogram is always measured.
    devices : Path or None
        The site's own calibration, cross-calibration, precision and quality control of its scanners (TOML).
    mechanics : MechanicsAssumptions
        Material and loads of the finite-element model.
    """

    reference: Path
    guideline: Path
    models: Path
    forearm_position: ForearmPosition = "palm_down"
    roi_convention: RoiConvention = "hologic"
    segmentation: SegmentationMethod = "network"
    preprocessing: tuple[PreprocessingStep, ...] = PREPROCESSING
    texture_engine: TextureEngine = "numba"
    texture_families: tuple[TextureFamily, ...] = ("core",)
    devices: Path | None = None
    mechanics: MechanicsAssumptions = MechanicsAssumptions()


@dataclass(frozen=True, slots=True)
class ClinicalContext:
    """What is known of the patient beyond the images; site entries win over DICOM headers.

    Units: years, millimetres, kilograms. ``None`` means unknown, never "no". `laterality` is the side that
    the site says the study shows, where its objects are wrong or silent. `predictors` holds further entries
    by their names in `analysis.risk.predictors.PREDICTORS`, for risk models; age, sex, height and weight have
    the fields above. `advice` holds what only the advice asks for (laboratory values, treatment,
    contraindications), by the names of `analysis.advice.entries.ENTRIES`.

    Raises
    ------
    ConfigurationError
        If a predictor or an entry has an unknown name, or a value outside its limits.
    """

    age_years: float | None = None
    sex: Literal["F", "M"] | None = None
    height_mm: float | None = None
    weight_kg: float | None = None
    forearm_length_mm: float | None = None
    laterality: Literal["L", "R"] | None = None
    prior_fragility_fracture: bool | None = None
    glucocorticoids: bool | None = None
    parental_hip_fracture: bool | None = None
    current_smoker: bool | None = None
    predictors: Mapping[str, float] = field(default_factory=dict)
    advice: Mapping[str, float | bool | str | tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from analysis.advice.entries import entry_broken
        from analysis.risk.predictors import PREDICTORS, rule_broken

        for name, entered in self.advice.items():
            wrong = entry_broken(name, entered)
            if wrong is not None:
                raise ConfigurationError(f"site entry: {wrong}; correct it or leave it out")
        for name, value in self.predictors.items():
            if name not in PREDICTORS or name in ENTERED_OTHERWISE:
                instead = ENTERED_OTHERWISE.get(name)
                cure = f"enter it as {instead}" if instead else "see docs/cohort-schema.md for the names"
                raise ConfigurationError(
                    f"site entry {name!r} is no predictor that can be entered here; {cure}"
                )
            broken = rule_broken(name, value)
            if broken is not None:
                raise ConfigurationError(f"site entry: {broken}; correct it or leave it out")


@dataclass(frozen=True, slots=True)
class ClinicalRecord:
    """What is recorded of the patient up to the day of the study, for what neither site nor study says.

    Attributes
    ----------
    known : ClinicalContext
        Fills what is unknown otherwise; entries for the study and values of its own day win.
    dates : mapping of str to str
        Field, predictor or entry -> day from which it is known (YYYY-MM-DD).
    birth_date : date or None
    conflicts : mapping of str to str
        Field, predictor or entry on which the record contradicts itself -> the day; no value is used.
    """

    known: ClinicalContext = field(default_factory=ClinicalContext)
    dates: Mapping[str, str] = field(default_factory=dict)
    birth_date: date | None = None
    conflicts: Mapping[str, str] = field(default_factory=dict)


ENTERED_OTHERWISE: Mapping[str, str] = {
    "age_years": "age_years",
    "male": "sex",
    "height_mm": "height_mm",
    "weight_kg": "weight_kg",
}
"""Predictors that `ClinicalContext` has fields for."""
