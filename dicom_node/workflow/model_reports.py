"""What lies beside a risk model: its card, and its evaluation report with its figures.

A version's evaluation report (``dicom-node evaluate``) is looked for in ``reports/NAME-VERSION`` of the
directory of models, or where the version's entry says (``"report"``).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from analysis.risk.versions import Version
from dicom_node.errors import OperationRefusedError

__all__ = [
    "EvaluationReport",
    "Figure",
    "card_path",
    "evaluation_report",
    "file_inside",
    "find_figure",
    "model_card",
    "report_figures",
]

REPORT_STEM = "evaluation"
"""As `analysis.evaluation.report.write_report` names its files."""


@dataclass(frozen=True)
class EvaluationReport:
    """The files of a report by ``dicom-node evaluate``; None where one is absent."""

    html: Path
    pdf: Path | None
    json: Path | None


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a report."""

    number: int
    caption: str
    alternative: str
    media_type: str
    content: bytes


def evaluation_report(directory: Path, version: Version) -> EvaluationReport | None:
    """Return where a version's evaluation report lies; None if it has none."""
    named = str(version.entry.get("report") or f"reports/{version.name}-{version.version}")
    folder = file_inside(directory, named)
    if folder is None or not (folder / f"{REPORT_STEM}.html").is_file():
        return None
    pdf, figures = (folder / f"{REPORT_STEM}.{ending}" for ending in ("pdf", "json"))
    return EvaluationReport(
        folder / f"{REPORT_STEM}.html",
        pdf if pdf.is_file() else None,
        figures if figures.is_file() else None,
    )


def report_figures(report: EvaluationReport) -> list[Figure]:
    """Return the figures of a report in their order."""
    reader = _FigureReader()
    reader.feed(report.html.read_text(encoding="utf-8"))
    return reader.figures


def find_figure(report: EvaluationReport, number: int) -> Figure:
    """Return one figure of a report.

    Raises
    ------
    OperationRefusedError
        If the report has fewer.
    """
    found = next((figure for figure in report_figures(report) if figure.number == number), None)
    if found is None:
        raise OperationRefusedError(f"the evaluation report has no figure {number}; open the model's page")
    return found


def model_card(directory: Path, version: Version) -> str:
    """Return a version's model card, Markdown; empty if it has none."""
    path = card_path(directory, version)
    return path.read_text(encoding="utf-8") if path else ""


def card_path(directory: Path, version: Version) -> Path | None:
    """Return where a version's model card lies; None if it has none."""
    path = file_inside(directory, str(version.entry.get("card") or ""))
    return path if path is not None and path.is_file() else None


def file_inside(directory: Path, named: str) -> Path | None:
    """The path that an entry names; None if it names none, or one outside of the directory."""
    path = (directory / named).resolve()
    return path if named and path.is_relative_to(directory.resolve()) else None


class _FigureReader(HTMLParser):
    """Takes figures, which are data addresses, out of a report's one HTML file."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.figures: list[Figure] = []
        self._image: Mapping[str, str | None] | None = None
        self._caption: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self._image = dict(attrs)
        elif tag == "figcaption":
            self._caption = []

    def handle_data(self, data: str) -> None:
        if self._caption is not None:
            self._caption.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag != "figure" or self._image is None:
            return
        head, _, encoded = str(self._image.get("src") or "").partition(";base64,")
        media_type = head.removeprefix("data:")
        caption = " ".join("".join(self._caption or []).split()).partition(". ")[2]
        try:
            content = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            content = b""
        if content and media_type in ("image/svg+xml", "image/png"):
            self.figures.append(
                Figure(len(self.figures) + 1, caption, str(self._image.get("alt") or ""), media_type, content)
            )
        self._image = self._caption = None
