"""Who made the results and how they are named: product, series and deterministic UIDs.

This module stays free of heavy imports: the receiver uses `MANUFACTURER_MODEL_NAME` to recognise our own
results when a PACS forwards them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

MANUFACTURER = "Radius DXA Node project"
"""Manufacturer (0008,0070) of every result."""

MANUFACTURER_MODEL_NAME = "Radius DXA Node"
"""Manufacturer's Model Name (0008,1090) of every result; what marks an object as ours."""

RESEARCH_STATEMENT = "AI - RESEARCH USE ONLY - NOT FOR DIAGNOSIS"
"""Printed on every picture and said first in every text."""


class ResultKind(StrEnum):
    """The result objects: those of an analysis, with the values of `reports.options.ResultName`, and those of
    a refusal."""

    SUMMARY = "summary"
    MEASUREMENTS = "measurements"
    DRIVER_MAP = "driver_map"
    DENSITY_MAP = "density_map"
    REPORT = "report"
    SEGMENTATION = "segmentation"
    PRESENTATION = "presentation"
    DOCUMENT = "document"
    KEY_OBJECTS = "key_objects"
    REFUSAL_REPORT = "refusal_report"
    REFUSAL_PAGE = "refusal_page"


@dataclass(frozen=True, slots=True)
class ResultSeries:
    """Series Number (0020,0011) and Series Description (0008,103E) of one kind of result.

    Numbers from 900 keep the source image first in viewers that sort by Series Number; viewers cut the
    description at about 20 characters, so the distinguishing word comes first.
    """

    number: int
    description: str


SERIES = {
    ResultKind.REPORT: ResultSeries(900, "Report - AI radius DXA (research)"),
    ResultKind.MEASUREMENTS: ResultSeries(901, "Measurements - AI radius DXA (research)"),
    ResultKind.DRIVER_MAP: ResultSeries(902, "Risk drivers - AI radius DXA (research)"),
    ResultKind.SUMMARY: ResultSeries(903, "Summary - AI radius DXA (research)"),
    ResultKind.DENSITY_MAP: ResultSeries(904, "Density map - AI radius DXA (research)"),
    ResultKind.SEGMENTATION: ResultSeries(905, "Segmentation - AI radius DXA (research)"),
    ResultKind.PRESENTATION: ResultSeries(906, "Outlines - AI radius DXA (research)"),
    ResultKind.DOCUMENT: ResultSeries(907, "PDF report - AI radius DXA (research)"),
    ResultKind.KEY_OBJECTS: ResultSeries(908, "Look here first - AI radius DXA (research)"),
    ResultKind.REFUSAL_REPORT: ResultSeries(909, "Not analysed: report - AI radius DXA (research)"),
    ResultKind.REFUSAL_PAGE: ResultSeries(910, "Not analysed - AI radius DXA (research)"),
}


def result_uid(identity: str, kind: str) -> str:
    """Derive a UID that is the same for the same work and different for everything else.

    Parameters
    ----------
    identity : str
        `StudyAnalysis.identity`, extended by whatever else shapes the object.
    kind : str
        What the UID names, e.g. ``"instance:heat map"``.

    Returns
    -------
    str
        ``2.25.`` followed by the first 128 bits of a SHA-256 as a decimal integer, the form of
        UUID-derived UIDs (PS3.5 B.2). At most 44 characters.
    """
    digest = hashlib.sha256(f"{identity}|{kind}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"
