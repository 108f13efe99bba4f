"""Stored pixel values out of a data set, checked before they are decoded, and as display grey."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import UID, RLELossless

from analysis.acquisition import gdcm_apart, header
from analysis.acquisition.codestream import END_MARKER, least_rle_bytes, read_frame_header
from analysis.errors import RejectedInput
from analysis.results import QualityFinding, Severity

MAXIMUM_PIXEL_BYTES = 512 * 1024 * 1024
"""Decoded size above which an image is refused unread; a report page is below 20 MB."""

MAXIMUM_PIXELS = 100_000_000
"""Rows times columns above which an image is refused unread (assumption: at 0.02 mm, finer than any
densitometer, a forearm of 10 by 30 cm has 75 million)."""

DECODERS = {
    "JPEGBaseline8Bit": "pillow",
    "JPEGExtended12Bit": gdcm_apart.PLUGIN,
    "JPEGLossless": gdcm_apart.PLUGIN,
    "JPEGLosslessSV1": gdcm_apart.PLUGIN,
    "JPEGLSLossless": "pyjpegls",  # GDCM overruns its buffers where the header is wrong (pydicom issue 2010)
    "JPEGLSNearLossless": "pyjpegls",
    "JPEG2000Lossless": "pylibjpeg",
    "JPEG2000": "pylibjpeg",
    "HTJ2KLossless": "pylibjpeg",
    "HTJ2KLosslessRPCL": "pylibjpeg",
    "HTJ2K": "pylibjpeg",
    "RLELossless": "pydicom",
}
"""Transfer syntax -> pydicom's name of the one decoder that is asked: the same numbers on any machine,
whatever else is installed there, and no second try on bytes that made the first one fail."""


def stored_values(dataset: Dataset) -> NDArray[Any]:
    """Decode the stored values of a single-frame image.

    Pixel Data, Float Pixel Data or Double Float Pixel Data (Parametric Map, PS3.3 C.7.6.24 and C.7.6.25).

    Returns
    -------
    ndarray of integers or floats, (rows, columns) or (rows, columns, 3)
        Colour as RGB, palettes resolved. Floats can hold NaN.

    Raises
    ------
    RejectedInput
        ``missing_pixel_data``, ``pixel_data_too_large``, ``truncated_pixel_data``, ``multiple_frames``,
        ``unsupported_photometric_interpretation``, ``compressed_size_conflict`` or ``undecodable_pixels``.
        All but the last are found before anything is decoded.
    """
    _check_header(dataset)
    syntax = _syntax(dataset)
    if syntax is not None and syntax.is_encapsulated:
        _check_frame(dataset, syntax)
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array

    photometric = header.text(dataset, "PhotometricInterpretation")
    try:
        gdcm_apart.register()
        decoder = DECODERS.get(syntax.keyword, "") if syntax is not None else ""
        values = pixel_array(dataset, decoding_plugin=decoder)
        if photometric == "PALETTE COLOR":
            values = apply_color_lut(values, dataset)
    except Exception as error:  # decoders of many libraries, fed by bytes from outside
        raise RejectedInput(
            "undecodable_pixels",
            f"The pixels of image {_uid(dataset)} (transfer syntax "
            f"{_transfer_syntax(dataset) or 'unknown'}) cannot be decoded: {error}. Have the sender use "
            "Explicit VR Little Endian.",
        ) from error
    expected = (_positive(dataset, "Rows"), _positive(dataset, "Columns"))
    if values.shape[:2] != expected or values.ndim not in (2, 3):
        raise RejectedInput(
            "undecodable_pixels",
            f"The pixels of image {_uid(dataset)} decode to {values.shape}, its header says {expected}; "
            "send the image again.",
        )
    return values


def loss_findings(dataset: Dataset) -> tuple[QualityFinding, ...]:
    """Warn where the stored values are no longer the scanner's.

    Returns
    -------
    tuple of QualityFinding
        ``lossy_pixels`` if Lossy Image Compression (0028,2110) says that the image has been compressed with
        loss at any time, or its transfer syntax is one that always loses.
    """
    syntax = _syntax(dataset)
    always = syntax is not None and syntax.keyword in _ALWAYS_LOSSY
    if header.text(dataset, "LossyImageCompression") != "01" and not always:
        return ()
    return (
        QualityFinding(
            "lossy_pixels",
            Severity.WARNING,
            "The image was compressed with loss: densities, outlines and texture measured on it may differ "
            "from the scanner's by an unknown amount. Have the scanner or the PACS send it without loss.",
        ),
    )


def luminance(values: NDArray[Any]) -> NDArray[np.float32]:
    """Luma of RGB values by ITU-R BT.601; monochrome values pass unchanged. float32, same range as
    `values`."""
    if values.ndim == 2:
        return values.astype(np.float32)
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return np.asarray(values[..., :3].astype(np.float32) @ weights, dtype=np.float32)


def display_grey(dataset: Dataset, values: NDArray[Any]) -> NDArray[np.float32]:
    """Display grey of stored values.

    Follows the first usable Window Center/Width by the linear function of PS3.3 C.11.2.1.2.1, else stretches
    from the lowest to the highest value; MONOCHROME1 and an INVERSE Presentation LUT Shape are inverted.

    Returns
    -------
    ndarray of float32, (rows, columns), 0–1
        Bright as a reader sees it: dense bone bright.
    """
    if values.ndim == 3:
        full_scale = float(2 ** int(header.number(dataset, "BitsStored") or 8) - 1)
        return np.asarray(np.clip(luminance(values) / full_scale, 0, 1), dtype=np.float32)
    grey = _windowed(dataset, values.astype(np.float64))
    inverted = (
        header.text(dataset, "PhotometricInterpretation") == "MONOCHROME1"
        or header.text(dataset, "PresentationLUTShape") == "INVERSE"
    )
    return np.asarray(1 - grey if inverted else grey, dtype=np.float32)


_PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

_PHOTOMETRIC_SAMPLES = {
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_RCT": 3,
    "YBR_ICT": 3,
}


def _check_header(dataset: Dataset) -> None:
    pixel_bytes = max(len(header.content(dataset, keyword)) for keyword in _PIXEL_KEYWORDS)
    if pixel_bytes == 0:
        raise RejectedInput(
            "missing_pixel_data", f"Image {_uid(dataset)} has no Pixel Data (7FE0,0010); send it again."
        )
    rows, columns = _positive(dataset, "Rows"), _positive(dataset, "Columns")
    samples = _positive(dataset, "SamplesPerPixel")
    photometric = header.text(dataset, "PhotometricInterpretation")
    if _PHOTOMETRIC_SAMPLES.get(photometric) != samples:
        raise RejectedInput(
            "unsupported_photometric_interpretation",
            f"Image {_uid(dataset)} has {samples} samples per pixel as {photometric or 'nothing'}; "
            f"one of {', '.join(_PHOTOMETRIC_SAMPLES)} with its own number of samples is needed.",
        )
    frames = int(header.number(dataset, "NumberOfFrames") or 1)
    size = rows * columns * samples * frames * ((_positive(dataset, "BitsAllocated") + 7) // 8)
    if rows * columns > MAXIMUM_PIXELS:
        raise RejectedInput(
            "pixel_data_too_large",
            f"Image {_uid(dataset)} declares {rows} × {columns} pixels; at most {MAXIMUM_PIXELS} are read.",
        )
    if size > MAXIMUM_PIXEL_BYTES:
        raise RejectedInput(
            "pixel_data_too_large",
            f"Image {_uid(dataset)} declares {size} bytes of pixels; at most {MAXIMUM_PIXEL_BYTES} are read.",
        )
    if frames != 1:
        raise RejectedInput(
            "multiple_frames", f"Image {_uid(dataset)} has {frames} frames; one scan image is expected."
        )
    if not _is_compressed(dataset) and _is_encapsulated(dataset):
        raise RejectedInput(
            "undecodable_pixels",
            f"The pixels of image {_uid(dataset)} are compressed, but its transfer syntax "
            f"{_transfer_syntax(dataset)} is not; send the image again.",
        )
    subsampled = photometric == "YBR_FULL_422"  # stored natively in two thirds of the bytes
    if not _is_compressed(dataset) and not subsampled and pixel_bytes < size:
        raise RejectedInput(
            "truncated_pixel_data",
            f"Image {_uid(dataset)} has {pixel_bytes} bytes of pixels where its header needs "
            f"{size}; send it again.",
        )


def _positive(dataset: Dataset, keyword: str) -> int:
    value = header.number(dataset, keyword)
    if value is None or value < 1:
        raise RejectedInput(
            "undecodable_pixels",
            f"Image {_uid(dataset)} has no usable {header.label(keyword)}; send it again.",
        )
    return int(value)


def _windowed(dataset: Dataset, values: NDArray[np.float64]) -> NDArray[np.float64]:
    centres, widths = header.numbers(dataset, "WindowCenter"), header.numbers(dataset, "WindowWidth")
    slope = header.number(dataset, "RescaleSlope")
    intercept = header.number(dataset, "RescaleIntercept")
    values = values * (1.0 if slope is None else slope) + (intercept or 0.0)
    for centre, width in zip(centres, widths, strict=False):
        if width > 1:
            return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0.0, 1.0)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


_ALWAYS_LOSSY = {"JPEGBaseline8Bit", "JPEGExtended12Bit"}
"""JPEG-LS Near-lossless, JPEG 2000 and HTJ2K need not lose anything; Lossy Image Compression says so."""


def _check_frame(dataset: Dataset, syntax: UID) -> None:
    """Refuse a frame that is not the size that the header says: decoders obey the frame, not the header."""
    try:
        frame = get_frame(header.content(dataset, "PixelData"), 0, number_of_frames=1)
    except Exception as error:  # fragments that are none
        raise RejectedInput(
            "undecodable_pixels",
            f"The pixels of image {_uid(dataset)} are not encapsulated as {syntax.name} needs; "
            "send the image again.",
        ) from error
    rows, columns = _positive(dataset, "Rows"), _positive(dataset, "Columns")
    samples, allocated = _positive(dataset, "SamplesPerPixel"), _positive(dataset, "BitsAllocated")
    if syntax == RLELossless:
        least = least_rle_bytes(rows * columns * samples * ((allocated + 7) // 8))
        if len(frame) < least:
            raise _conflict(dataset, f"have {len(frame)} bytes where its header needs at least {least}")
        return
    if END_MARKER not in frame:
        raise RejectedInput(
            "truncated_pixel_data",
            f"The compressed pixels of image {_uid(dataset)} have no end; send the image again.",
        )
    found = read_frame_header(frame)
    if found is None:
        raise _conflict(dataset, "have no readable header")
    agrees = (found.rows, found.columns, found.samples) == (rows, columns, samples)
    if not agrees or found.bits > allocated:
        raise _conflict(
            dataset,
            f"are {found.rows} × {found.columns} with {found.samples} samples of {found.bits} bits where its "
            f"header says {rows} × {columns} with {samples} samples of at most {allocated} bits",
        )


def _conflict(dataset: Dataset, what: str) -> RejectedInput:
    return RejectedInput(
        "compressed_size_conflict",
        f"The compressed pixels of image {_uid(dataset)} {what}; send the image again.",
    )


def _is_compressed(dataset: Dataset) -> bool:
    syntax = _syntax(dataset)
    return syntax is None or syntax.is_encapsulated


def _is_encapsulated(dataset: Dataset) -> bool:
    return "PixelData" in dataset and bool(dataset["PixelData"].is_undefined_length)


def _syntax(dataset: Dataset) -> UID | None:
    """The transfer syntax; None where the file names none, or something else."""
    syntax = UID(_transfer_syntax(dataset))
    return syntax if syntax.is_transfer_syntax and not syntax.is_private else None


def _transfer_syntax(dataset: Dataset) -> str:
    meta = getattr(dataset, "file_meta", None)
    return header.text(meta, "TransferSyntaxUID") if meta is not None else ""


def _uid(dataset: Dataset) -> str:
    return header.text(dataset, "SOPInstanceUID")
