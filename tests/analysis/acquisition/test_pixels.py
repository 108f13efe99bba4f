"""Pixels are checked before they are decoded, and shown bright where bone is dense."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from handmade_studies import calibrated_image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    JPEG2000,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from analysis.acquisition.codestream import END_MARKER, read_frame_header
from analysis.acquisition.pixels import (
    MAXIMUM_PIXEL_BYTES,
    display_grey,
    loss_findings,
    luminance,
    stored_values,
)
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


TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
ANOTHER_WIDTH = "JPEG2000-embedded-sequence-delimiter.dcm"  # its codestream says 3,722,445,056 columns
COMPRESSED = [
    path
    for path in sorted(TEST_FILES.glob("*.dcm"))
    if re.search(r"J2K|JP[EG2]|jp2|jpe?g|jls|_ls_|dcmtk|jpeg2k", path.name, re.IGNORECASE)
    and path.name != "SC_rgb_jpeg_dcmd.dcm"  # decompressed
]


@pytest.mark.parametrize("path", COMPRESSED, ids=lambda path: path.name)
def test_real_codestreams_are_sized_as_their_headers_say_and_decoded(path: Path) -> None:
    dataset = dcmread(path)
    header = read_frame_header(get_frame(dataset.PixelData, 0, number_of_frames=1))
    assert header is not None
    sizes = (header.rows, header.columns, header.samples)
    agrees = sizes == (dataset.Rows, dataset.Columns, dataset.SamplesPerPixel)
    assert agrees is (path.name != ANOTHER_WIDTH)
    if agrees:
        assert stored_values(dataset).shape[:2] == (dataset.Rows, dataset.Columns)


@pytest.mark.dcmtk
def test_twelve_bit_jpeg_is_decoded_as_dcmtk_does(tmp_path: Path) -> None:
    source = TEST_FILES / "JPGExtended.dcm"
    subprocess.run(["dcmdjpeg", source, tmp_path / "plain.dcm"], check=True)
    expected = dcmread(tmp_path / "plain.dcm").pixel_array
    assert expected.max() > 255
    np.testing.assert_array_equal(stored_values(dcmread(source)), expected)


def compressed(syntax: str, **changes: object) -> Dataset:
    image = calibrated_image()
    image.compress(syntax, generate_instance_uid=False, **changes)  # type: ignore[arg-type]
    return image


@pytest.mark.parametrize(
    ("syntax", "spoil"),
    [
        (JPEGLSLossless, {"Rows": 8000, "Columns": 8000}),
        (JPEG2000Lossless, {"Rows": 8000, "Columns": 8000}),
        (JPEG2000Lossless, {"BitsAllocated": 8}),
        (RLELossless, {"Rows": 9000, "Columns": 9000}),
    ],
)
def test_a_frame_of_another_size_is_refused_before_it_is_decoded(
    syntax: str, spoil: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = compressed(syntax)
    for keyword, value in spoil.items():
        setattr(image, keyword, value)
    monkeypatch.setattr("pydicom.pixels.utils.pixel_array", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(RejectedInput) as refused:
        stored_values(image)
    assert refused.value.code == "compressed_size_conflict"


@pytest.mark.parametrize(
    "frame", [b"\xff\xd8", b"\xff\xd8" + b"\xff" * 5000, b"\xff\x4f\xff\x51\0\x2f", bytes(99)]
)
def test_a_frame_without_a_header_is_refused(frame: bytes) -> None:
    image = compressed(JPEG2000Lossless)
    image.PixelData = encapsulate([frame + END_MARKER])
    with pytest.raises(RejectedInput, match="no readable header"):
        stored_values(image)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless], ids=lambda uid: uid.keyword)
def test_a_frame_that_is_cut_is_refused_not_decoded_in_part(syntax: str) -> None:
    image = compressed(syntax)
    frame = get_frame(image.PixelData, 0, number_of_frames=1)
    image.PixelData = encapsulate([frame[: len(frame) // 2]])
    with pytest.raises(RejectedInput) as refused:
        stored_values(image)
    assert refused.value.code == "truncated_pixel_data"


def test_a_frame_that_kills_its_decoder_is_refused_and_this_process_lives() -> None:
    """GDCM throws where nobody catches."""
    image = dcmread(TEST_FILES / "SC_rgb_jpeg_gdcm.dcm")
    image.BitsAllocated = 32
    with pytest.raises(RejectedInput, match="cannot be decoded"):
        stored_values(image)


@pytest.mark.parametrize("frame", [bytes(70), b"\0\0\0\x01\0\0\0\x40" + bytes(56) + b"\x81\0"])
def test_pixels_out_of_nothing_are_refused(frame: bytes) -> None:
    """RLE cannot make more than 64 bytes out of one: a bomb has to bring a 64th of what it claims."""
    image = compressed(RLELossless)
    image.Rows = image.Columns = 5000
    image.PixelData = encapsulate([frame])
    with pytest.raises(RejectedInput, match="needs at least"):
        stored_values(image)


def test_compressed_pixels_in_an_uncompressed_syntax_are_refused() -> None:
    image = compressed(RLELossless)
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with pytest.raises(RejectedInput, match=r"are compressed, but its transfer syntax .* is not"):
        stored_values(image)


@pytest.mark.parametrize(
    ("elements", "syntax", "lossy"),
    [
        ({}, ExplicitVRLittleEndian, False),
        ({"LossyImageCompression": "00"}, ExplicitVRLittleEndian, False),
        ({"LossyImageCompression": "01"}, ExplicitVRLittleEndian, True),  # decompressed on its way
        ({}, JPEGBaseline8Bit, True),
        ({}, JPEG2000, False),  # this syntax need not lose anything
    ],
)
def test_loss_by_compression_is_told(elements: dict[str, str], syntax: str, lossy: bool) -> None:
    image = calibrated_image(**elements)
    image.file_meta.TransferSyntaxUID = syntax
    assert [finding.code for finding in loss_findings(image)] == (["lossy_pixels"] if lossy else [])


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
