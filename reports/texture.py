"""Texture features by code; texture is measured on the ultradistal radius."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from analysis.errors import ConfigurationError
from reports.codes import G_PER_CM2, MM, MM2, SCHEME, UNITLESS

TEXTURE_REGION = "ultradistal"
"""The region whose texture `analysis.measurement.texture` measures: that is where trabecular bone is."""

_SHORT_NAMES = {
    "variogram_slope": Code("VARIOGRAM_SLOPE", SCHEME, "Variogram slope"),
    "variogram_snr": Code("TEXTURE_SNR", SCHEME, "Texture to noise"),
    "original_glcm_JointEntropy": Code("TU9B", "IBSI", "GLCM joint entropy"),
    "original_glcm_Contrast": Code("ACUI", "IBSI", "GLCM contrast"),
    "original_glcm_Correlation": Code("NI2N", "IBSI", "GLCM correlation"),
    "original_glcm_JointEnergy": Code("8ZQL", "IBSI", "GLCM second moment"),
    "original_glrlm_ShortRunEmphasis": Code("22OV", "IBSI", "GLRLM short runs"),
    "original_glrlm_LongRunEmphasis": Code("W4KF", "IBSI", "GLRLM long runs"),
}
"""What is listed unless a site chooses otherwise, under names that fit beside the picture."""

IBSI_CODES = MappingProxyType(
    {
        "firstorder": "Entropy TLU2 Uniformity BJ5W",
        "glcm": (
            "Autocorrelation QWB0 ClusterProminence AE86 ClusterShade 7NFM ClusterTendency DG8W Contrast "
            "ACUI Correlation NI2N DifferenceAverage TF7R DifferenceEntropy NTRS DifferenceVariance D3YU "
            "Id IB1Z Idm WF0Z Idmn 1QCO Idn NDRX Imc1 R8DG Imc2 JN9H InverseVariance E8JP JointAverage "
            "60VM JointEnergy 8ZQL JointEntropy TU9B MaximumProbability GYBY SumAverage ZGXS SumEntropy "
            "P6QZ SumSquares UR99"
        ),
        "glrlm": (
            "ShortRunEmphasis 22OV LongRunEmphasis W4KF GrayLevelNonUniformity R5YN "
            "GrayLevelNonUniformityNormalized OVBL RunLengthNonUniformity W92Y "
            "RunLengthNonUniformityNormalized IC23 RunPercentage 9ZK5 GrayLevelVariance 8CE5 RunVariance "
            "SXLW RunEntropy HJ9O LowGrayLevelRunEmphasis V3SW HighGrayLevelRunEmphasis G3QZ "
            "ShortRunLowGrayLevelEmphasis HTZT ShortRunHighGrayLevelEmphasis GD3A "
            "LongRunLowGrayLevelEmphasis IVPO LongRunHighGrayLevelEmphasis 3KUM"
        ),
        "glszm": (
            "SmallAreaEmphasis 5QRC LargeAreaEmphasis 48P8 GrayLevelNonUniformity JNSA "
            "GrayLevelNonUniformityNormalized Y1RO SizeZoneNonUniformity 4JP3 "
            "SizeZoneNonUniformityNormalized VB3A ZonePercentage P30P GrayLevelVariance BYLV ZoneVariance "
            "3NSA ZoneEntropy GU8N LowGrayLevelZoneEmphasis XMSY HighGrayLevelZoneEmphasis 5GN9 "
            "SmallAreaLowGrayLevelEmphasis 5RAI SmallAreaHighGrayLevelEmphasis HW1V "
            "LargeAreaLowGrayLevelEmphasis YH51 LargeAreaHighGrayLevelEmphasis J17V"
        ),
        "gldm": (
            "SmallDependenceEmphasis SODN LargeDependenceEmphasis IMOQ GrayLevelNonUniformity FP8K "
            "DependenceNonUniformity Z87G DependenceNonUniformityNormalized OKJI GrayLevelVariance 1PFV "
            "DependenceVariance DNX2 DependenceEntropy FCBV LowGrayLevelEmphasis TL9H "
            "HighGrayLevelEmphasis OAE7 SmallDependenceLowGrayLevelEmphasis EQ3F "
            "SmallDependenceHighGrayLevelEmphasis JA6D LargeDependenceLowGrayLevelEmphasis NBZI "
            "LargeDependenceHighGrayLevelEmphasis 9QMG"
        ),
        "ngtdm": "Busyness NQ30 Coarseness QCDE Complexity HDEZ Contrast 65HE Strength 1X9X",
    }
)
"""pyradiomics class -> its features and their codes in PS3.16 CID 7467, 7475, 7476, 7478, 7500 and 7501.

The correspondence is that of ``docs/texture.md``, measured on IBSI's digital phantom. Statistics of the
undiscretised density, the 2-D shapes and MCC are not in those context groups: they have private codes.
"""

_PRIVATE = MappingProxyType(
    {
        "original_firstorder": (
            "10Percentile 90Percentile Energy InterquartileRange Kurtosis Maximum Mean "
            "MeanAbsoluteDeviation Median Minimum Range RobustMeanAbsoluteDeviation RootMeanSquared "
            "Skewness TotalEnergy Variance"
        ),
        "original_shape2D": (
            "Elongation MajorAxisLength MaximumDiameter MeshSurface MinorAxisLength Perimeter "
            "PerimeterSurfaceRatio PixelSurface Sphericity"
        ),
        "original_glcm": "MCC",
        "variogram": "slope sill log_sill snr range_mm robust_slope robust_snr",
        "fractal": "box_counting power_spectrum",
    }
)
"""Prefix of a feature's name -> features whose definition no public code names."""

_FAMILY_NAMES = {
    "original_firstorder": "First-order",
    "original_shape2D": "2-D shape",
    "original_glcm": "GLCM",
    "variogram": "Variogram",
    "fractal": "Fractal",
}

G2_PER_CM4 = Code("g2/cm4", "UCUM", "g2/cm4")
PER_MM = Code("/mm", "UCUM", "/mm")
_UNITS_OF_DENSITY = {
    G_PER_CM2: (
        "10Percentile 90Percentile InterquartileRange Maximum Mean MeanAbsoluteDeviation Median "
        "Minimum Range RobustMeanAbsoluteDeviation RootMeanSquared"
    ),
    G2_PER_CM4: "Energy Variance",
    Code("g2.mm2/cm4", "UCUM", "g2.mm2/cm4"): "TotalEnergy",
}
_UNITS_OF_SHAPE = {
    MM: "MajorAxisLength MaximumDiameter MinorAxisLength Perimeter",
    MM2: "MeshSurface PixelSurface",
    Code("/mm", "UCUM", "/mm"): "PerimeterSurfaceRatio",
}
DENSITY_UNITS: Mapping[str, Code] = MappingProxyType(
    {
        "variogram_sill": G2_PER_CM4,
        **{
            f"original_firstorder_{n}": unit
            for unit, names in _UNITS_OF_DENSITY.items()
            for n in names.split()
        },
    }
)
"""Feature -> UCUM where the image is calibrated; of bare greys they are pure numbers."""
LENGTH_UNITS: Mapping[str, Code] = MappingProxyType(
    {
        "variogram_range_mm": MM,
        **{f"original_shape2D_{n}": unit for unit, names in _UNITS_OF_SHAPE.items() for n in names.split()},
    }
)
"""Feature -> UCUM on any image; all others are pure numbers."""


def _by_ibsi_code() -> dict[str, Code]:
    public = {code.value: code for code in codes.IBSI.concepts.values()}
    table = {}
    for group, text in IBSI_CODES.items():
        words = text.split()
        for name, value in zip(words[::2], words[1::2], strict=True):
            table[f"original_{group}_{name}"] = public[value]
    return table


def _by_private_code() -> dict[str, Code]:
    """Codes numbered within their family: most names are longer than a Code Value may be."""
    table = {}
    for prefix, names in _PRIVATE.items():
        family = prefix.removeprefix("original_").upper()
        for place, name in enumerate(names.split(), start=1):
            meaning = f"{_FAMILY_NAMES[prefix]} {name.replace('_', ' ')}"
            table[f"{prefix}_{name}"] = Code(f"{family}_{place:02}", SCHEME, meaning)
    for points, radius in ((8, 1), (16, 2)):
        for arc in range(points + 2):
            key = f"lbp_p{points}_r{radius}_{arc}"
            table[key] = Code(key.upper(), SCHEME, f"Local binary pattern P{points} R{radius} {arc}")
    return table


TEXTURE: Mapping[str, Code] = MappingProxyType(
    _SHORT_NAMES
    | {
        name: code
        for name, code in (_by_ibsi_code() | _by_private_code()).items()
        if name not in _SHORT_NAMES
    }
)
"""`StudyAnalysis.texture` key -> concept, for every feature of an unfiltered image."""


def check_texture_choice(names: Sequence[str]) -> None:
    """Check a site's short list of texture features.

    Raises
    ------
    ConfigurationError
        A name is unknown, or belongs to a filtered image (``log``, ``wavelet``), for which no code exists.
    """
    unknown = [name for name in names if name not in TEXTURE]
    if unknown:
        raise ConfigurationError(
            f"texture: no code is known for {', '.join(unknown)}; choose among the features of an "
            f"unfiltered image, e.g. {', '.join(list(TEXTURE)[:3])}; the attached file carries all features"
        )
    if len(set(names)) != len(names):
        raise ConfigurationError(f"texture: {', '.join(names)} names a feature twice; name each once")


def coded_texture(
    texture: Mapping[str, float | None], names: Sequence[str], *, calibrated: bool
) -> list[tuple[Code, float, Code]]:
    """Return concept, value and unit of the named features that were measured, in the order of `names`.

    Parameters
    ----------
    texture : mapping of str to float or None
    names : sequence of str
        Keys of `TEXTURE`.
    calibrated : bool
        Whether texture was measured in g/cm², not in greys.
    """
    units = {**LENGTH_UNITS, **(DENSITY_UNITS if calibrated else {})}
    return [
        (TEXTURE[name], value, units.get(name, UNITLESS))
        for name in names
        if (value := texture.get(name)) is not None
    ]
