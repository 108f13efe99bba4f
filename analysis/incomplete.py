"""Says in an analysis that part of its study had not arrived: a reader must know what was not looked at."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from analysis.results import QualityFinding, Severity, StudyAnalysis

__all__ = ["of_incomplete_study"]


def of_incomplete_study(analysis: StudyAnalysis) -> StudyAnalysis:
    """Return the analysis with a finding that more of its study was expected.

    Its identity is another one than that of the same objects known to be all there: the results differ.
    """
    finding = QualityFinding(
        "study_incomplete",
        Severity.WARNING,
        "Part of this study had not arrived when it was analysed. A new report follows if it comes.",
    )
    identity = hashlib.sha256(f"incomplete {analysis.identity}".encode()).hexdigest()
    return replace(analysis, identity=identity, quality=(*analysis.quality, finding))
