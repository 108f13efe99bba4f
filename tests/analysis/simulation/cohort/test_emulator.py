"""Measurements without pictures are spread like measurements of pictures."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cohort_support import plan, quick_scan

from analysis.cohort.table import load_cohort
from analysis.errors import ConfigurationError
from analysis.simulation.cohort import scanning
from analysis.simulation.cohort.emulator import Emulator, fit_emulator, load_emulator, save_emulator
from analysis.simulation.cohort.fidelity import emulator_fidelity
from analysis.simulation.cohort.generate import CohortPlan, simulate_cohort
from analysis.simulation.cohort.imaged import imaged
from analysis.simulation.cohort.populations import population_of
from analysis.simulation.cohort.scan import MEASURED
from analysis.simulation.cohort.scanning import scan_cohort

pytest.importorskip("pandas")
SIZE = 1536


def silent(stage: str, done: int, total: int) -> None:
    """No progress display."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("imaged")
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(scanning, "scan_subject", quick_scan)
        scan_cohort(directory, plan(SIZE, repeat_share=0.3), pool, silent)
    return directory


@pytest.fixture(scope="module")
def emulator(pictures: Path) -> Emulator:
    return fit_emulator(pictures, chunks=(0, 1, 2, 3))


def test_means_spreads_and_correlations_are_those_of_pictures(pictures: Path, emulator: Emulator) -> None:
    bones, values, years, *_ = imaged(pictures, (4, 5))
    index = (years == 0) & np.isfinite(values).all(axis=1)
    drawn = np.concatenate([emulator.draw(bones[index], np.random.default_rng(seed)) for seed in range(4)])
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    held_out, sd = values[index], values[index].std(axis=0)
    derived = [name.startswith(("morphometry.cortical", "morphometry.medullary")) for name in MEASURED]
    free = ~np.array(derived)  # those are computed from the others, which these invented scans do not heed
    assert np.abs((drawn.mean(axis=0) - held_out.mean(axis=0)) / sd)[free].max() < 0.15
    assert np.abs(drawn.std(axis=0) / sd - 1)[free].max() < 0.15
    difference = np.corrcoef(drawn.T) - np.corrcoef(held_out.T)
    assert np.abs(difference[np.ix_(free, free)]).max() < 0.15


def test_errors_keep_their_correlation_and_their_growth_with_the_bone(
    pictures: Path, emulator: Emulator
) -> None:
    bones, values, years, *_ = imaged(pictures, (4, 5))
    index = (years == 0) & np.isfinite(values).all(axis=1)
    drawn = emulator.draw(bones[index], np.random.default_rng(1))
    pair = [MEASURED.index(f"texture.variogram_{name}") for name in ("slope", "robust_slope")]
    assert emulator.logarithmic[pair].all()
    errors = drawn[:, pair] - np.exp(emulator.mean(bones[index])[:, pair])
    whole = np.isfinite(errors).all(axis=1)
    assert np.corrcoef(errors[whole].T)[0, 1] == pytest.approx(0.5, abs=0.12)
    dense = bones[index][:, 4] > np.median(bones[index][:, 4])
    assert errors[whole & dense].std() > 1.1 * errors[whole & ~dense].std()


def test_failed_scans_occur_as_often_as_in_pictures(emulator: Emulator) -> None:
    drawn = emulator.draw(np.repeat(emulator.centre[None], 3000, axis=0) + 0.0, np.random.default_rng(1))
    assert np.isnan(drawn).all(axis=1).mean() <= 0.5  # donors of one bone are few
    assert 0.002 < np.isnan(emulator.residuals).all(axis=1).mean() < 0.03


def test_repeat_scans_of_a_person_share_what_is_the_persons(emulator: Emulator) -> None:
    bones = np.repeat(emulator.donors[:200, None] * emulator.scale + emulator.centre, 3, axis=1)
    drawn = emulator.draw_visits(bones, np.random.default_rng(2))
    assert drawn.shape == (200, 3, len(MEASURED))


def test_a_saved_emulator_draws_the_same_and_a_damaged_one_is_refused(
    tmp_path: Path, emulator: Emulator
) -> None:
    path = tmp_path / "emulator.json"
    save_emulator(emulator, path)
    bones = emulator.donors[:50] * emulator.scale + emulator.centre
    again = load_emulator(path).draw(bones, np.random.default_rng(3))
    assert np.array_equal(again, emulator.draw(bones, np.random.default_rng(3)), equal_nan=True)
    path.with_suffix(".npz").write_bytes(path.with_suffix(".npz").read_bytes()[:-7])
    with pytest.raises(ConfigurationError, match="damaged"):
        load_emulator(path)


def test_an_emulated_cohort_has_the_columns_of_an_imaged_one(tmp_path: Path, emulator: Emulator) -> None:
    path = tmp_path / "emulator.json"
    save_emulator(emulator, path)
    wanted = CohortPlan(plan(300, seed=11, repeat_share=0.2), emulator=path)
    for attempt in ("first", "second"):
        with ThreadPoolExecutor(1) as pool:
            simulate_cohort(tmp_path / attempt, wanted, pool, silent)
    cohort = load_cohort(tmp_path / "first")
    assert {*MEASURED, "scan_problem"} <= set(cohort.frame)
    assert cohort.manifest["measurement"] == "emulated"
    visits = cohort.visits()
    assert visits is not None and len(visits) > 60
    for name in ("subjects.parquet", "visits.parquet", "manifest.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    with pytest.raises(ConfigurationError, match="no pictures"):
        cohort.patches()


def test_an_emulator_serves_its_own_population_and_scanner_only(tmp_path: Path, emulator: Emulator) -> None:
    path = tmp_path / "emulator.json"
    save_emulator(emulator, path)
    scans = replace(plan(300), population=population_of("western-community"))
    with ThreadPoolExecutor(1) as pool, pytest.raises(ConfigurationError, match="was fitted on"):
        simulate_cohort(tmp_path / "cohort", CohortPlan(scans, emulator=path), pool, silent)


def test_too_few_pictures_are_refused(pictures: Path) -> None:
    with pytest.raises(ConfigurationError, match="needs 500"):
        fit_emulator(pictures, chunks=(0,))


@pytest.mark.slow
def test_fidelity_is_reported(pictures: Path) -> None:
    figures = emulator_fidelity(pictures, 1)
    assert figures["two_sample_auc_null"] == pytest.approx(0.5, abs=0.05)
    assert abs(figures["sd_ratio"]["median"] - 1) < 0.05
    assert set(figures["risk_auc"]) == {"pictures", "emulated"}
