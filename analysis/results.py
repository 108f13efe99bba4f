"""The vocabulary that crosses floors: what the engine says about one study.

Every class is a frozen dataclass. Absent numbers are ``None`` and carry a reason in ``quality``;
they are never zero. Coordinates are ``(column, row)`` in pixels of the source image, the centre of the
top-left pixel being ``(0.5, 0.5)`` as in DICOM PS3.3 C.18.6.1.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

REGIONS = ("ultradistal", "mid", "one_third", "total")
"""Region names of the radius, distal to proximal; ``total`` is the union of the other three."""

HORIZONS_YEARS = (1, 3, 5, 10)
"""Fracture-risk horizons in years."""

Polygon = tuple[tuple[float, float], ...]
"""Closed outline as ``(column, row)`` points, first point not repeated."""


class Status(StrEnum):
    """Outcome of one study."""

    ANALYZED = "analyzed"
    NOT_APPLICABLE = "not_applicable"
    REJECTED = "rejected"


class Laterality(StrEnum):
    """Side of the forearm, with the values of Laterality (0020,0060)."""

    LEFT = "L"
    RIGHT = "R"


class Calibration(StrEnum):
    """Where areal density in g/cm² comes from."""

    REAL_WORLD_VALUE_MAP = "real_world_value_map"
    VENDOR_TABLE = "vendor_table"
    SITE = "site"
    VENDOR_ANCHOR = "vendor_anchor"
    """Greys scaled by the vendor's BMD, for relative measurements only."""
    NONE = "none"


class BmdSource(StrEnum):
    """Whether a region's BMD was measured by us on pixels or copied from the vendor."""

    PIXELS = "pixels"
    VENDOR = "vendor"


class Severity(StrEnum):
    """How much a quality finding matters: ``error`` means the number it names is absent."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class QualityFinding:
    """One remark on input or measurement, e.g. ``spacing_from_exposed_area``."""

    code: str
    severity: Severity
    message: str


@dataclass(frozen=True, slots=True)
class SourceImage:
    """The image that was analysed, as an SR must reference it."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class RegionMeasurement:
    """Densitometry of one region of the radius.

    Attributes
    ----------
    bmd_g_cm2, bmc_g, area_cm2 : float or None
        Areal bone mineral density (g/cm²), bone mineral content (g), projected area (cm²).
    bmd_source : BmdSource or None
    bmd_uncertainty_g_cm2 : float or None
        One standard deviation of ``bmd_g_cm2``; ``None`` where no estimate exists (vendor numbers).
    t_score, z_score : float or None
        In standard deviations of the reference named in `StudyAnalysis.reference` or by the vendor.
    score_source : BmdSource or None
        Who computed T and Z.
    polygon : Polygon
        Outline of the region on the source image; empty if it could not be placed.
    """

    bmd_g_cm2: float | None = None
    bmd_source: BmdSource | None = None
    bmd_uncertainty_g_cm2: float | None = None
    bmc_g: float | None = None
    area_cm2: float | None = None
    t_score: float | None = None
    z_score: float | None = None
    score_source: BmdSource | None = None
    polygon: Polygon = ()


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model made a prediction, and on what it was trained."""

    name: str
    version: str
    training_data: str
    sha256: str


@dataclass(frozen=True, slots=True)
class HorizonRisk:
    """Probability (0–1) of a fracture within a horizon, with its 90 % interval."""

    probability: float
    interval: tuple[float, float]


RiskCategory = Literal["low", "moderate", "high"]


@dataclass(frozen=True, slots=True)
class RiskEstimate:
    """Fracture probability by horizon in years, non-decreasing with the horizon."""

    horizons: Mapping[int, HorizonRisk]
    category: RiskCategory
    model: ModelIdentity
    category_rule: str
    """The thresholds behind the category, in words."""
    moderate_from: float | None = None
    """10-year probability (0–1) from which the category is moderate; ``None`` if not told."""
    high_from: float | None = None
    """10-year probability from which it is high."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """SHAP contribution of one feature to the log of the 10-year cumulative fracture hazard.

    Attributes
    ----------
    feature : str
        Name of the model's input, e.g. ``one_third.bmd_g_cm2``.
    value : float or None
        What entered the model, in `unit`.
    contribution : float
        Against a person with the training cohort's average of this feature.
    unit : str
        UCUM.
    family : str
        One of `analysis.risk.predictors.FAMILIES`; empty if not told.
    training_mean : float or None
        That average, in `unit`.
    imputed : bool
        True if the value was not known and that of comparable people was used.
    """

    feature: str
    value: float | None
    contribution: float
    unit: str = "1"
    family: str = ""
    training_mean: float | None = None
    imputed: bool = False


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One sentence of advice with the guideline it comes from.

    Attributes
    ----------
    kind : str
        One of `analysis.advice.guideline.KINDS`.
    text, text_zh : str
        The sentence in English and in Simplified Chinese; the latter empty where a site's rule has none.
    source : str
        Where the rule stands: paper or guideline, section or table.
    rule_id : str
    guideline : str
        Title of the rule set, e.g. ``AACE/ACE 2020``.
    strength : str
        As the guideline grades it; empty if it does not.
    inputs_used : tuple of str
        What was known and decided the rule, in words with values, e.g. ``age 68.6 y``.
    inputs_missing : tuple of str
        What the rule asked for in vain.
    conclusion : str
        The rule in a word, of `analysis.advice.guideline.CONCLUSIONS`: a risk tier, or whether to treat.
    agents, agents_to_check : tuple of str
        Drugs the sentence names: that nothing entered speaks against, and only after a check.
    """

    kind: str
    text: str
    source: str
    rule_id: str = ""
    text_zh: str = ""
    guideline: str = ""
    strength: str = ""
    inputs_used: tuple[str, ...] = ()
    inputs_missing: tuple[str, ...] = ()
    conclusion: str = ""
    agents: tuple[str, ...] = ()
    agents_to_check: tuple[str, ...] = ()


DiagnosticCategory = Literal[
    "normal", "low_bone_mass", "osteoporosis", "within_expected_range", "below_expected_range"
]
"""WHO categories (T-score), and ISCD's wording by Z-score where WHO's do not apply."""


@dataclass(frozen=True, slots=True)
class DensitometricDiagnosis:
    """The category of the one-third radius, or why there is none.

    Attributes
    ----------
    category : DiagnosticCategory or None
    basis : str
        Score, region and rule behind it, in words; empty without a category.
    reason : str
        Why there is no category; empty with one.
    basis_zh, reason_zh : str
        The same in Simplified Chinese.
    """

    category: DiagnosticCategory | None
    basis: str = ""
    reason: str = ""
    basis_zh: str = ""
    reason_zh: str = ""


@dataclass(frozen=True, slots=True)
class PriorMeasurement:
    """What an earlier study of the same forearm measured; the engine's ``history``."""

    study_instance_uid: str
    study_date: date
    laterality: Laterality | None
    device: str
    """Manufacturer and model, to flag a change of machine."""
    bmd_g_cm2: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RegionChange:
    """Change of a region's BMD since the most recent prior of the same side.

    ``significant`` is ``None`` where no least significant change is known for the region.
    """

    region: str
    prior_study_instance_uid: str
    prior_date: date
    years: float
    change_g_cm2: float
    change_percent: float
    percent_per_year: float | None
    least_significant_change_percent: float | None
    significant: bool | None


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """BMD of one study of the same forearm, for a plot over time.

    Attributes
    ----------
    study_date : date
    bmd_g_cm2 : mapping of region to float
        On the current study's scale where ``comparable``; g/cm².
    device : str
    comparable : bool
        False for another machine without cross-calibration: a line must not join it.
    """

    study_date: date
    bmd_g_cm2: Mapping[str, float]
    device: str
    comparable: bool


@dataclass(frozen=True, slots=True)
class ReferenceBand:
    """Young-adult reference of one region of the radius: what its T-score is counted from, g/cm²."""

    mean_g_cm2: float
    sd_g_cm2: float


@dataclass(frozen=True, slots=True)
class SegmentationQuality:
    """How the outlines were found and how far they can be trusted.

    Attributes
    ----------
    method : str
        ``network`` (refined to sub-pixel edges) or ``classical``.
    model : ModelIdentity or None
        The network's identity; ``None`` for the classical method.
    score : float
        0–1, calibrated: the estimated probability that the radius outline reaches a Dice of 0.93.
    agreement : float or None
        Dice between independent segmentations of the same image; ``None`` if only one was made.
    """

    method: str
    model: ModelIdentity | None
    score: float
    agreement: float | None = None


@dataclass(frozen=True, slots=True)
class ReferenceIdentity:
    """The young-adult and age reference behind T and Z."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class ImageEvidence:
    """Pixels a report needs, all on the source image's own grid (rows, columns).

    Attributes
    ----------
    display : ndarray of float32, (rows, columns), 0–1
        The anatomy as a reader sees it, dense bone bright.
    radius_mask, ulna_mask : ndarray of bool, (rows, columns)
    radius_outline : Polygon
        Outline of the analysed part of the radius.
    density_g_cm2 : ndarray of float32 or None
        Areal density where calibrated.
    driver_map : ndarray of float32 or None
        Local contribution to the risk model's log-hazard per cm² of bone; zero outside the regions.
    driver_note : str
        How the map was made and what it cannot show.
    hand_up : bool
        True if the distal end points to the top of the image.
    strain_map : ndarray of float32 or None
        Equivalent strain of the mechanical model (1), zero outside the bone.
    segmentation_uncertainty : ndarray of float32 or None
        0–1 per pixel: spread of the radius probability over repeated views of the same image.
    """

    display: NDArray[np.float32]
    radius_mask: NDArray[np.bool_]
    ulna_mask: NDArray[np.bool_]
    radius_outline: Polygon
    density_g_cm2: NDArray[np.float32] | None
    driver_map: NDArray[np.float32] | None
    driver_note: str
    hand_up: bool
    strain_map: NDArray[np.float32] | None = None
    segmentation_uncertainty: NDArray[np.float32] | None = None


def _frozen_map() -> Mapping[str, float | None]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Revision:
    """One thing that a result says otherwise than the one it replaces, see `analysis.revision`.

    Attributes
    ----------
    subject : str
        What changed: ``engine``, ``model``, ``segmentation_model``, ``reference``, ``calibration``,
        ``laterality``, ``context:NAME``, ``bmd_g_cm2:REGION``, ``t_score:REGION``, ``diagnosis``,
        ``risk:YEARS``, ``risk_category``; ``quality`` and ``other`` come without values.
    before, after : str or float or None
        Values; None where there was or is none.
    """

    subject: str
    before: str | float | None = None
    after: str | float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class StudyAnalysis:
    """Everything the engine says about one study.

    `identity` is the hexadecimal SHA-256 over instance set, inputs, engine and model version: the same work
    has the same identity, and result UIDs derive from it (law 3 of the house).
    """

    study_instance_uid: str
    status: Status
    reason: str
    identity: str
    engine_version: str
    study_date: date | None = None
    laterality: Laterality | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    spacing_source: str = ""
    calibration: Calibration = Calibration.NONE
    device: str = ""
    source: SourceImage | None = None
    reference: ReferenceIdentity | None = None
    reference_bands: Mapping[str, ReferenceBand] = field(default_factory=lambda: MappingProxyType({}))
    """Region -> the young adults its T-score is counted from, where T was computed here."""
    diagnosis: DensitometricDiagnosis | None = None
    regions: Mapping[str, RegionMeasurement] = field(default_factory=lambda: MappingProxyType({}))
    morphometry: Mapping[str, float | None] = field(default_factory=_frozen_map)
    texture: Mapping[str, float | None] = field(default_factory=_frozen_map)
    density_distribution: Mapping[str, float | None] = field(default_factory=_frozen_map)
    mechanics: Mapping[str, float | None] = field(default_factory=_frozen_map)
    uncertainty: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """One standard deviation of a morphometry, texture, density-distribution or mechanics value, by its name
    and in its unit; names without an estimate are left out."""
    other_bones: Mapping[str, Mapping[str, RegionMeasurement]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """Densitometry beside the radius: ``ulna`` and ``both`` (radius and ulna), each by region."""
    segmentation: SegmentationQuality | None = None
    quality: tuple[QualityFinding, ...] = ()
    risk: RiskEstimate | None = None
    explanation: tuple[Contribution, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    assumptions: tuple[str, ...] = ()
    """What the advice took for granted because nobody entered it, in words."""
    assumptions_zh: tuple[str, ...] = ()
    """The same in Simplified Chinese, in the same order."""
    changes: tuple[RegionChange, ...] = ()
    trend: tuple[TrendPoint, ...] = ()
    """Every study of this side, oldest first, this one last; empty without an earlier one."""
    context: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Clinical inputs used: ``name -> value (provenance)``, e.g. ``age -> 67 y (Patient's Birth Date)``."""
    model_inputs: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """What was known to risk models, by the names of their features; like the evidence, in no document."""
    evidence: ImageEvidence | None = None
