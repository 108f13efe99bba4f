"""Pixels are checked before they are decoded, and shown bright where bone is dense."""

from __future__ import annotations

import numpy as np
import pytest
from handmade_studies import calibrated_image
from pydicom.uid import JPEGLSLossless, RLELossless

from analysis.acquisition.pixels import MAXIMUM_PIXEL_BYTES, display_grey, luminance, stored_values
from analysis.errors import RejectedInput


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"PixelData": None}, "missing_pixel_data"),
        ({"PixelData": b""}, "missing_pixel_data"),
        ({"PixelData": bytes(100)}, "truncated_pixel_data"),
        ({"Rows": 65535, "Columns": 65535}, "pixel_data_too_large"),
        ({"NumberOfFrames": "2147483647"}, "pixel_data_too_large"),
        ({"NumberOfFrames": "2"}, "multiple_frames"),
        ({"Rows": 0}, "undecodable_pixels"),
        ({"BitsAllocated": None}, "undecodable_pixels"),
        ({"PhotometricInterpretation": "HSV"}, "unsupported_photometric_interpretation"),
        ({"SamplesPerPixel": 3}, "unsupported_photometric_interpretation"),
        ({"TransferSyntaxUID": RLELossless}, "undecodable_pixels"),
        ({"TransferSyntaxUID": JPEGLSLossless}, "undecodable_pixels"),
    ],
)
def test_broken_pixels_are_refused_with_their_reason(changes: dict[str, object], code: str) -> None:
    with pytest.raises(RejectedInput) as refused:
        stored_values(calibrated_image(**changes))
    assert refused.value.code == code
    assert "1.2.3.1" in str(refused.value)


def test_a_huge_image_is_refused_before_its_pixels_are_touched() -> None:
    image = calibrated_image(Rows=40000, Columns=20000)
    assert image.Rows * image.Columns * 2 > MAXIMUM_PIXEL_BYTES
    with pytest.raises(RejectedInput, match="at most"):
        stored_values(image)


def test_compressed_pixels_decode_to_the_same_values() -> None:
    plain = calibrated_image()
    compressed = calibrated_image()
    compressed.compress(RLELossless, generate_instance_uid=False)
    np.testing.assert_array_equal(stored_values(compressed), stored_values(plain))


def test_monochrome1_is_inverted() -> None:
    image = calibrated_image(PhotometricInterpretation="MONOCHROME1")
    values = stored_values(image)
    grey = display_grey(image, values)
    assert grey[0, 0] == 1.0
    assert grey[-1, -1] == 0.0


@pytest.mark.parametrize(
    ("centre", "width"), [(4800, 9600), ([4800, 100], [9600, 10]), ([4800, 1], [9600, 0])], ids=str
)
def test_the_first_usable_window_is_applied(centre: object, width: object) -> None:
    image = calibrated_image(WindowCenter=centre, WindowWidth=width)
    values = np.array([[0, 4800, 9600]], dtype=np.uint16)
    np.testing.assert_allclose(display_grey(image, values), [[0, 0.5, 1]], atol=1e-3)


@pytest.mark.parametrize(
    "changes", [{}, {"WindowCenter": 5, "WindowWidth": 0}, {"WindowCenter": "", "WindowWidth": ""}]
)
def test_without_a_usable_window_the_whole_range_is_shown(changes: dict[str, object]) -> None:
    image = calibrated_image(**changes)
    grey = display_grey(image, stored_values(image))
    assert (grey.min(), grey.max(), grey.dtype) == (0.0, 1.0, np.float32)


def test_colour_is_read_by_its_luminance() -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [80, 80, 80]]], dtype=np.uint8)
    np.testing.assert_allclose(luminance(colours), [[76.245, 149.685, 29.07, 80]], rtol=1e-5)
