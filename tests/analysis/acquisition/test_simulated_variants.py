"""The other ways in which a simulated scan is written are read back as they were made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from analysis.acquisition import NumbersOnly, RadiusImage, clinical_context, read_study
from analysis.acquisition.integrity import integrity_findings
from analysis.errors import NotApplicable
from analysis.simulation.study import SimulatedStudy, write_study
from analysis.simulation.variants import Variant, simulate_variant

SEEDS = (4, 5)


def read_back(
    variant: Variant, seed: int, directory: Path
) -> tuple[SimulatedStudy, RadiusImage | NumbersOnly]:
    """Through files, so that every VR is what a receiver would see."""
    study = simulate_variant(variant, seed)
    datasets = [dcmread(path) for path in write_study(study, directory)]
    context, _ = clinical_context(datasets, None)
    return study, read_study(datasets, context)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("variant", ["parametric-map", "separate-map"])
def test_density_is_read_whichever_object_maps_it(variant: Variant, seed: int, tmp_path: Path) -> None:
    study, image = read_back(variant, seed, tmp_path)
    assert isinstance(image, RadiusImage)
    assert image.density
    assert image.laterality == study.truth["laterality"]
    assert image.spacing_mm == pytest.approx(study.truth["pixel_spacing_mm"], abs=1e-4)
    assert "values_outside_density_map" not in {finding.code for finding in image.findings}
    row, column = image.origin
    shape = image.pixels.shape
    inside = study.masks["radius"][row : row + shape[0], column : column + shape[1]]
    content = float(image.pixels[inside].mean()) * inside.sum() * np.prod(image.spacing_mm) / 100
    regions = study.truth["regions"]
    assert content > regions["total"]["bmc_g"]  # the regions are a part of the mask


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("variant", ["hologic-history", "lunar-comments", "lunar-old-comments", "sr-only"])
def test_the_vendors_numbers_and_history_are_read_digit_by_digit(
    variant: Variant, seed: int, tmp_path: Path
) -> None:
    study, read = read_back(variant, seed, tmp_path)
    assert read.laterality == study.truth["laterality"]
    assert read.vendor is not None
    printed = study.truth["vendor"]
    assert set(read.vendor.regions) == set(printed)
    for name, region in read.vendor.regions.items():
        for quantity in ("bmd_g_cm2", "bmc_g", "area_cm2", "t_score", "z_score"):
            assert getattr(region, quantity) == printed[name][quantity]
    history = {
        (prior.day.isoformat(), prior.region): (prior.bmd_g_cm2, prior.t_score)
        for prior in read.vendor.history
    }
    assert history == {
        (row["date"], row["region"]): (row["bmd_g_cm2"], row["t_score"])
        for row in study.truth["vendor_history"]
    }
    assert integrity_findings(read.vendor) == ()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_page_without_a_rectangle_shows_where_its_scan_is(seed: int, tmp_path: Path) -> None:
    study, image = read_back("hologic-history", seed, tmp_path)
    assert isinstance(image, RadiusImage)
    row, column = image.origin
    scan = np.zeros_like(study.masks["radius"])
    scan[row : row + image.pixels.shape[0], column : column + image.pixels.shape[1]] = True
    assert not (study.masks["radius"] & ~scan).any()
    assert {"scan_rectangle_detected", "vendor_files_embedded", "embedded_bitmap_ignored"} <= {
        finding.code for finding in image.findings
    }


def test_numbers_alone_and_a_pdf_alone_are_what_they_are(tmp_path: Path) -> None:
    study, numbers = read_back("sr-only", 4, tmp_path / "sr")
    assert isinstance(numbers, NumbersOnly)
    assert numbers.study_instance_uid == study.truth["study_instance_uid"]
    with pytest.raises(NotApplicable) as declined:
        read_back("pdf", 4, tmp_path / "pdf")
    assert declined.value.code == "document_only"
