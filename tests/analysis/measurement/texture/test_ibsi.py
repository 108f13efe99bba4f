"""Texture agrees with the consensus of the Image Biomarker Standardisation Initiative, but where we say not.

Comparable are features measured in each slice and averaged over slices: IBSI's "2D, averaged" for the
matrices that have directions (averaged over those too, as pyradiomics does), "2D" for the others. "2D,
slice-merged" adds the directions' matrices before measuring, which neither engine does. Statistics of
intensity have no slices.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from analysis.measurement.texture import radiomic_classes, reference_engine

DATA = Path(__file__).parents[3] / "data" / "ibsi"
DOCUMENT = Path(__file__).parents[4] / "docs" / "texture.md"
PIXEL_MM = 2.0
ENGINES = {"numba": radiomic_classes, "pyradiomics": reference_engine}


def reference_rows():
    with (DATA / "digital_phantom_2d.csv").open(encoding="utf-8") as table:
        return list(csv.DictReader(table))


@pytest.fixture(scope="module", params=ENGINES)
def measured(request):
    """Mean over the four slices; intensity statistics of the whole volume, laid out as one picture."""
    values, mask = (
        sitk.GetArrayFromImage(sitk.ReadImage(DATA / f"digital_phantom{part}.nii.gz"))
        for part in ("", "_mask")
    )
    values, mask = values.astype(float), mask > 0
    measure = ENGINES[request.param].intensity_features
    slices = [measure(v, m, bin_width=1.0, pixel_mm=PIXEL_MM) for v, m in zip(values, mask, strict=True)]
    mean = {name: float(np.mean([one[name] for one in slices])) for name in slices[0]}
    volume = measure(values.reshape(16, 5), mask.reshape(16, 5), bin_width=1.0, pixel_mm=PIXEL_MM)
    return mean | {name: value for name, value in volume.items() if name.startswith("firstorder_")}


def as_printed(value):
    """Largest distance of a number that rounds to this one."""
    decimals = len(value.partition(".")[2])
    exponent = 0
    if "." not in value and len(value.lstrip("-")) > 3:
        exponent = len(value.lstrip("-")) - 3
    return 0.5 * 10.0 ** (exponent - decimals)


@pytest.mark.parametrize("row", reference_rows(), ids=lambda r: f"{r['pyradiomics_name']}-{r['ibsi_code']}")
def test_every_comparable_feature_has_the_consensus_value(measured, row):
    expected = float(row["value"])
    if row["pyradiomics_name"] == "firstorder_Kurtosis":
        expected += 3.0  # the listed deviation: not the excess over a Gaussian
    # the consensus is printed to three digits
    assert measured[row["pyradiomics_name"]] == pytest.approx(expected, abs=1.01 * as_printed(row["value"]))


def test_the_reference_covers_every_class():
    covered = {row["pyradiomics_name"] for row in reference_rows()}
    assert {name.split("_")[0] for name in covered} == {*reference_engine.GROUPS}
    classes = radiomic_classes.intensity_features(
        np.eye(4), np.ones((4, 4), bool), bin_width=0.1, pixel_mm=1.0
    )
    # nothing of IBSI's is left untested; what has no consensus value is listed below
    assert set(classes) - covered == {"firstorder_TotalEnergy", "glcm_MCC"}


@pytest.fixture(params=ENGINES)
def measure(request):
    """The 93 features of values over a region at bins of 1."""
    engine = ENGINES[request.param]

    def features(values, mask=None):
        values = np.asarray(values, float)
        region = np.ones(values.shape, bool) if mask is None else np.asarray(mask, bool)
        return engine.intensity_features(values, region, bin_width=1.0, pixel_mm=1.0)

    return features


class TestDeviationsOfPyradiomicsFromIbsi:
    """The list in docs/texture.md, one test a row; our default engine follows pyradiomics."""

    def test_kurtosis_is_not_the_excess(self, measure):
        values = np.random.default_rng(0).normal(0, 4, (200, 200))
        assert measure(values)["firstorder_Kurtosis"] == pytest.approx(3.0, abs=0.1)  # IBSI: 0

    def test_bins_start_at_a_multiple_of_the_width_and_not_at_the_minimum(self, measure):
        # half a bin apart: from the minimum on, one bin would hold both
        assert measure([[0.95, 1.45], [0.95, 1.45]])["firstorder_Entropy"] == pytest.approx(1.0)  # IBSI: 0

    def test_entropies_add_the_machine_epsilon(self, measure):
        entropy = measure(np.ones((4, 4)))["firstorder_Entropy"]
        assert entropy == pytest.approx(-np.log2(1 + np.finfo(float).eps), rel=1e-6)  # IBSI: 0
        assert entropy < 0

    def test_a_pixel_without_neighbours_counts_in_the_tone_differences(self, measure):
        values, mask = [[1, 2, 0, 1], [1, 2, 0, 0]], [[1, 1, 0, 1], [1, 1, 0, 0]]
        # levels 1 and 2 are (3, 2) of 5 pixels instead of IBSI's (2, 2) of 4; both sum to 4/3 of difference
        assert measure(values, mask)["ngtdm_Contrast"] == pytest.approx((2 * 6 / 25) / 2 * (8 / 3) / 5)  # 1/6

    def test_the_maximal_correlation_coefficient_is_not_in_ibsi(self, measure):
        assert "glcm_MCC" in measure([[1, 2], [2, 1]])
        assert not any(row["pyradiomics_name"] == "glcm_MCC" for row in reference_rows())

    def test_a_flat_region_has_conventions_of_its_own(self, measure):
        features = measure(np.ones((4, 4)))
        assert features["ngtdm_Coarseness"] == 1e6
        assert features["glcm_Correlation"] == 1.0
        assert features["glcm_MCC"] == 1.0

    def test_the_document_lists_them(self):
        text = DOCUMENT.read_text(encoding="utf-8")
        listed = text.partition("## Deviations of pyradiomics from IBSI")[2].partition("\n## ")[0]
        for keyword in ("Kurtosis", "bins", "epsilon", "neighbours", "MCC", "flat"):
            assert keyword in listed
