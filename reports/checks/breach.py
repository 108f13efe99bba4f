"""What a check finds, and how it is said."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.errors import AnalysisError


@dataclass(frozen=True, slots=True)
class Breach:
    """One broken rule.

    Attributes
    ----------
    must : str
        The rule, to be read after "must".
    section : str
        Where the rule is written: a section of the DICOM Standard, or what of a viewer it rests on.
    """

    must: str
    section: str

    def error(self, subject: str) -> AnalysisError:
        """Return the error for `subject`, which we made: a breach is never the study's fault."""
        return AnalysisError(
            f"{subject}: must {self.must} ({self.section}); nothing of this study was sent: report "
            "this defect with the study's analysis identity"
        )
