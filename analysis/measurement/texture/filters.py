"""Filtered images, whose features are measured like the original's; named as pyradiomics does.

The filters see the whole patch, not the region alone: what lies around the bone enters near its outline.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.measurement.texture.patch import GRID_MM

Array = NDArray[np.float64]

LOG_SIGMAS_MM = (1.0, 2.0, 3.0)
WAVELET = "coif1"
"""pyradiomics' default wavelet."""


def laplacian_of_gaussian_images(values: Array) -> dict[str, Array]:
    """Scale-normalised Laplacian of Gaussian at `LOG_SIGMAS_MM`: blobs of that size stand out.

    The names say ``3D`` because pyradiomics' do; the filter is 2-D.
    """
    import SimpleITK as sitk  # noqa: N813

    image: Any = sitk.GetImageFromArray(values)
    image.SetSpacing((GRID_MM, GRID_MM))
    laplacian: Any = sitk.LaplacianRecursiveGaussianImageFilter()  # type: ignore[no-untyped-call]
    laplacian.SetNormalizeAcrossScale(True)
    laplacian.SetNumberOfThreads(1)  # handing so small a picture to threads costs ten times the filter
    filtered = {}
    for sigma in LOG_SIGMAS_MM:
        laplacian.SetSigma(sigma)
        name = f"log-sigma-{sigma}-mm-3D".replace(".", "-")
        filtered[name] = np.asarray(sitk.GetArrayFromImage(laplacian.Execute(image)), np.float64)
    return filtered


def wavelet_images(values: Array) -> dict[str, Array]:
    """One level of the undecimated wavelet transform: ``LL``, ``LH``, ``HL``, ``HH``.

    The first letter is the filter across the forearm (columns), the second along it (rows).
    """
    import pywt  # type: ignore[import-untyped]

    rows, columns = values.shape
    even = np.pad(values, ((0, rows % 2), (0, columns % 2)), "wrap")
    bands = pywt.swtn(even, WAVELET, level=1, axes=(1, 0))[0]
    return {
        "wavelet-" + name.replace("a", "L").replace("d", "H"): np.ascontiguousarray(band[:rows, :columns])
        for name, band in bands.items()
    }
