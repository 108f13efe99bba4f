"""Scans of an imaged cohort beside the bones that were scanned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConfigurationError
from analysis.simulation import Subject, age_subject
from analysis.simulation.cohort import store
from analysis.simulation.cohort.people import CHUNK, draw_people
from analysis.simulation.cohort.populations import population_of
from analysis.simulation.cohort.scanning import people_digest

FloatArray = NDArray[np.float64]

BONE = (
    "shaft_diameter_mm",
    "shaft_cortical_thickness_mm",
    "distal_cortical_thickness_mm",
    "cortical_porosity",
    "bone_volume_fraction",
    "trabecular_number_per_mm",
    "forearm_length_mm",
    "bmi_kg_m2",
)
"""What a picture depends on beyond chance: bone, the forearm's length, soft tissue by body mass index."""


def imaged(
    directory: Path, chunks: Sequence[int] | None = None
) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.int64], tuple[str, ...], dict[str, Any]]:
    """Bones and measurements of every scan.

    Returns
    -------
    bones : ndarray, (n, bone)
    values : ndarray, (n, names)
    years : ndarray, (n,)
        Of the visit, 0 for an index scan.
    owner : ndarray of int, (n,)
        Position of the subject in the cohort.
    names : tuple of str
    source : dict
        Manifest of the scans.
    """
    source = store.read_json(directory / store.SCANS / store.MANIFEST)
    population, seed = population_of(source["population"]), int(source["seed"])
    names = tuple(source["measured"])
    bones, values, years, owner = [], [], [], []
    for chunk in store.written_chunks(directory) if chunks is None else chunks:
        frame = store.read_chunks(directory, [chunk])
        size = int((frame[store.VISIT_YEARS] == 0).sum())
        people = draw_people(population, seed, chunk, size)
        digest = people_digest(people)
        store.chunk_is_written(directory, chunk, size, lambda _, now=digest: now)  # type: ignore[misc]
        position = {store.subject_id(p): k for k, p in enumerate(people.ids)}
        who = [position[name] for name in frame["subject_id"]]
        at = frame[store.VISIT_YEARS].to_numpy(np.float64)
        scanned = [age_subject(people.subjects[k], float(t)) for k, t in zip(who, at, strict=True)]
        bones.append(bones_of_subjects(scanned))
        values.append(frame[list(names)].to_numpy(np.float64))
        years.append(at)
        owner.append(np.array(who) + chunk * CHUNK)
    if not bones:
        raise ConfigurationError(f"{directory} holds no scans yet; simulate a cohort with pictures first.")
    return (*map(np.concatenate, (bones, values, years, owner)), names, source)  # type: ignore[return-value]


def bones_of_subjects(subjects: Sequence[Subject]) -> FloatArray:
    """What measurements depend on, columns as `BONE`."""
    return np.array(
        [
            (
                *asdict(subject.bone).values(),
                subject.forearm_length_mm,
                subject.weight_kg / (subject.height_mm / 1000) ** 2,
            )
            for subject in subjects
        ],
        dtype=np.float64,
    )
