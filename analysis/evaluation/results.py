"""What an evaluation holds, as a tree of frozen dataclasses: `Evaluation` is the root.

Everything a report shows is here, and `analysis.evaluation.serialise` writes all of it as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from analysis.cohort.columns import FloatArray
from analysis.evaluation.calibration import Calibration
from analysis.evaluation.classification import Classification
from analysis.evaluation.decision import DecisionCurve
from analysis.evaluation.discrimination import AucOverTime, RocCurve
from analysis.evaluation.intervals import Difference, Estimate
from analysis.evaluation.optimism import Optimism
from analysis.evaluation.overall import Brier
from analysis.evaluation.power import Power
from analysis.evaluation.reclassification import Reclassification

SCHEMA = "1"
"""Of the JSON; changes when a field is renamed or removed."""


@dataclass(frozen=True, slots=True)
class HorizonCounts:
    """How many had fractured, died first, or been lost by a horizon, and the incidence (Aalen-Johansen)."""

    years: int
    fractures: int
    deaths: int
    lost: int
    incidence: Estimate


@dataclass(frozen=True, slots=True)
class Characteristic:
    """One line of the table of subjects: mean and SD (or share) of all and of those who fractured."""

    name: str
    unit: str
    everybody: str
    fractured: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Share of subjects without a value, of all and of those who fractured."""

    name: str
    share: float
    share_fractured: float


@dataclass(frozen=True, slots=True)
class CohortSummary:
    """Whose data these are.

    Attributes
    ----------
    simulated : bool
    source : str
        One sentence.
    manifest : mapping
        As loaded.
    subjects : int
    median_follow_up : float or None
        Years, reverse Kaplan-Meier; None if fewer than half could have been lost.
    person_years : float
    """

    simulated: bool
    source: str
    manifest: Mapping[str, object]
    subjects: int
    median_follow_up: float | None
    person_years: float
    horizons: tuple[HorizonCounts, ...]
    sites: Mapping[str, int]
    characteristics: tuple[Characteristic, ...]
    missing: tuple[Missing, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RiskDistribution:
    """Predicted risks of those with and without a fracture: quantiles, and weighted shares by bin."""

    quantiles: tuple[float, ...]
    fractured: tuple[float, ...]
    others: tuple[float, ...]
    bin_edges: FloatArray
    share_fractured: FloatArray
    share_others: FloatArray


@dataclass(frozen=True, slots=True)
class Coverage:
    """How often the interval of the risk holds the true risk (which only a simulator knows)."""

    nominal: float
    actual: Estimate
    by_tenth: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class OracleComparison:
    """The AUC of the true risk on the same subjects, and the model's as a share of it."""

    auc: Estimate
    ratio: Estimate


@dataclass(frozen=True, slots=True)
class HorizonEvaluation:
    """One model at one horizon; None where it gives no probabilities or there are too few fractures."""

    years: int
    subjects: int
    fractures: int
    auc: Estimate | None
    roc: RocCurve | None
    oracle: OracleComparison | None
    attainable: OracleComparison | None
    brier: Brier | None
    calibration: Calibration | None
    decision: DecisionCurve | None
    distribution: RiskDistribution | None
    classifications: tuple[Classification, ...]
    coverage: Coverage | None


@dataclass(frozen=True, slots=True, eq=False)
class Tier:
    """Subjects of one tier: what was predicted and what came, fracture and death competing.

    `fracture`, `fracture_low`, `fracture_high` and `death` are cumulative incidences at `years`, (times,).
    """

    name: str
    subjects: int
    predicted: float
    observed: Estimate
    years: FloatArray
    fracture: FloatArray
    fracture_low: FloatArray
    fracture_high: FloatArray
    death: FloatArray
    at_risk: tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True)
class ModelEvaluation:
    """One model or comparator over all horizons."""

    name: str
    comparator: bool
    note: str
    subjects: int
    without_value: int
    imputed: int | None
    thresholds: tuple[float, ...]
    c_index: Estimate | None
    auc_over_time: AucOverTime | None
    horizons: Mapping[int, HorizonEvaluation]
    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the subjects whom both know: differences are first minus second."""

    first: str
    second: str
    years: int
    subjects: int
    fractures: int
    first_auc: Estimate
    second_auc: Estimate
    auc: Difference
    auc_p_holm: float
    power: Power
    c_index: Difference | None
    brier: Difference | None
    net_benefit: Mapping[str, Difference]
    reclassification: Reclassification | None


@dataclass(frozen=True, slots=True)
class SubgroupLevel:
    """A group of subjects; None where it holds too few fractures."""

    level: str
    subjects: int
    fractures: int
    auc: Estimate | None
    observed_to_expected: Estimate | None
    slope: Estimate | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Largest less smallest (O:E: over smallest) figure among groups.

    `by_chance` is what equal groups of these sizes would show on average, `p_equal` the P value of Cochran's
    test that the groups are equal.
    """

    estimate: Estimate
    by_chance: float
    p_equal: float


@dataclass(frozen=True, slots=True)
class Subgroups:
    """The reference model by groups of one variable."""

    variable: str
    years: int
    levels: tuple[SubgroupLevel, ...]
    auc_gap: Gap | None
    observed_to_expected_gap: Gap | None


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """The same training with other seeds: figures by seed at one horizon."""

    name: str
    years: int
    auc: tuple[float, ...]
    observed_to_expected: tuple[float, ...]
    risk_standard_deviation: float
    """Of one subject's risk over the seeds, averaged over subjects."""


@dataclass(frozen=True, slots=True)
class Recalibration:
    """The reference model fitted to this cohort's level: ``logit p' = intercept + slope · logit p``.

    `before` and `after` are measured alike; `after` on predictions of subjects whom the fit did not see
    (five-fold).
    """

    model: str
    intercepts: Mapping[int, float]
    slopes: Mapping[int, float]
    before: Mapping[int, Calibration]
    after: Mapping[int, Calibration]


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One item of TRIPOD+AI: what it asks, whether it is met here, and where or why not."""

    number: str
    section: str
    topic: str
    asks: str
    status: str
    answer: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Limit:
    """One domain of risk of bias, judged for this report (after PROBAST+AI)."""

    domain: str
    judgement: str
    why: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything the report shows."""

    schema: str
    version: str
    made_on: str
    cohort: CohortSummary
    horizons: tuple[int, ...]
    reference: str
    models: Mapping[str, ModelEvaluation]
    comparisons: tuple[Comparison, ...]
    subgroups: tuple[Subgroups, ...]
    seeds: tuple[SeedSpread, ...] = ()
    optimism: Mapping[str, Optimism] = field(default_factory=dict)
    recalibration: Recalibration | None = None
    checklist: tuple[ChecklistItem, ...] = ()
    limits: tuple[Limit, ...] = ()
