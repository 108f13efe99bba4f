"""pyradiomics 3.0.1 on true 2-D images: the reference engine."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GROUPS = ("firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")


def intensity_features(
    values: Array, mask: NDArray[np.bool_], *, bin_width: float, pixel_mm: float
) -> dict[str, float]:
    """The 93 features of `analysis.measurement.texture.radiomic_classes.intensity_features`."""
    return _execute(values, mask, GROUPS, bin_width=bin_width, pixel_mm=pixel_mm)


def shape2d_features(mask: NDArray[np.bool_], *, pixel_mm: float) -> dict[str, float]:
    """The nine features ``shape2D_FEATURE``."""
    return _execute(np.zeros(mask.shape), mask, ("shape2D",), bin_width=1.0, pixel_mm=pixel_mm)


def _execute(
    values: Array, mask: NDArray[np.bool_], groups: tuple[str, ...], *, bin_width: float, pixel_mm: float
) -> dict[str, float]:
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    for name in ("radiomics", "radiomics.glcm"):  # after the import, which sets the level itself
        logging.getLogger(name).setLevel(logging.ERROR)
    extractor = RadiomicsFeatureExtractor(binWidth=bin_width, preCrop=True, additionalInfo=False, label=1)
    extractor.disableAllFeatures()
    for group in groups:
        extractor.enableFeatureClassByName(group)
    # pyradiomics refuses a mask without background
    image, label = np.pad(values, 1, mode="edge"), np.pad(mask.astype(np.uint8), 1)
    computed = extractor.execute(_sitk_image(image, pixel_mm), _sitk_image(label, pixel_mm))
    prefix = "original_"
    return {
        name.removeprefix(prefix): float(value) for name, value in computed.items() if name.startswith(prefix)
    }


def _sitk_image(values: NDArray[Any], pixel_mm: float) -> Any:
    import SimpleITK as sitk  # noqa: N813

    image: Any = sitk.GetImageFromArray(values)
    image.SetSpacing((pixel_mm, pixel_mm))
    return image
