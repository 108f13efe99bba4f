"""Stored pixel values out of a data set, checked before they are decoded, and as display grey."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from analysis.acquisition import header
from analysis.errors import RejectedInput

MAXIMUM_PIXEL_BYTES = 512 * 1024 * 1024
"""Decoded size above which an image is refused unread; a report page is below 20 MB."""


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
        ``unsupported_photometric_interpretation`` or ``undecodable_pixels``.
    """
    _check_header(dataset)
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array

    photometric = header.text(dataset, "PhotometricInterpretation")
    try:
        values = pixel_array(dataset)
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
    if size > MAXIMUM_PIXEL_BYTES:
        raise RejectedInput(
            "pixel_data_too_large",
            f"Image {_uid(dataset)} declares {size} bytes of pixels; at most {MAXIMUM_PIXEL_BYTES} are read.",
        )
    if frames != 1:
        raise RejectedInput(
            "multiple_frames", f"Image {_uid(dataset)} has {frames} frames; one scan image is expected."
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


def _is_compressed(dataset: Dataset) -> bool:
    from pydicom.uid import UID

    syntax = _transfer_syntax(dataset)
    try:
        return bool(syntax) and UID(syntax).is_compressed
    except ValueError:  # not a transfer syntax: the decoder says so
        return True


def _transfer_syntax(dataset: Dataset) -> str:
    meta = getattr(dataset, "file_meta", None)
    return header.text(meta, "TransferSyntaxUID") if meta is not None else ""


def _uid(dataset: Dataset) -> str:
    return header.text(dataset, "SOPInstanceUID")
