"""``[surveillance]``: what counts as drift, and how much must be known to say so."""

from __future__ import annotations

from dataclasses import dataclass, field

from dicom_node.errors import ConfigurationError
from dicom_node.settings import between, must

__all__ = ["SurveillanceSettings"]

_share = must(between(0, 1))


@dataclass(frozen=True, slots=True)
class SurveillanceSettings:
    """``[surveillance]``: nightly figures by scanner and month, and the limits that raise alarms.

    Attributes
    ----------
    hour : int
        Hour of the day, UTC, after which the night's run starts.
    months : int
        How far back figures go.
    least_studies : int
        Fewer in a month are shown, and neither distributions nor rates are judged.
    least_subjects, least_fractures : int
        Of patients first scanned within twelve months; fewer are shown and their outcomes not judged.
    psi : float
        Population stability index from which a feature or the predicted risk has drifted, if the
        Kolmogorov-Smirnov test agrees.
    significance : float
        Chance of any false alarm among all that is judged together in a month, by kind of figure.
    quality_rate : float
        Share of studies (0-1) that may have one and the same quality finding of severity warning or error.
    accepted_findings : tuple of str
        Codes of findings that the site knows of and accepts: shown, never an alarm.
    declined_rate : float
        Share of studies that may be rejected or fail, of those that are ours to analyse.
    agreement_rate : float
        Share of opinions that should agree.
    observed_to_expected_from, observed_to_expected_to : float
        Range in which the ratio of observed to predicted fractures may lie.
    auc : float
        Area under the ROC curve that should be reached.
    """

    enabled: bool = True
    hour: int = field(default=3, metadata=must(between(0, 23)))
    months: int = field(default=24, metadata=must(between(2, 120)))
    least_studies: int = field(default=50, metadata=must(between(20)))
    least_subjects: int = field(default=100, metadata=must(between(20)))
    least_fractures: int = field(default=10, metadata=must(between(5)))
    psi: float = field(default=0.25, metadata=must(between(0.01, 10)))
    significance: float = field(default=0.01, metadata=must(between(1e-6, 0.2)))
    quality_rate: float = field(default=0.3, metadata=_share)
    accepted_findings: tuple[str, ...] = ()
    declined_rate: float = field(default=0.1, metadata=_share)
    agreement_rate: float = field(default=0.8, metadata=_share)
    observed_to_expected_from: float = field(default=0.8, metadata=must(between(0.01, 1)))
    observed_to_expected_to: float = field(default=1.25, metadata=must(between(1, 100)))
    auc: float = field(default=0.6, metadata=must(between(0.5, 1)))

    def __post_init__(self) -> None:
        if self.least_fractures > self.least_subjects:
            raise ConfigurationError(
                f"[surveillance] least_fractures = {self.least_fractures}: must not be more than "
                f"least_subjects = {self.least_subjects}"
            )
