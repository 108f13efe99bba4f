"""A site's own calibration applied to a study of that scanner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from analysis.acquisition import header
from analysis.acquisition.image import RadiusImage
from analysis.acquisition.pixels import stored_values
from analysis.quality_control.devices import Devices, LinearScale
from analysis.results import Calibration, QualityFinding, Severity
from analysis.segmentation.anatomy import ForearmAnatomy


def site_calibrated(
    image: RadiusImage,
    anatomy: ForearmAnatomy,
    datasets: Sequence[Dataset],
    devices: Devices,
    study_date: date | None,
) -> RadiusImage:
    """The image on the site's own scale, if it has calibrated this scanner.

    On the image's own density the slope acts everywhere and the intercept inside the bones: the phantom's
    steps were read there, while soft tissue is zero by definition. Stored values become density everywhere.

    Returns
    -------
    RadiusImage
        With calibration ``site`` and finding ``site_calibrated``, or as it was: where there is no
        calibration, and, with ``site_calibration_unused``, where it does not apply to this study.
    """
    entry = devices.find(image.device)
    scale = entry.calibration if entry is not None else None
    if scale is None:
        return image
    if study_date is None or study_date < scale.date:
        when = "of unknown date" if study_date is None else f"of {study_date}"
        return _unused(image, scale, f"the study is {when}")
    if scale.input == "density":
        if not image.density:
            return _unused(image, scale, "the image carries no density map")
        bones = anatomy.radius_mask | anatomy.ulna_mask
        return _scaled(image, scale, scale.slope * image.pixels + scale.intercept * bones)
    values = None if image.density else _stored(image, datasets)
    if values is None:
        return _unused(image, scale, "the image has a density map of its own, or is a colour picture")
    return _scaled(image, scale, scale.slope * values + scale.intercept)


def _stored(image: RadiusImage, datasets: Sequence[Dataset]) -> NDArray[np.float64] | None:
    """Stored values after Rescale Slope and Intercept, cropped as the image was; None for colour."""
    source = next(
        item for item in datasets if header.text(item, "SOPInstanceUID") == image.source.sop_instance_uid
    )
    values = stored_values(source)
    if values.ndim != 2:
        return None
    slope, intercept = header.number(source, "RescaleSlope"), header.number(source, "RescaleIntercept")
    row, column = image.origin
    rows, columns = image.pixels.shape
    inside = values[row : row + rows, column : column + columns].astype(np.float64)
    return np.asarray(inside * (1.0 if slope is None else slope) + (intercept or 0.0))


def _scaled(image: RadiusImage, scale: LinearScale, density: NDArray[np.floating]) -> RadiusImage:
    unit = "g/cm² read" if scale.input == "density" else "stored value"
    finding = QualityFinding(
        "site_calibrated",
        Severity.INFO,
        f"Density is on the site's own scale: {scale.slope:.6g} ± {scale.slope_se:.2g} g/cm² per {unit}, "
        f"{scale.intercept:+.4f} ± {scale.intercept_se:.2g} g/cm², SEE {scale.see_g_cm2:.4f} g/cm² "
        f"({scale.source}, {scale.date}).",
    )
    return replace(
        image,
        pixels=density.astype(np.float32),
        density=True,
        calibration=Calibration.SITE,
        findings=(*image.findings, finding),
    )


def _unused(image: RadiusImage, scale: LinearScale, why: str) -> RadiusImage:
    finding = QualityFinding(
        "site_calibration_unused",
        Severity.INFO,
        f"The site's calibration of {image.device} for {scale.input.replace('_', ' ')} of {scale.date} was "
        f"not applied: {why}.",
    )
    return replace(image, findings=(*image.findings, finding))
