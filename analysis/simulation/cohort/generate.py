"""Cohorts on disk: people with their predictors and follow-up, and what their scans measured.

Scans are kept when hazards or effects change; the table is drawn anew as a whole each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis import __version__
from analysis.cohort.columns import SCANNER
from analysis.errors import ConfigurationError
from analysis.simulation import age_subject
from analysis.simulation.cohort import store
from analysis.simulation.cohort.emulator import Emulator, load_emulator
from analysis.simulation.cohort.hazards import check_effects
from analysis.simulation.cohort.imaged import bones_of_subjects
from analysis.simulation.cohort.parameters import parameter_digest
from analysis.simulation.cohort.people import chunk_sizes
from analysis.simulation.cohort.scanning import (
    REPEAT_YEARS,
    SCHEMA,
    Progress,
    ScanPlan,
    earlier_visits,
    results,
    scan_cohort,
)
from analysis.simulation.cohort.subjects import draw_table

if TYPE_CHECKING:
    import pandas as pd

JOINING = "subjects with predictors and follow-up"
STREAM = 2001
"""Last part of the seed's key for what an emulator draws."""


@dataclass(frozen=True, slots=True)
class CohortPlan:
    """A cohort to simulate.

    Attributes
    ----------
    scans : ScanPlan
        Population, scanner, size, seed, repeat scans.
    effects : mapping of family to multiplier
        See `analysis.simulation.cohort.hazards.hazards_of`.
    missing : bool
        Leave values out as in practice.
    emulator : Path or None
        File of a fitted emulator that gives the measurements; None takes pictures.
    shared_scans : Path or None
        Directory of another cohort with the same people and scanner, whose scans are used.
    """

    scans: ScanPlan
    effects: Mapping[str, float] = field(default_factory=dict)
    missing: bool = True
    emulator: Path | None = None
    shared_scans: Path | None = None


def simulate_cohort(
    directory: Path, plan: CohortPlan, executor: Executor, progress: Progress
) -> dict[str, Any]:
    """Simulate a cohort and write it.

    Parameters
    ----------
    directory : Path
        Gets ``subjects.parquet``, ``visits.parquet`` where there are repeat scans, ``manifest.json``, and
        with pictures ``scans/`` and ``patches/``.
    plan : CohortPlan
    executor : concurrent.futures.Executor
        Processes of this machine or of a Dask cluster; the result does not depend on it.
    progress : callable
        See `analysis.simulation.cohort.scanning.Progress`.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    ConfigurationError
        If `directory` holds another cohort, or the emulator or the shared scans do not fit the plan.
    """
    check_effects(plan.effects)
    manifest = _manifest(directory, plan)
    path = directory / store.MANIFEST
    if path.exists():
        kept = {name: manifest[name] for name in ("population", "scanner", "seed", "measurement")}
        store.claim(path, kept, "a cohort")
    if plan.emulator is None:
        scans = plan.shared_scans or directory
        if plan.shared_scans is None:
            scan_cohort(directory, plan.scans, executor, progress)
        else:
            _require_scans(plan.scans, plan.shared_scans)
    path.unlink(missing_ok=True)  # without a manifest there is no cohort: it is written last
    tables = _tables(plan, executor, progress)
    subjects = _joined([table for table, _ in tables])
    visits = _joined([visit for _, visit in tables])
    if plan.emulator is None:
        subjects, visits = _with_scans(subjects, scans, plan.scans.size)
    store.write_parquet(directory / store.SUBJECTS, subjects)
    (directory / store.VISITS).unlink(missing_ok=True)
    if len(visits):
        store.write_parquet(directory / store.VISITS, visits)
    store.write_json(path, manifest)
    return manifest


def _manifest(directory: Path, plan: CohortPlan) -> dict[str, Any]:
    import os

    scans = plan.scans
    manifest = {
        "schema": SCHEMA,
        "kind": "simulated cohort; research use only",
        "population": scans.population.name,
        "scanner": scans.scanner.name,
        "seed": scans.seed,
        "size": scans.size,
        "repeat_share": scans.repeat_share,
        "effects": dict(plan.effects),
        "missing": plan.missing,
        "measurement": "images" if plan.emulator is None else "emulated",
        "reference": scans.reference.identity.name,
        "parameters_sha256": parameter_digest(),
        "version": __version__,
    }
    if plan.emulator is not None:
        manifest["emulator_sha256"] = _fitting_emulator(plan)
    elif plan.shared_scans is not None:
        manifest["scans"] = os.path.relpath(plan.shared_scans.resolve(), directory.resolve())
    return manifest


def _fitting_emulator(plan: CohortPlan) -> str:
    """Digest of the emulator, if it was learnt from this population and scanner."""
    assert plan.emulator is not None  # noqa: S101
    emulator = _emulator(plan.emulator)
    there = emulator.source["population"], emulator.source["scanner"]["name"]
    here = plan.scans.population.name, plan.scans.scanner.name
    if there != here:
        raise ConfigurationError(
            f"the emulator {plan.emulator} was fitted on the population {there[0]} by the scanner "
            f"{there[1]}, not {here[0]} by {here[1]}; image a cohort of these and fit an emulator on it."
        )
    return store.sha256(plan.emulator.read_bytes())


def _require_scans(plan: ScanPlan, directory: Path) -> None:
    store.claim(directory / store.SCANS / store.MANIFEST, plan.described(), "scans", present=True)
    for chunk, size in enumerate(chunk_sizes(plan.size)):
        if not plan.is_scanned(directory, chunk, size):
            raise ConfigurationError(
                f"{directory} holds fewer than {plan.size} scanned subjects; let the run that makes them "
                "end, or ask for a smaller size."
            )


def _tables(
    plan: CohortPlan, executor: Executor, progress: Progress
) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Table and emulated visits of every chunk, in order."""
    sizes = chunk_sizes(plan.scans.size)
    tables: dict[int, tuple[pd.DataFrame, pd.DataFrame]] = {}
    done = 0
    calls = {chunk: (_draw_chunk, plan, chunk) for chunk in range(len(sizes))}
    for chunk, table, visits in results(executor, calls):
        tables[chunk] = table, visits
        done += sizes[chunk]
        progress(JOINING, done, plan.scans.size)
    return [tables[chunk] for chunk in sorted(tables)]


def _draw_chunk(plan: CohortPlan, chunk: int) -> tuple[int, pd.DataFrame, pd.DataFrame]:
    """Predictors, follow-up and oracle of a chunk; with an emulator the measurements and visits too."""
    import pandas as pd

    scans = plan.scans
    size = chunk_sizes(scans.size)[chunk]
    table = draw_table(scans.population, scans.seed, chunk, size, plan.effects, missing=plan.missing)
    table.insert(1, SCANNER, scans.scanner.name)
    if plan.emulator is None:
        return chunk, table, pd.DataFrame()
    measured, visits = _emulated(_emulator(plan.emulator), scans, chunk)
    return chunk, pd.concat([table, measured], axis=1), visits


def _emulated(emulator: Emulator, plan: ScanPlan, chunk: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Index scans of a chunk, and the earlier scans of those who have some."""
    import pandas as pd

    rng = np.random.default_rng(np.random.SeedSequence(plan.seed, spawn_key=(chunk, STREAM)))
    people = plan.people(chunk)
    values = emulator.draw(bones_of_subjects(people.subjects), rng)
    earlier = {k: years for k in range(len(people.ids)) if (years := earlier_visits(plan, chunk, k))}
    visits = pd.DataFrame()
    if earlier:
        who, names = list(earlier), list(emulator.names)
        ages = [[0.0, *earlier[k]] for k in who]
        bones = [
            bones_of_subjects([age_subject(people.subjects[k], t) for t in at])
            for k, at in zip(who, ages, strict=True)
        ]
        every = emulator.draw_visits(np.stack(bones), rng)
        values[who] = every[:, 0]
        visits = pd.DataFrame(every[:, 1:].reshape(-1, len(names)), columns=names)
        repeated = [store.subject_id(people.ids[k]) for k in who for _ in REPEAT_YEARS]
        visits.insert(0, "subject_id", repeated)
        visits.insert(1, store.VISIT_YEARS, [t for k in who for t in earlier[k]])
    measured = pd.DataFrame(values, columns=list(emulator.names))
    measured[store.SCAN_PROBLEM] = np.where(np.isnan(values).all(axis=1), "not_measured", "")
    return measured, visits


def _with_scans(subjects: pd.DataFrame, directory: Path, size: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Subjects with the measurements of their index scan, and the earlier scans."""
    scans = store.read_chunks(directory, range(len(chunk_sizes(size))))
    scans = scans[scans["subject_id"].isin(set(subjects["subject_id"]))]
    is_index = scans[store.VISIT_YEARS] == 0
    index = scans[is_index].drop(columns=[store.VISIT_YEARS])
    joined = subjects.merge(index, on="subject_id", how="left", validate="one_to_one")
    return joined, scans[~is_index].sort_values(["subject_id", store.VISIT_YEARS]).reset_index(drop=True)


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    held = [frame for frame in frames if len(frame)]
    return pd.concat(held, ignore_index=True) if held else pd.DataFrame()


@lru_cache(maxsize=2)
def _emulator(path: Path) -> Emulator:
    return load_emulator(path)
