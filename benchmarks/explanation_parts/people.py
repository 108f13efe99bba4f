"""People of no training cohort, each scanned twice on the same day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.measurement.reference import ReferenceCurve
from analysis.results import REGIONS, BmdSource, RegionMeasurement
from analysis.risk import RiskInputs
from analysis.risk.predictors import PREDICTORS
from analysis.simulation.cohort.people import draw_people
from analysis.simulation.cohort.populations import population_of
from analysis.simulation.cohort.scan import scan_subject
from analysis.simulation.cohort.scanners import scanner_named
from analysis.simulation.cohort.subjects import draw_table

POPULATION, SCANNER = "china-clinic", "reference"
SCANS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Entered predictors, and what each scan measured.

    Attributes
    ----------
    entered : dict of str to float
        Catalogue name -> value; unknown ones are left out, as in practice.
    scans : tuple of dict of str to float
        Measured name -> value.
    patches : tuple of ndarray, (96, 80)
        The distal radius of each scan, g/cm².
    """

    entered: dict[str, float]
    scans: tuple[dict[str, float], ...]
    patches: tuple[NDArray[np.float64], ...]

    def inputs(self, scan: int = 0) -> RiskInputs:
        """What a risk model may look at."""
        measured = self.scans[scan]
        return RiskInputs(
            self.entered.get("age_years"),
            "M" if self.entered.get("male") else "F",
            self.regions(scan),
            _group(measured, "morphometry"),
            _group(measured, "texture"),
            predictors={k: v for k, v in self.entered.items() if k not in ("age_years", "male")},
        )

    def regions(self, scan: int = 0) -> dict[str, RegionMeasurement]:
        """Densitometry by region."""
        measured = self.scans[scan]
        return {
            region: RegionMeasurement(
                bmd_g_cm2=measured.get(f"{region}.bmd_g_cm2"),
                bmd_source=BmdSource.PIXELS,
                t_score=measured.get(f"{region}.t_score"),
            )
            for region in REGIONS
        }


def draw(count: int, seed: int, reference: ReferenceCurve) -> list[Person]:
    """Draw people whose every scan shows the distal radius; others are passed over."""
    population, scanner = population_of(POPULATION), scanner_named(SCANNER)
    subjects = draw_people(population, seed, 0, count).subjects
    table = draw_table(population, seed, 0, count, {})
    people = []
    for index, subject in enumerate(subjects):
        scans = [
            scan_subject(subject, scanner, reference, np.random.default_rng([seed, index, visit]))
            for visit in range(SCANS)
        ]
        if any(scan.patch is None for scan in scans):
            continue
        row = table.iloc[index]
        people.append(
            Person(
                {name: float(row[name]) for name in PREDICTORS if name in row and np.isfinite(row[name])},
                tuple({k: float(v) for k, v in s.values.items() if np.isfinite(v)} for s in scans),
                tuple(np.asarray(s.patch, np.float64) for s in scans),
            )
        )
    return people


def _group(measured: dict[str, float], group: str) -> dict[str, float | None]:
    return {k.partition(".")[2]: v for k, v in measured.items() if k.startswith(f"{group}.")}
