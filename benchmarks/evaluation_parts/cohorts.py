"""The cohorts of the evaluation: one for development, two from elsewhere, and large emulated draws.

Every cohort is made by what ``dicom-node simulate-cohort`` runs; one that is on disk already is used again.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.cohort.columns import ENDING, FloatArray
from analysis.cohort.table import CohortTable, load_cohort
from analysis.measurement.reference import load_reference
from analysis.simulation.cohort.emulator import fit_emulator, save_emulator
from analysis.simulation.cohort.generate import CohortPlan, simulate_cohort
from analysis.simulation.cohort.people import CHUNK
from analysis.simulation.cohort.populations import population_of
from analysis.simulation.cohort.scanners import scanner_named
from analysis.simulation.cohort.scanning import ScanPlan
from dicom_node.config import load_analysis_config

MAIN_SEED, POPULATION_SEED, SCANNER_SEED = 20_261_127, 20_261_128, 20_261_129
TEST_SEED, LARGE_SEED = 930_101, 930_002
"""930,001 was looked at while the baseline hazard was chosen; this one was not."""
NULL_TEST_SEED, NULL_SEEDS = 940_000, tuple(range(940_001, 940_021))
COVERAGE_SEEDS = tuple(range(950_101, 950_121))
"""950,001 to 950,020 set `analysis.risk.model.WIDENING`."""
EXTERNAL_DRAW_SEEDS = {"external-population": 960_001, "external-scanner": 960_002}
REPEAT_SHARE = 0.08
TEST_SHARE = 0.2

EXTERNALS: Mapping[str, tuple[str, str, int]] = {
    "external-population": ("western-community", "reference", POPULATION_SEED),
    "external-scanner": ("china-hospital", "external", SCANNER_SEED),
}
"""Cohort -> population, scanner, seed."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many subjects each cohort has."""

    main: int = 12_856
    external: int = 2_500
    test: int = 60_000
    large: int = 300_000
    external_draw: int = 20_000


class Cohorts:
    """Cohorts of one working directory, made when they are first asked for.

    Parameters
    ----------
    directory : Path
    sizes : Sizes
    processes : int
    """

    def __init__(self, directory: Path, sizes: Sizes, processes: int) -> None:
        self.directory, self.sizes, self.processes = directory, sizes, processes
        self.minutes: dict[str, float] = {}

    def main(self) -> CohortTable:
        """The development cohort, imaged."""
        return self._imaged("main", "china-clinic", "reference", self.sizes.main, MAIN_SEED)

    def external(self, name: str) -> CohortTable:
        """One of `EXTERNALS`, imaged."""
        population, scanner, seed = EXTERNALS[name]
        return self._imaged(name, population, scanner, self.sizes.external, seed)

    def external_draw(self, name: str) -> CohortTable:
        """A large draw of one of `EXTERNALS`, for figures that 2,500 subjects cannot carry."""
        population, scanner, _ = EXTERNALS[name]
        self.external(name)
        size, seed = self.sizes.external_draw, EXTERNAL_DRAW_SEEDS[name]
        return self.emulated(f"{name}-draw", size, seed, source=name, population=population, scanner=scanner)

    def emulated(
        self,
        name: str,
        size: int,
        seed: int,
        *,
        effects: Mapping[str, float] | None = None,
        source: str = "main",
        population: str = "china-clinic",
        scanner: str = "reference",
    ) -> CohortTable:
        """A draw whose measurements come from the emulator fitted on the imaged cohort `source`."""
        if source == "main":
            self.main()
        plan = CohortPlan(
            self._scan_plan(population, scanner, size, seed, repeat_share=0.0),
            effects=dict(effects or {}),
            emulator=self._emulator(source),
        )
        return self._made(name, plan)

    def _emulator(self, source: str) -> Path:
        path = self.directory / source / "emulator.json"
        if not path.exists():
            save_emulator(fit_emulator(self.directory / source), path)
        return path

    def _imaged(self, name: str, population: str, scanner: str, size: int, seed: int) -> CohortTable:
        scans = self._scan_plan(population, scanner, size, seed, repeat_share=REPEAT_SHARE)
        return self._made(name, CohortPlan(scans))

    def _scan_plan(
        self, population: str, scanner: str, size: int, seed: int, *, repeat_share: float
    ) -> ScanPlan:
        reference = load_reference(load_analysis_config().reference)
        people = population_of(population)
        return ScanPlan(people, scanner_named(scanner), size, seed, reference, repeat_share)

    def _made(self, name: str, plan: CohortPlan) -> CohortTable:
        directory = self.directory / name
        if not (directory / "manifest.json").exists():
            began = time.perf_counter()
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(self.processes, mp_context=context) as pool:
                simulate_cohort(directory, plan, pool, lambda *_: None)
            self.minutes[name] = (time.perf_counter() - began) / 60
            print(f"{name}: {plan.scans.size} subjects in {self.minutes[name]:.1f} min", flush=True)
        return load_cohort(directory)


def development_split(table: CohortTable) -> tuple[CohortTable, CohortTable]:
    """Training and internal test part, 8:2, stratified by how follow-up ended."""
    rng = np.random.default_rng([MAIN_SEED, 1])
    in_test = np.zeros(len(table), dtype=bool)
    ending = table.frame[ENDING].to_numpy()
    for kind in np.unique(ending):
        members = rng.permutation(np.flatnonzero(ending == kind))
        in_test[members[: round(TEST_SHARE * len(members))]] = True
    return table.take(~in_test), table.take(in_test)


def oracle(table: CohortTable, years: Sequence[int]) -> FloatArray:
    """True risks, (subjects, horizons)."""
    columns: list[Any] = [table.true_risk(horizon) for horizon in years]
    return np.column_stack(columns)


__all__ = ["CHUNK", "Cohorts", "Sizes", "development_split", "oracle"]
