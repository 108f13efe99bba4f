"""Evaluation of risk models on a cohort: discrimination, calibration, usefulness, fairness, and what they
lack.

`evaluate` measures, `analysis.evaluation.report` writes HTML and PDF, `to_json` writes every figure. Which
measures lead and which are secondary follows Van Calster et al. 2025 (Lancet Digit Health): AUROC,
calibration, net benefit and the distribution of risks must be reported; improper measures are labelled as
such.
"""

from analysis.evaluation.evaluate import Settings, evaluate
from analysis.evaluation.predictions import Predictions
from analysis.evaluation.results import Evaluation
from analysis.evaluation.serialise import to_json

__all__ = ["Evaluation", "Predictions", "Settings", "evaluate", "to_json"]
