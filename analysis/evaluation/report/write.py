"""Write an evaluation as HTML, PDF and JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analysis.evaluation.report.compose import compose
from analysis.evaluation.report.html import as_html
from analysis.evaluation.report.pdf import as_pdf
from analysis.evaluation.results import Evaluation
from analysis.evaluation.serialise import to_json


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """Where the report lies."""

    html: Path
    pdf: Path
    json: Path


def write_report(evaluation: Evaluation, directory: Path) -> ReportFiles:
    """Write ``evaluation.html``, ``evaluation.pdf`` and ``evaluation.json`` into `directory`, making it.

    Raises
    ------
    ConfigurationError
        If reportlab is not installed.
    """
    document = compose(evaluation)
    pdf, pages = as_pdf(document)
    files = ReportFiles(*(directory / f"evaluation.{ending}" for ending in ("html", "pdf", "json")))
    directory.mkdir(parents=True, exist_ok=True)
    files.pdf.write_bytes(pdf)
    files.html.write_text(as_html(document, pages), encoding="utf-8")
    files.json.write_text(to_json(evaluation), encoding="utf-8")
    return files
