"""Stand-ins for scans, so that tests of what is done with scans need no pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.measurement.reference import ReferenceCurve, load_reference
from analysis.risk.patch import COLUMNS, ROWS
from analysis.simulation import Subject
from analysis.simulation.cohort import scanning
from analysis.simulation.cohort.imaged import bones_of_subjects
from analysis.simulation.cohort.populations import population_of
from analysis.simulation.cohort.scan import MEASURED, Scan
from analysis.simulation.cohort.scanners import Scanner, scanner_named
from analysis.simulation.cohort.scanning import ScanPlan

REFERENCE = Path(__file__).parents[1] / "conf" / "reference" / "iscd-atlas-female.csv"
WEIGHTS = np.random.default_rng(5).normal(size=(len(MEASURED), 8))
SCALE = np.array([1.2, 0.4, 0.2, 0.01, 0.03, 0.2, 12.0, 3.2])
MIDDLE = np.array([12.0, 2.8, 0.86, 0.035, 0.1, 1.85, 252.0, 23.7])


def plan(size: int, *, seed: int = 3, scanner: str = "reference", repeat_share: float = 0.0) -> ScanPlan:
    """Scans of a Chinese clinic."""
    reference: ReferenceCurve = load_reference(REFERENCE)
    return ScanPlan(
        population_of("china-clinic"), scanner_named(scanner), size, seed, reference, repeat_share
    )


def quick_scan(subject: Subject, scanner: Scanner, _: ReferenceCurve, rng: np.random.Generator) -> Scan:
    """Measurements that follow the bone, with errors that run together and grow with bone mass; one scan in a
    hundred fails."""
    if rng.random() < 0.01:
        return Scan(dict.fromkeys(MEASURED, np.nan), None, "radius_not_found")
    bone = (bones_of_subjects([subject])[0] - MIDDLE) / SCALE
    shared = rng.normal() * np.exp(0.3 * bone[4])
    values = WEIGHTS @ bone + 0.3 * bone[0] * bone[4] + 0.5 * shared + 0.5 * rng.normal(size=len(MEASURED))
    patch = np.full((ROWS, COLUMNS), np.float32(scanner.gain * rng.random()))
    return Scan(dict(zip(MEASURED, 20.0 + values, strict=True)), patch)


@pytest.fixture
def quick_scans(monkeypatch: pytest.MonkeyPatch) -> list[Subject]:
    """Replace scanning by `quick_scan`; the list holds everybody who was scanned."""
    scanned: list[Subject] = []

    def scan(subject: Subject, *others: object) -> Scan:
        scanned.append(subject)
        return quick_scan(subject, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(scanning, "scan_subject", scan)
    return scanned
