"""Texture by numba kernels against pyradiomics, interleaved on the same regions, one thread.

    OMP_NUM_THREADS=1 python benchmarks/texture_speed.py

Stock pyradiomics as its documentation shows it; the same with its two cheap settings (``preCrop``, no
diagnostics); the numba kernels. 93 features of three regions of 4,700, 5,500 and 3,800 pixels, which is what
the regions of a forearm have at 0.3 mm. Then one whole image as the engine measures it, family by family.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from radiomics.featureextractor import RadiomicsFeatureExtractor
from scipy import ndimage

from analysis.measurement.texture import radiomic_classes, reference_engine
from analysis.measurement.texture.families import PREFIXES
from analysis.measurement.texture.measure import BIN_WIDTH_G_CM2, family_features
from analysis.measurement.texture.patch import MARGIN_PX, Patch

PIXEL_MM = 0.3
SIDES_PX = ((59, 80), (52, 106), (43, 89))
"""Rows and columns of the three regions."""
ULTRADISTAL_PX = (30, 46)
"""Of an ultradistal region on the texture grid of 0.5 mm."""

Array = NDArray[np.float64]
Region = tuple[Array, NDArray[np.bool_]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=9, help="interleaved rounds (default 9)")
    options = parser.parse_args()
    logging.getLogger("radiomics").setLevel(logging.ERROR)
    regions = [_region(shape, seed) for seed, shape in enumerate(SIDES_PX)]
    engines = {"pyradiomics, stock": stock, "pyradiomics, preCrop": cropped, "numba": own}
    for measure in engines.values():
        measure(*regions[0])  # imports and compilation
    times = interleaved({n: _over(regions, m) for n, m in engines.items()}, options.repeats)
    base = statistics.median(times["pyradiomics, stock"])
    print(f"93 features of {len(regions)} regions, {sum(int(m.sum()) for _, m in regions)} pixels in all")
    print("\n| engine | median ms | best ms | over stock (median) |\n|---|---|---|---|")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"| {name} | {1e3 * median:.1f} | {1e3 * min(values):.1f} | {median / base:.3f} |")
    print(f"\nlargest relative difference: {max(largest_difference(*region) for region in regions):.1e}")
    print("\nOne ultradistal region as the engine measures it:")
    print("\n| family | features | median ms | best ms |\n|---|---|---|---|")
    patch = _patch()
    choices: dict[str, tuple[str, ...]] = {"core (default)": ("core", "variogram")}
    choices |= {family: (family,) for family in PREFIXES}
    choices["all families"] = tuple(PREFIXES)
    for chosen in choices.values():
        _family(patch, chosen)()
    whole = interleaved({n: _family(patch, c) for n, c in choices.items()}, options.repeats)
    for name, values in whole.items():
        count = len(_family(patch, choices[name])())
        print(f"| {name} | {count} | {1e3 * statistics.median(values):.1f} | {1e3 * min(values):.1f} |")


def interleaved(tasks: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Seconds of every task in every round; load on the machine hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            times[name].append(time.perf_counter() - start)
    return times


def stock(values: Array, mask: NDArray[np.bool_]) -> dict[str, float]:
    """pyradiomics with its defaults, as its examples call it."""
    return _pyradiomics(values, mask, {})


def cropped(values: Array, mask: NDArray[np.bool_]) -> dict[str, float]:
    """pyradiomics with the two settings that save time and change nothing."""
    return _pyradiomics(values, mask, {"preCrop": True, "additionalInfo": False})


def own(values: Array, mask: NDArray[np.bool_]) -> dict[str, float]:
    """The default engine."""
    return radiomic_classes.intensity_features(values, mask, bin_width=BIN_WIDTH_G_CM2, pixel_mm=PIXEL_MM)


def largest_difference(values: Array, mask: NDArray[np.bool_]) -> float:
    """Between default and reference engine, over all 93 features, relative."""
    reference = reference_engine.intensity_features(
        values, mask, bin_width=BIN_WIDTH_G_CM2, pixel_mm=PIXEL_MM
    )
    ours = own(values, mask)
    return max(abs(ours[name] / value - 1) for name, value in reference.items())


def _pyradiomics(values: Array, mask: NDArray[np.bool_], settings: Mapping[str, Any]) -> dict[str, float]:
    extractor = RadiomicsFeatureExtractor(binWidth=BIN_WIDTH_G_CM2, **settings)
    extractor.disableAllFeatures()
    for group in reference_engine.GROUPS:
        extractor.enableFeatureClassByName(group)
    image, label = (sitk.GetImageFromArray(part) for part in (values, mask.astype(np.uint8)))
    for part in (image, label):
        part.SetSpacing((PIXEL_MM, PIXEL_MM))
    return dict(extractor.execute(image, label))


def _over(regions: list[Region], measure: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: [measure(*region) for region in regions]


def _family(patch: Patch, families: tuple[str, ...]) -> Callable[[], dict[str, float]]:
    return lambda: family_features(patch, families, bin_width=BIN_WIDTH_G_CM2)


def _region(shape: tuple[int, int], seed: int, margin: int = 40) -> Region:
    """Texture on a slope, in an image with soft tissue around."""
    rng = np.random.default_rng(seed)
    rows, columns = (side + 2 * margin for side in shape)
    field = ndimage.gaussian_filter(rng.standard_normal((rows, columns)), 1.2)
    slope = np.linspace(0.35, 0.55, rows)[:, None]
    values = slope + 0.05 * field / field.std() + rng.normal(0, 0.012, field.shape)
    mask = np.zeros(field.shape, bool)
    mask[margin:-margin, margin:-margin] = True
    return np.where(ndimage.binary_dilation(mask, iterations=3), values, 0.02 * rng.random(mask.shape)), mask


def _patch() -> Patch:
    values, mask = _region(ULTRADISTAL_PX, seed=3, margin=MARGIN_PX)
    return Patch(values, ndimage.gaussian_filter(values, 0.6), mask)


if __name__ == "__main__":
    main()
