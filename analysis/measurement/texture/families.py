"""Which texture features there are, by family, and how many each family must give."""

from __future__ import annotations

from types import MappingProxyType

from analysis.config import TextureFamily

GROUPS = MappingProxyType(
    {"firstorder": 18, "glcm": 24, "glrlm": 16, "glszm": 16, "gldm": 14, "ngtdm": 5, "shape2D": 9}
)
"""Features by pyradiomics class; shape belongs to the region alone, the others to every image."""

PER_IMAGE = sum(GROUPS.values()) - GROUPS["shape2D"]

EXPECTED = MappingProxyType(
    {
        "original": PER_IMAGE + GROUPS["shape2D"],
        "log": 3 * PER_IMAGE,
        "wavelet": 4 * PER_IMAGE,
        "lbp": 28,
        "fractal": 2,
        "variogram": 7,
    }
)
"""Features by family: 102, 279, 372, ...; a filter that gives fewer is an error, never a gap."""

PREFIXES: dict[TextureFamily, str] = {
    "original": "original_",
    "log": "log-sigma-",
    "wavelet": "wavelet-",
    "lbp": "lbp_",
    "fractal": "fractal_",
    "variogram": "variogram_",
}
"""How the names of a family's features begin."""


def family_of(name: str) -> TextureFamily:
    """The family of a feature, by its name.

    Raises
    ------
    KeyError
        If no family names its features like that.
    """
    for family, prefix in PREFIXES.items():
        if name.startswith(prefix):
            return family
    raise KeyError(name)


def names(text: str) -> tuple[str, ...]:
    """Split a list of names that would fill a page one below the other."""
    return tuple(text.split())
