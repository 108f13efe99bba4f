"""Simulated studies of every flavour are read back as they were made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from analysis.acquisition import RadiusImage, clinical_context, read_study
from analysis.acquisition.integrity import integrity_findings
from analysis.results import Calibration
from analysis.simulation.study import Flavour, SimulatedStudy, simulate_study, write_study

SEEDS = (11, 12)


def read_back(flavour: Flavour, seed: int, directory: Path) -> tuple[SimulatedStudy, RadiusImage]:
    """Through files, so that every VR is what a receiver would see."""
    study = simulate_study(flavour, seed)
    datasets = [dcmread(path) for path in write_study(study, directory)]
    context, _ = clinical_context(datasets, None)
    return study, read_study(datasets, context)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("flavour", ["calibrated", "hologic", "lunar"])
def test_side_spacing_and_scan_are_as_simulated(flavour: Flavour, seed: int, tmp_path: Path) -> None:
    study, image = read_back(flavour, seed, tmp_path)
    truth = study.truth
    assert image.laterality is not None
    assert image.laterality.value == truth["laterality"]
    # Exposed Area is whole millimetres: half a millimetre on the shorter side of a Lunar image
    assert image.spacing_mm == pytest.approx(truth["pixel_spacing_mm"], rel=0.01)
    assert (image.source.rows, image.source.columns) == (truth["rows"], truth["columns"])
    row, column = image.origin
    scan = np.zeros_like(study.masks["radius"])
    scan[row : row + image.pixels.shape[0], column : column + image.pixels.shape[1]] = True
    assert not (study.masks["radius"] & ~scan).any()
    bone = image.pixels[study.masks["radius"][scan].reshape(image.pixels.shape)]
    assert bone.mean() > 1.5 * image.pixels.mean()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("flavour", ["hologic", "lunar"])
def test_the_vendors_numbers_are_read_digit_by_digit(flavour: Flavour, seed: int, tmp_path: Path) -> None:
    study, image = read_back(flavour, seed, tmp_path)
    assert image.calibration is Calibration.VENDOR_TABLE
    assert image.vendor is not None
    printed = study.truth["vendor"]
    assert set(image.vendor.regions) == set(printed)
    for name, region in image.vendor.regions.items():
        for quantity in ("bmd_g_cm2", "bmc_g", "area_cm2", "t_score", "z_score"):
            assert getattr(region, quantity) == printed[name][quantity]
    assert integrity_findings(image.vendor) == ()


def test_a_forearm_length_is_estimated_near_the_true_one(tmp_path: Path) -> None:
    study, image = read_back("calibrated", SEEDS[0], tmp_path)
    assert image.forearm_length_mm == pytest.approx(study.truth["forearm_length_mm"], abs=25)
    assert "forearm_length_estimated" in {finding.code for finding in image.findings}
