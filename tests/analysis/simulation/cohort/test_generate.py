"""Cohorts on disk: the same bytes however they were made, nothing mixed, nothing lost."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from cohort_support import plan, quick_scans

from analysis.cohort.columns import OSTEOPOROSIS, TRUE_RISK, YEARS
from analysis.cohort.table import load_cohort
from analysis.errors import ConfigurationError
from analysis.risk.predictors import PREDICTORS
from analysis.simulation import Subject
from analysis.simulation.cohort import scanning
from analysis.simulation.cohort.generate import CohortPlan, simulate_cohort
from analysis.simulation.cohort.scan import MEASURED, Scan, simulated_image
from analysis.simulation.cohort.scanning import scan_cohort
from analysis.simulation.cohort.studies import write_studies

__all__ = ["quick_scans"]

pytest.importorskip("pandas")
SIZE = 300  # two chunks: 256 and 44


def silent(stage: str, done: int, total: int) -> None:
    """No progress display."""


def made(directory: Path, wanted: CohortPlan, executor: Executor | None = None) -> Path:
    with executor or ThreadPoolExecutor(1) as pool:
        simulate_cohort(directory, wanted, pool, silent)
    return directory


def content(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def test_a_table_holds_every_predictor_measurement_and_the_oracle(
    tmp_path: Path, quick_scans: list[Subject]
) -> None:
    cohort = load_cohort(made(tmp_path, CohortPlan(plan(SIZE, repeat_share=0.2))))
    assert len(cohort) == SIZE
    columns = set(cohort.frame)
    assert {*PREDICTORS, *MEASURED, *TRUE_RISK.values(), YEARS, OSTEOPOROSIS, "scanner"} <= columns
    assert cohort.ids[:2] == ["S0000000", "S0000001"]
    assert cohort.manifest["kind"] == "simulated cohort; research use only"
    visits = cohort.visits()
    assert visits is not None
    assert set(visits["visit_years"].round()) <= {-5.0, -4.0, -3.0, -2.0, -1.0}
    assert 0.1 < len(visits) / 2 / SIZE < 0.3
    older = visits.merge(cohort.frame[["subject_id"]], on="subject_id")
    assert len(older) == len(visits) == len(quick_scans) - SIZE


def test_a_scan_that_failed_stays_with_its_reason(tmp_path: Path, quick_scans: list[Subject]) -> None:
    cohort = load_cohort(made(tmp_path, CohortPlan(plan(SIZE))))
    failed = cohort.frame["scan_problem"] == "radius_not_found"
    assert 0 < failed.sum() < 20
    assert cohort.frame.loc[failed, list(MEASURED)].isna().all().all()
    assert cohort.frame.loc[~failed, list(MEASURED)].notna().all().all()
    patches = cohort.patches()
    assert patches.shape == (SIZE, 96, 80)
    assert (np.isnan(patches[:, 0, 0]) == failed.to_numpy()).all()


def test_a_run_that_was_stopped_goes_on_and_gives_the_same_bytes(
    tmp_path: Path, quick_scans: list[Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = made(tmp_path / "whole", CohortPlan(plan(SIZE, repeat_share=0.1)))
    count, scan = len(quick_scans), scanning.scan_subject

    def stops(*arguments: object) -> object:
        if len(quick_scans) >= count + 340:  # within the second chunk
            raise KeyboardInterrupt
        return scan(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(scanning, "scan_subject", stops)
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "resumed", CohortPlan(plan(SIZE, repeat_share=0.1)))
    assert not (tmp_path / "resumed" / "manifest.json").exists()
    monkeypatch.setattr(scanning, "scan_subject", scan)
    before = len(quick_scans)
    made(tmp_path / "resumed", CohortPlan(plan(SIZE, repeat_share=0.1)))
    assert len(quick_scans) - before < count  # the first chunk was not scanned again
    assert content(tmp_path / "resumed") == content(whole)


def test_one_process_and_two_give_the_same_bytes(tmp_path: Path, quick_scans: list[Subject]) -> None:
    wanted = CohortPlan(plan(SIZE))
    two = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork"))
    assert content(made(tmp_path / "one", wanted)) == content(made(tmp_path / "two", wanted, two))


def test_a_larger_cohort_begins_with_the_smaller_one(tmp_path: Path, quick_scans: list[Subject]) -> None:
    made(tmp_path, CohortPlan(plan(20)))
    small = load_cohort(tmp_path).frame
    made(tmp_path, CohortPlan(plan(SIZE)))
    large = load_cohort(tmp_path).frame
    assert small.equals(large.head(20))


def test_other_effects_use_the_scans_that_are_there(tmp_path: Path, quick_scans: list[Subject]) -> None:
    first = load_cohort(made(tmp_path / "first", CohortPlan(plan(SIZE))))
    count = len(quick_scans)
    wanted = CohortPlan(plan(200), effects={"texture": 0.0}, shared_scans=tmp_path / "first")
    second = load_cohort(made(tmp_path / "second", wanted))
    assert len(quick_scans) == count
    assert second.manifest["effects"] == {"texture": 0.0}
    names = list(MEASURED)
    assert second.frame[names].equals(first.frame[names].head(200))
    assert not np.array_equal(second.true_risk(10), first.take(np.arange(200)).true_risk(10))
    assert second.patches().shape == (200, 96, 80)


@pytest.mark.parametrize("other", [{"seed": 4}, {"scanner": "external"}, {"repeat_share": 0.5}])
def test_scans_of_another_kind_are_not_mixed_in(
    tmp_path: Path, quick_scans: list[Subject], other: dict[str, object]
) -> None:
    made(tmp_path, CohortPlan(plan(5)))
    with pytest.raises(ConfigurationError, match="another"):
        made(tmp_path, CohortPlan(plan(5, **other)))  # type: ignore[arg-type]


def test_scans_of_people_that_have_changed_since_are_refused(
    tmp_path: Path, quick_scans: list[Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadPoolExecutor(1) as pool:
        scan_cohort(tmp_path, plan(5), pool, silent)
        monkeypatch.setattr(
            scanning.ScanPlan, "described", lambda self: {"schema": "1"}
        )  # as if only the later chunks had changed
        monkeypatch.setattr(scanning, "people_digest", lambda people: "other people")
        with pytest.raises(ConfigurationError, match="people have changed"):
            scan_cohort(tmp_path, plan(5), pool, silent)


def test_scans_of_another_version_of_the_engine_are_not_mixed_in(
    tmp_path: Path, quick_scans: list[Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, CohortPlan(plan(5)))
    scan = scanning.scan_subject

    def other_engine(*arguments: object) -> Scan:
        one = scan(*arguments)  # type: ignore[arg-type]
        return replace(one, values={**one.values, "texture.variogram_sill": 1.0})

    monkeypatch.setattr(scanning, "scan_subject", other_engine)
    made(tmp_path, CohortPlan(plan(5), effects={"texture": 0.0}))  # nothing to scan: the table alone is new
    with pytest.raises(ConfigurationError, match=r"variogram_sill .* phantom or engine have changed"):
        made(tmp_path, CohortPlan(plan(SIZE)))


def test_too_few_shared_scans_are_refused(tmp_path: Path, quick_scans: list[Subject]) -> None:
    made(tmp_path / "few", CohortPlan(plan(5)))
    with pytest.raises(ConfigurationError, match="fewer than 6"):
        made(tmp_path / "more", CohortPlan(plan(6), shared_scans=tmp_path / "few"))


def test_dicom_studies_show_the_pictures_that_were_measured(tmp_path: Path) -> None:
    wanted = plan(2, scanner="external")
    folders = write_studies(tmp_path, wanted, 1)
    assert [folder.name for folder in folders] == ["S0000000"]
    written = pydicom.dcmread(folders[0] / "image.dcm")
    assert written.PatientID == "S0000000"
    picture = simulated_image(wanted.people(0).subjects[0], wanted.scanner, wanted.stream(0, 0, 0))
    mapping = written.RealWorldValueMappingSequence[0]
    density = written.pixel_array * mapping.RealWorldValueSlope + mapping.RealWorldValueIntercept
    assert np.abs(density - picture.pixels).max() < 2 * mapping.RealWorldValueSlope


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_bytes(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    wanted = CohortPlan(plan(4, repeat_share=0.5))
    here = made(tmp_path / "here", wanted)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        there = made(tmp_path / "there", wanted, client.get_executor())
    assert content(here) == content(there)
