"""Peripheral densitometers: small devices for forearm or heel, whose T-scores have no WHO categories.

ISCD: "WHO T-score criteria should not be used with peripheral devices", and peripheral DXA is not for
monitoring treatment (Position Development Conference, J Clin Densitom 2002, PubMed 12464710).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydicom.dataset import Dataset

from analysis.acquisition import header, hologic
from analysis.acquisition.declarations import object_declarations, study_declarations
from analysis.results import QualityFinding, Severity


def peripheral_finding(objects: Iterable[Dataset]) -> QualityFinding | None:
    """``peripheral_device``, with the words that say so; ``None`` if no object of the study names one."""
    for dataset in objects:
        for text in _texts(dataset):
            match = PERIPHERAL.search(text)
            if match is not None:
                return QualityFinding(
                    "peripheral_device",
                    Severity.WARNING,
                    f"The densitometer is a peripheral device ({match[0]}): WHO T-score categories do not "
                    "apply to it and changes over time are not judged (ISCD); no category, no advice by "
                    "T-score and no T-score of our own reference is given.",
                )
    return None


PERIPHERAL = re.compile(
    r"\bDTX[- ]?[12]00\b|\baccu ?DXA\w*|\bEXA[- ]?3000\b|\bPIXI\b|\bp[- ]?DE?XA\b|\bAKDX\b|\bDCS[- ]?600\w*"
    r"|\bOsteometer\b|\bperipheral (?:DE?XA|densitomet\w+)",
    re.IGNORECASE,
)
"""Devices that the literature calls peripheral or that measure the forearm alone (Osteometer DTX-100 and
DTX-200, accuDXA, EXA-3000, Lunar PIXI, Norland pDEXA, AKDX-09, Aloka DCS-600EX), and the words for them.
Assumption: a forearm-only device counts as peripheral, which withholds a category rather than gives it."""


def _texts(dataset: Dataset) -> Iterable[str]:
    yield header.text(dataset, "Manufacturer")
    yield header.text(dataset, "ManufacturerModelName")
    yield header.text(dataset, "StationName")
    for declaration in (*object_declarations(dataset), *study_declarations(dataset)):
        yield declaration.value
    analysis = hologic.read_analysis(dataset)
    if analysis is not None:
        yield analysis.fields.get("Model", "")
