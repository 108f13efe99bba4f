"""What an analysis starts from beside the objects: the site's settings, and what is known of the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pydicom.dataset import Dataset

from analysis.config import AnalysisConfig, ClinicalContext
from analysis.measurement.reference import ReferenceCurve, load_reference
from analysis.quality_control import Devices, load_devices
from analysis.results import PriorMeasurement, QualityFinding
from analysis.risk import load_models
from analysis.risk.registry import RiskModels


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A site's settings with the files they name, read and checked."""

    config: AnalysisConfig
    reference: ReferenceCurve
    models: RiskModels
    devices: Devices

    @classmethod
    def of(cls, config: AnalysisConfig) -> Site:
        """Read what `config` names; a ConfigurationError says which file is missing or wrong."""
        return cls(
            config, load_reference(config.reference), load_models(config.models), load_devices(config.devices)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One study as it is handed to the engine.

    Attributes
    ----------
    identity : str
        Of the analysis.
    day : date or None
        Of the study.
    history : sequence of PriorMeasurement
        What earlier studies of the patient measured.
    priors : sequence of sequences of Dataset
        Objects of earlier studies, as far as they are at hand.
    context : ClinicalContext
    provenance : mapping
        Of `context`, as `StudyAnalysis.context` tells it.
    findings : tuple of QualityFinding
        What is wrong with what is known of the patient.
    """

    identity: str
    day: date | None
    history: Sequence[PriorMeasurement]
    priors: Sequence[Sequence[Dataset]]
    context: ClinicalContext
    provenance: Mapping[str, str]
    findings: tuple[QualityFinding, ...] = ()
