"""Forearms that the engine was not developed on: other shapes, other greys, other page layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from plain_forearm import Forearm, Picture, calibrated, draw
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from analysis.config import AnalysisConfig, ClinicalContext
from analysis.engine import analyze
from analysis.results import StudyAnalysis
from analysis.risk import SHIPPED_MODELS
from reports import compose

ROOT = Path(__file__).parents[2]
CONFIG = AnalysisConfig(
    reference=ROOT / "conf" / "reference" / "iscd-atlas-female.csv",
    guideline=ROOT / "conf" / "guidelines" / "aace-2020.toml",
    models=SHIPPED_MODELS,
)
SITE = ClinicalContext(forearm_length_mm=240)


def analysed(image: Dataset) -> StudyAnalysis:
    analysis = analyze([image], clinical=SITE, config=CONFIG)
    assert (analysis.status, analysis.reason) == ("analyzed", "")
    return analysis


def dice(analysis: StudyAnalysis, picture: Picture, origin: tuple[int, int] = (0, 0)) -> float:
    assert analysis.evidence is not None
    rows, columns = picture.radius.shape
    inside = slice(origin[0], origin[0] + rows), slice(origin[1], origin[1] + columns)
    both = np.count_nonzero(analysis.evidence.radius_mask[inside] & picture.radius)
    return 2 * both / (np.count_nonzero(analysis.evidence.radius_mask) + np.count_nonzero(picture.radius))


@pytest.mark.parametrize(
    "arm",
    [
        Forearm(),
        Forearm(left=False, tilt=-6),
        Forearm(tilt=18, hand_up=False),
        Forearm(left=False, spacing=(1.0, 0.43), tilt=-12),
        Forearm(gap=0.0, ulna_ends=-3.0),
        Forearm(styloid=0.0, inclination=0.0),
        Forearm(spacing=(0.25, 0.25), noise=0.03, ulna_ends=5.0),
        Forearm(noise=0.04, section=3.5, inclination=25.0, tilt=8.0),
    ],
    ids=str,
)
def test_a_forearm_of_another_phantom_is_measured(arm: Forearm) -> None:
    picture = draw(arm)
    analysis = analysed(calibrated(arm, picture))
    assert dice(analysis, picture) > 0.97
    assert analysis.evidence is not None
    assert analysis.evidence.hand_up == arm.hand_up
    assert analysis.regions["one_third"].bmd_g_cm2 == pytest.approx(picture.one_third, rel=0.02)


@pytest.mark.parametrize("gamma", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("inverted", [False, True])
def test_any_grey_curve_shows_the_same_bone(gamma: float, inverted: bool) -> None:
    arm = Forearm(tilt=-5)
    picture = draw(arm)
    grey = grey_of(picture, gamma)
    image = display(arm, 255 - grey if inverted else grey)
    image.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    assert dice(analysed(image), picture) > 0.94


def test_a_frame_drawn_around_the_scan_is_no_bone() -> None:
    arm = Forearm()
    picture = draw(arm)
    framed = grey_of(picture)
    framed[:2] = framed[-2:] = framed[:, :2] = framed[:, -2:] = 250
    assert dice(analysed(display(arm, framed)), picture) > 0.95


@pytest.mark.parametrize("millimetres", [0.22, 0.5])
def test_the_scale_is_judged_where_the_file_gives_none(millimetres: float) -> None:
    arm = Forearm(spacing=(millimetres, millimetres), hand_up=False, noise=0.03)
    picture = draw(arm)
    image = display(arm, grey_of(picture))
    del image.PixelSpacing
    analysis = analysed(image)
    assert dice(analysis, picture) > 0.95
    assert analysis.pixel_spacing_mm is None


@pytest.mark.parametrize("paper", [0, 225, 255])
def test_the_scan_is_found_on_a_page_of_any_paper(paper: int) -> None:
    arm = Forearm()
    picture = draw(arm)
    scan = grey_of(picture)
    page = np.full((scan.shape[0] + 160, scan.shape[1] + 120, 3), paper, np.uint8)
    page[10:60:8, 10:200:3] = 255 - paper  # lines of text
    page[120 : 120 + scan.shape[0], 40 : 40 + scan.shape[1]] = scan[..., None]
    image = display(arm, page)
    image.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    image.PhotometricInterpretation, image.SamplesPerPixel, image.PlanarConfiguration = "RGB", 3, 0
    analysis = analysed(image)
    assert dice(analysis, picture, (120, 40)) > 0.95
    assert "scan_rectangle_detected" in {finding.code for finding in analysis.quality}


@pytest.mark.parametrize("what", ["photograph", "noise", "one bone"])
def test_what_is_no_forearm_is_refused_with_the_cure(what: str) -> None:
    arm = Forearm()
    random = np.random.default_rng(3)
    pictures = {
        "photograph": np.cumsum(random.integers(-9, 10, (290, 160)), axis=0).clip(0, 255).astype(np.uint8),
        "noise": random.integers(0, 256, (290, 160)).astype(np.uint8),
        "one bone": grey_of(draw(arm))[:, 80:],
    }
    analysis = analyze([display(arm, pictures[what])], clinical=SITE, config=CONFIG)
    assert analysis.status == "rejected"
    assert "Send a forearm scan" in analysis.reason or "Repeat the scan" in analysis.reason


@pytest.mark.parametrize(
    "damaged",
    [
        RawDataElement(Tag("AccessionNumber"), "SK", 2, b"A1", 0, False, True),
        RawDataElement(Tag("WindowCenter"), "US", 3, b"\1\2\3", 0, False, True),
    ],
    ids=["unknown VR", "odd length"],
)
def test_a_damaged_element_counts_for_the_identity_and_hinders_nothing(damaged: RawDataElement) -> None:
    arm = Forearm()
    image = calibrated(arm, draw(arm))
    whole = analysed(image).identity
    image[damaged.tag] = damaged
    analysis = analysed(image)
    assert analysis.identity != whole
    drawn = {str(result.SeriesDescription).split()[0] for result in compose(analysis, [image])}
    assert {"Summary", "Measurements", "Report", "Density", "Segmentation", "PDF"} <= drawn


def grey_of(picture: Picture, gamma: float = 1.0) -> NDArray[np.uint8]:
    """The picture in a window that whitens the densest cortex."""
    return np.asarray(255 * np.clip(picture.density / 1.1, 0, 1) ** gamma, np.uint8)


def display(arm: Forearm, grey: NDArray[np.uint8]) -> Dataset:
    """An 8-bit picture without calibration, which only its Modality calls densitometry."""
    image = calibrated(arm, Picture(np.zeros(grey.shape[:2]), np.zeros((1, 1), bool), 0.0))
    del image.RealWorldValueMappingSequence
    image.Modality, image.PixelRepresentation = "BMD", 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 8, 8, 7
    image.PixelData = grey.tobytes() + bytes(grey.size % 2)
    return image
