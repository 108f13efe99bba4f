"""Areal density of calibrated images: Real World Value Mapping to UCUM ``g/cm2``.

The General Image Module allows Real World Value Mapping Sequence (0040,9096) in DX, CR and SC images
(PS3.3 C.7.6.16.2.11 for its items); Parametric Maps have it in functional groups; a Real World Value Mapping
object brings it for an image that has none. Grey values without such a map are never turned into density.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from analysis.acquisition import header
from analysis.acquisition.functional_groups import copied
from analysis.errors import RejectedInput
from analysis.results import QualityFinding, Severity

MAPPING_STORAGE = "1.2.840.10008.5.1.4.1.1.67"
"""Real World Value Mapping Storage: maps for images that do not carry them (PS3.3 A.46)."""


def with_separate_map(
    image: Dataset, objects: Sequence[Dataset]
) -> tuple[Dataset, tuple[QualityFinding, ...]]:
    """An image with the density map that another object of its study brings for it.

    Returns
    -------
    image : Dataset
        `image` itself if there is no such object or it has a density map of its own, else a copy with the map
        of the latest one.
    findings : tuple of QualityFinding
        ``density_map_separate``, or ``density_map_passed_over`` where the image has its own or a later one
        wins.
    """
    mapped = [
        (item, mapping)
        for item in sorted(objects, key=_content_time)
        if header.text(item, "SOPClassUID") == MAPPING_STORAGE
        for mapping in _mappings_for(image, item)
    ]
    if not mapped:
        return image, ()
    passed_over = (
        [item for item, _ in mapped] if has_density_map(image) else [item for item, _ in mapped[:-1]]
    )
    findings = [_passed_over(item) for item in passed_over]
    if has_density_map(image):
        return image, tuple(findings)
    source, mapping = mapped[-1]
    view = copied(image)
    view.RealWorldValueMappingSequence = [mapping]
    findings.append(
        QualityFinding(
            "density_map_separate",
            Severity.INFO,
            "The map from stored values to g/cm² comes from another object of the study, the Real World "
            f"Value Mapping {header.text(source, 'SOPInstanceUID')}.",
        )
    )
    return view, tuple(findings)


def has_density_map(dataset: Dataset) -> bool:
    """True if the image carries a map of stored values to areal density."""
    return bool(_density_items(dataset))


def mapped_units(dataset: Dataset) -> tuple[str, ...]:
    """Coding scheme and unit of every Real World Value Mapping of an image, as it writes them."""
    return tuple(
        " ".join(
            text
            for unit in header.items(item, "MeasurementUnitsCodeSequence")[:1]
            for keyword in ("CodingSchemeDesignator", "CodeValue")
            if (text := header.text(unit, keyword))
        )
        or "no unit"
        for item in header.items(dataset, "RealWorldValueMappingSequence")
    )


def density_map(
    dataset: Dataset, values: NDArray[Any]
) -> tuple[NDArray[np.float32] | None, tuple[QualityFinding, ...]]:
    """Areal density of stored values.

    Values outside the mapped range take the density at its nearest end, with the finding
    ``values_outside_density_map``. Padding and what is no number have no density: they become zero, as air
    is, with the finding ``undefined_pixels``.

    Parameters
    ----------
    values : ndarray of integers or floats, (rows, columns)
        Stored values, before any Modality or VOI LUT.

    Returns
    -------
    ndarray of float32, (rows, columns), or None
        g/cm²; ``None`` if the image has no density map.

    Raises
    ------
    RejectedInput
        ``unusable_density_map`` if the map lacks its range, or its slope and table.
    """
    items = _density_items(dataset)
    if not items:
        return None, ()
    if values.ndim != 2:
        raise _unusable(dataset, "maps colour pixels")
    undefined = _undefined(dataset, values)
    stored = np.where(undefined, 0.0, values.astype(np.float64))
    density = np.zeros_like(stored)
    distance = np.full(stored.shape, np.inf)
    for item, scale in items:
        first, last = _range(dataset, item)
        nearest = np.clip(stored, first, last)
        away = np.abs(stored - nearest)
        closer = away < distance
        density[closer] = _mapped(dataset, item, nearest[closer], first, last) * scale
        distance[closer] = away[closer]
    density[undefined] = 0.0
    outside, missing = int(np.count_nonzero(distance[~undefined])), int(np.count_nonzero(undefined))
    findings = [_outside_finding(outside)] if outside else []
    findings += [_undefined_finding(missing)] if missing else []
    return density.astype(np.float32), tuple(findings)


def check_density(dataset: Dataset, density: NDArray[np.float32]) -> None:
    """Refuse a scan whose densities no forearm has: its map is in another unit or wrongly scaled.

    Raises
    ------
    RejectedInput
        ``implausible_density``.
    """
    densest = float(np.percentile(density, 99.0))
    if np.ptp(density) == 0:  # a blank image: who looks for the bones says so
        return
    if not _PLAUSIBLE_G_CM2[0] <= densest <= _PLAUSIBLE_G_CM2[1]:
        raise RejectedInput(
            "implausible_density",
            "By the Real World Value Mapping Sequence (0040,9096) of image "
            f"{header.text(dataset, 'SOPInstanceUID')} the densest hundredth of the scan has {densest:.3g} "
            f"g/cm²; bone lies between {_PLAUSIBLE_G_CM2[0]:g} and {_PLAUSIBLE_G_CM2[1]:g} g/cm². Have "
            "slope, intercept and unit of the map corrected at the scanner.",
        )


def _content_time(item: Dataset) -> tuple[str, str, str]:
    return (
        header.text(item, "ContentDate"),
        header.text(item, "ContentTime"),
        header.text(item, "SOPInstanceUID"),
    )


def _mappings_for(image: Dataset, item: Dataset) -> list[Dataset]:
    """Density maps that a Real World Value Mapping object holds for an image."""
    uid = header.text(image, "SOPInstanceUID")
    return [
        mapping
        for group in header.items(item, "ReferencedImageRealWorldValueMappingSequence")
        if any(
            header.text(reference, "ReferencedSOPInstanceUID") == uid
            for reference in header.items(group, "ReferencedImageSequence")
        )
        for mapping in header.items(group, "RealWorldValueMappingSequence")
        if _unit(mapping) is not None
    ]


def _passed_over(item: Dataset) -> QualityFinding:
    return QualityFinding(
        "density_map_passed_over",
        Severity.WARNING,
        f"The Real World Value Mapping {header.text(item, 'SOPInstanceUID')} also maps this image to g/cm²; "
        "it is not used, as the image's own map or a later one is.",
    )


_UNITS = {"g/cm2": 1.0, "mg/cm2": 1e-3, "kg/m2": 0.1}
"""UCUM units of areal density in g/cm²."""

_PLAUSIBLE_G_CM2 = (0.2, 10.0)
"""Density that a forearm's densest hundredth can have (assumption: wide around the 0.3–2 g/cm² of bone, so
that it catches a wrong unit or slope, not an unusual patient)."""


def _density_items(dataset: Dataset) -> list[tuple[Dataset, float]]:
    return [
        (item, unit)
        for item in header.items(dataset, "RealWorldValueMappingSequence")
        if (unit := _unit(item)) is not None
    ]


def _unit(mapping: Dataset) -> float | None:
    """The unit of a map in g/cm²; ``None`` if it is none of areal density."""
    for unit in header.items(mapping, "MeasurementUnitsCodeSequence")[:1]:
        if header.text(unit, "CodingSchemeDesignator") == "UCUM":
            return _UNITS.get(header.text(unit, "CodeValue"))
    return None


def _range(dataset: Dataset, item: Dataset) -> tuple[float, float]:
    """First and last value mapped, integer attributes before the double-float ones."""
    ends = []
    for end in ("First", "Last"):
        value = header.number(item, f"RealWorldValue{end}ValueMapped")
        if value is None:
            value = header.number(item, f"DoubleFloatRealWorldValue{end}ValueMapped")
        ends.append(value)
    first, last = ends
    if first is None or last is None or last < first:
        raise _unusable(dataset, f"has no usable range of mapped values (first {first}, last {last})")
    return first, last


def _mapped(
    dataset: Dataset, item: Dataset, stored: NDArray[np.float64], first: float, last: float
) -> NDArray[np.float64]:
    table = header.numbers(item, "RealWorldValueLUTData")
    if table:
        if len(table) != round(last - first) + 1:
            raise _unusable(
                dataset, f"has a table of {len(table)} entries for {round(last - first) + 1} values"
            )
        return np.asarray(table)[np.rint(stored - first).astype(np.intp)]
    slope, intercept = (
        header.number(item, "RealWorldValueSlope"),
        header.number(item, "RealWorldValueIntercept"),
    )
    if slope is None or intercept is None or slope == 0:
        raise _unusable(
            dataset, f"has neither a table nor slope and intercept (slope {slope}, intercept {intercept})"
        )
    return stored * slope + intercept


def _undefined(dataset: Dataset, values: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels without a value: not finite, or declared as padding (PS3.3 C.7.5.1.1.2, C.7.6.24)."""
    undefined = ~np.isfinite(values)
    kind = "FloatPixelPadding" if values.dtype.kind == "f" else "PixelPadding"
    kind = "DoubleFloatPixelPadding" if values.dtype == np.float64 else kind
    first = header.number(dataset, f"{kind}Value")
    if first is not None:
        last = header.number(dataset, f"{kind}RangeLimit")
        low, high = sorted((first, first if last is None else last))
        undefined |= (values >= low) & (values <= high)
    return np.asarray(undefined, dtype=np.bool_)


def _unusable(dataset: Dataset, what: str) -> RejectedInput:
    return RejectedInput(
        "unusable_density_map",
        "The Real World Value Mapping Sequence (0040,9096) of image "
        f"{header.text(dataset, 'SOPInstanceUID')} {what} (PS3.3 C.7.6.16.2.11); have the manufacturer "
        "correct the export.",
    )


def _outside_finding(count: int) -> QualityFinding:
    return QualityFinding(
        "values_outside_density_map",
        Severity.WARNING,
        f"{count} pixels lie outside the range that the Real World Value Mapping covers; they are taken at "
        "its end, as saturated pixels are.",
    )


def _undefined_finding(count: int) -> QualityFinding:
    return QualityFinding(
        "undefined_pixels",
        Severity.INFO,
        f"{count} pixels are padding or hold no number; they are taken as air (0 g/cm²).",
    )
