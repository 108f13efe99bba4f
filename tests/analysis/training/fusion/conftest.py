"""A small made-up cohort whose risk lies in a predictor, in age, and in how coarse the picture is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.cohort.table import CohortTable, load_cohort
from analysis.risk.patch import COLUMNS, ROWS, encoded

SUBJECTS = 240


def write_cohort(directory: Path, size: int = SUBJECTS, seed: int = 1) -> Path:
    """Write a cohort directory as ``simulate-cohort`` does."""
    rng = np.random.default_rng(seed)
    age, bone, coarse = rng.uniform(50, 85, size), rng.standard_normal(size), rng.standard_normal(size)
    hazard = 0.05 * np.exp(0.9 * (age - 67) / 10 - 0.9 * bone + 0.3 * coarse)
    fracture, death = rng.exponential(1 / hazard), rng.exponential(1 / 0.02, size)
    limit = rng.uniform(3, 12, size)
    times = np.stack([limit, fracture, death])
    frame = pd.DataFrame(
        {
            "subject_id": [f"S{number:07d}" for number in range(size)],
            "years": times.min(axis=0),
            "ending": times.argmin(axis=0),
            "osteoporosis": (bone + 0.5 * rng.standard_normal(size) < -0.8).astype(float),
            "age_years": age,
            "male": rng.integers(0, 2, size).astype(float),
            "one_third.bmd_g_cm2": 0.65 + 0.05 * bone,
            "one_third.t_score": bone - 1,
            "turnover.ctx_ng_l": np.where(
                rng.random(size) < 0.4, np.nan, np.exp(6 + 0.5 * rng.standard_normal(size))
            ),
            "truth.trabecular_number_per_mm": coarse,
        }
    )
    (directory / "patches").mkdir(parents=True)
    frame.to_parquet(directory / "subjects.parquet")
    (directory / "manifest.json").write_text(json.dumps({"seed": seed}))
    noise = rng.standard_normal((size, ROWS, COLUMNS)).astype(np.float32)
    patches = 0.4 + 0.05 * noise * np.exp(0.3 * coarse)[:, None, None].astype(np.float32)
    packed = {name: encoded(patch) for name, patch in zip(frame["subject_id"], patches, strict=True)}
    del packed["S0000003"]  # a scan that could not be read
    np.savez(directory / "patches" / "00000.npz", **packed)  # type: ignore[arg-type]
    return directory


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads wait for each other longer than these small networks take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def cohort_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort") / "c")


@pytest.fixture(scope="session")
def table(cohort_directory: Path) -> CohortTable:
    return load_cohort(cohort_directory)
