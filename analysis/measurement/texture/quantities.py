"""What the texture features outside IBSI are; the IBSI features have their codes in `reports`."""

from __future__ import annotations

from analysis.measurement.catalogue import Quantity, catalogue
from analysis.measurement.texture.local_patterns import NEIGHBOURS_AND_RADII

_POTHUAUD = "after Pothuaud et al., Bone 2008;42:775; not the commercial TBS"
_DONG = "after Dong et al. 2013, PMC3755113"
_OJALA = "Ojala et al., IEEE Trans Pattern Anal Mach Intell 2002;24:971"

_OTHERS = (
    Quantity("variogram_slope", "1", "log-log slope of the variogram, lags 0.5 to 1.5 mm", _POTHUAUD),
    Quantity("variogram_sill", "g2/cm4", "mean of the variogram over lags 2 to 3 mm", _DONG),
    Quantity("variogram_log_sill", "1", "natural logarithm of the sill", _DONG),
    Quantity(
        "variogram_snr",
        "1",
        "standard deviation of the texture over that of the noise",
        "Immerkaer, Comput Vis Image Underst 1996;64:300",
    ),
    Quantity("variogram_range_mm", "mm", "lag at which the variogram reaches 80 % of its sill", "assumption"),
    Quantity(
        "variogram_robust_slope",
        "1",
        "log-log slope of the variogram, lags 1 to 2.5 mm, after a Gaussian mean of 0.5 mm",
        _POTHUAUD,
    ),
    Quantity(
        "variogram_robust_snr",
        "1",
        "texture over noise after a Gaussian mean of 0.5 mm",
        "assumption",
    ),
    Quantity(
        "fractal_box_counting",
        "1",
        "box-counting dimension of the density surface, boxes of 0.5 to 3 mm",
        "Sarkar & Chaudhuri, IEEE Trans Syst Man Cybern 1994;24:115",
    ),
    Quantity(
        "fractal_power_spectrum",
        "1",
        "4 - beta/2 of the power spectrum, 0.3 to 0.9 per mm",
        "Peitgen & Saupe, The Science of Fractal Images, 1988",
    ),
)
_PATTERNS = tuple(
    Quantity(
        f"lbp_p{points}_r{radius:.0f}_{code}",
        "1",
        f"share of pixels with {code} of {points} neighbours at least as dense, in one arc"
        if code <= points
        else "share of pixels with more than one arc of denser neighbours",
        _OJALA,
    )
    for points, radius in NEIGHBOURS_AND_RADII
    for code in range(points + 2)
)

CATALOGUE = catalogue((*_OTHERS, *_PATTERNS))
"""By feature name: the variogram, fractal and lbp families."""
