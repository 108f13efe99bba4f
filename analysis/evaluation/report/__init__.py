"""The report of an evaluation: one document, drawn once, written as HTML and as PDF.

`compose` says what is in it and in which order; `html` and `pdf` write it. It is a research report, no DICOM
result; what a study's own report looks like is the affair of the top-level package ``reports``.
"""

from analysis.evaluation.report.write import ReportFiles, write_report

__all__ = ["ReportFiles", "write_report"]
