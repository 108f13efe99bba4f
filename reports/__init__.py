"""The writer: turns a StudyAnalysis into DICOM result objects.

Importing this package is cheap; highdicom and the drawing libraries load when `compose` is called.
"""

from reports.compose import compose
from reports.options import ReportOptions

__all__ = ["ReportOptions", "compose"]
