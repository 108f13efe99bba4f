"""Watching a model at work: do its inputs, its predictions and its patients' outcomes stay what they were?

Pure statistics over arrays; which studies of which scanner and month they come from is the node's to know
(`dicom_node.workflow.surveillance`). Small numbers are never judged, and every judgement allows for how many
are made at once. Formulas, sources and what an alarm means: ``docs/surveillance.md``.
"""

from analysis.surveillance.distributions import Distribution, distribution_of
from analysis.surveillance.drift import Drift, DriftLimits, drift, drift_of_groups
from analysis.surveillance.outcomes import (
    OutcomeLimits,
    Performance,
    calibration_by_year,
    performance,
    performance_of_groups,
)
from analysis.surveillance.rates import Rate, RateLimit, rates
from analysis.surveillance.reference import (
    ReferenceSet,
    read_reference,
    reference_of,
    references_of,
    write_reference,
)

__all__ = [
    "Distribution",
    "Drift",
    "DriftLimits",
    "OutcomeLimits",
    "Performance",
    "Rate",
    "RateLimit",
    "ReferenceSet",
    "calibration_by_year",
    "distribution_of",
    "drift",
    "drift_of_groups",
    "performance",
    "performance_of_groups",
    "rates",
    "read_reference",
    "reference_of",
    "references_of",
    "write_reference",
]
