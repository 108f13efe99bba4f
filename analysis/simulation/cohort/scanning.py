"""Scans of a cohort, chunk by chunk: they depend on people, scanner and seed alone.

A run that was killed goes on where it stopped, and the result is the same, byte by byte, however the work was
divided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from analysis.errors import ConfigurationError
from analysis.measurement.reference import ReferenceCurve
from analysis.simulation import Subject, age_subject
from analysis.simulation.cohort import store
from analysis.simulation.cohort.people import CHUNK, People, chunk_sizes, draw_people
from analysis.simulation.cohort.populations import Population
from analysis.simulation.cohort.scan import MEASURED, Scan, scan_subject
from analysis.simulation.cohort.scanners import Scanner

SCHEMA = "1"
SCANNING = "subjects scanned and measured"
REPEAT_YEARS = (-4.0, -2.0)
"""When the earlier scans of a subject with repeat scans were taken; give or take `REPEAT_SPREAD_YEARS`."""
REPEAT_SPREAD_YEARS = 0.5
"""Half width of a uniform spread: assumption."""

SAME = 1e-6
"""Relative difference up to which two machines measure the same."""

Progress = Callable[[str, int, int], None]
"""Called with what is done, how many subjects are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """Everything that a cohort's scans depend on.

    Attributes
    ----------
    population : Population
    scanner : Scanner
    size, seed : int
    reference : ReferenceCurve
        For T-scores.
    repeat_share : float
        Share of subjects with two earlier scans.
    """

    population: Population
    scanner: Scanner
    size: int
    seed: int
    reference: ReferenceCurve = field(repr=False)
    repeat_share: float = 0.0

    def people(self, chunk: int) -> People:
        """The people of one chunk."""
        return draw_people(self.population, self.seed, chunk, chunk_sizes(self.size)[chunk])

    def stream(self, *key: int) -> np.random.Generator:
        """Random numbers of one subject (chunk, index), or of one of the subject's scans (and visit)."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def is_scanned(self, directory: Path, chunk: int, size: int) -> bool:
        """Whether the first `size` people of a chunk have their scans in `directory`; see `store`."""

        def digest(count: int) -> str:
            return people_digest(draw_people(self.population, self.seed, chunk, count))

        return store.chunk_is_written(directory, chunk, size, digest)

    def described(self) -> dict[str, Any]:
        """For the manifest of scans: what may never be mixed. A larger size only adds chunks."""
        return {
            "schema": SCHEMA,
            "population": self.population.name,
            "people_of_chunk_0": people_digest(draw_people(self.population, self.seed, 0, CHUNK)),
            "scanner": asdict(self.scanner),
            "seed": self.seed,
            "chunk": CHUNK,
            "repeat_share": self.repeat_share,
            "reference": asdict(self.reference.identity),
            "measured": list(MEASURED),
        }


def scan_cohort(directory: Path, plan: ScanPlan, executor: Executor, progress: Progress) -> None:
    """Scan every chunk that is not on disk yet.

    Parameters
    ----------
    directory : Path
        Made if absent. Holds ``scans/`` and ``patches/`` afterwards.
    plan : ScanPlan
    executor : concurrent.futures.Executor
        Where scans are made; they come back and are written here, so that workers need no common disk.
    progress : callable
        See `Progress`.

    Raises
    ------
    ConfigurationError
        If `directory` holds scans of other people, another scanner or seed, or scans that this version of
        phantom and engine would measure otherwise.
    """
    store.claim(directory / store.SCANS / store.MANIFEST, plan.described(), "scans")
    sizes = chunk_sizes(plan.size)
    missing = [chunk for chunk, size in enumerate(sizes) if not plan.is_scanned(directory, chunk, size)]
    if missing:
        _require_same_measurement(directory, plan)
    done = plan.size - sum(sizes[chunk] for chunk in missing)
    progress(SCANNING, done, plan.size)
    for scans in results(executor, {chunk: (scan_chunk, plan, chunk) for chunk in missing}):
        store.write_chunk(directory, scans)
        done += sizes[scans.chunk]
        progress(SCANNING, done, plan.size)


def scan_chunk(plan: ScanPlan, chunk: int) -> store.ScanChunk:
    """Scan one chunk of people: everybody once, and those with repeat scans at the earlier visits too."""
    people = plan.people(chunk)
    ids = [store.subject_id(position) for position in people.ids]
    rows = [(name, index, 0, 0.0) for index, name in enumerate(ids)]
    rows += [
        (name, index, number, years)
        for index, name in enumerate(ids)
        for number, years in enumerate(earlier_visits(plan, chunk, index), 1)
    ]
    scans = [
        _scan(plan, age_subject(people.subjects[index], years), (chunk, index, visit))
        for _, index, visit, years in rows
    ]
    patches = {
        name: store.packed_patch(scan.patch)
        for (name, _, visit, _), scan in zip(rows, scans, strict=True)
        if visit == 0 and scan.patch is not None
    }
    return store.ScanChunk(
        chunk=chunk,
        people=people_digest(people),
        ids=tuple(name for name, *_ in rows),
        visit_years=np.array([years for *_, years in rows]),
        measured={name: np.array([scan.values[name] for scan in scans]) for name in MEASURED},
        problems=tuple(scan.problem for scan in scans),
        patches=patches,
    )


def _require_same_measurement(directory: Path, plan: ScanPlan) -> None:
    """Scan one person again before new scans are put beside those that are there."""
    written = store.written_chunks(directory)
    if not written:
        return
    before = store.read_chunks(directory, written[:1]).iloc[0]
    person = draw_people(plan.population, plan.seed, written[0], 1).subjects[0]
    now = _scan(plan, person, (written[0], 0, 0)).values
    differing = [
        name
        for name in MEASURED
        if not np.isclose(float(before[name]), now[name], rtol=SAME, atol=0.0, equal_nan=True)
    ]
    if differing:
        raise ConfigurationError(
            f"{directory} holds scans in which {differing[0]} and {len(differing) - 1} more are other than "
            "this version measures: phantom or engine have changed since. Write to a new directory."
        )


def people_digest(people: People) -> str:
    """SHA-256 of bodies and bones, bit by bit: tells scans of people that have changed since."""
    return store.digest_of([(asdict(subject), asdict(subject.bone)) for subject in people.subjects])


def _scan(plan: ScanPlan, subject: Subject, key: tuple[int, int, int]) -> Scan:
    return scan_subject(subject, plan.scanner, plan.reference, plan.stream(*key))


def earlier_visits(plan: ScanPlan, chunk: int, index: int) -> list[float]:
    """Years before the index scan of a subject's earlier scans; none for most subjects."""
    rng = plan.stream(chunk, index)
    chosen, *spread = rng.random(1 + len(REPEAT_YEARS))
    if chosen >= plan.repeat_share:
        return []
    return [
        float(years + REPEAT_SPREAD_YEARS * (2 * part - 1))
        for years, part in zip(REPEAT_YEARS, spread, strict=True)
    ]


def results(executor: Executor, calls: Mapping[int, tuple[Any, ...]]) -> Iterator[Any]:
    """Results as they come; nothing else is begun after an error."""
    futures: set[Future[Any]] = {executor.submit(*call) for call in calls.values()}
    try:
        for future in as_completed(futures):
            futures.discard(future)
            yield future.result()
    except BaseException:
        for future in futures:
            future.cancel()
        raise
