"""The core set: features that a repeated scan finds again.

Those of the families ``original``, ``lbp`` and ``fractal`` whose test-retest ICC(A,1) reached 0.90 in every
column of ``docs/texture_icc.csv``, which ``benchmarks/texture_reliability.py`` writes.
"""

from __future__ import annotations

REQUIRED_ICC = 0.90

_BY_CLASS = {
    "fractal": "box_counting",
    "original_firstorder": (
        "10Percentile 90Percentile Energy Entropy InterquartileRange Kurtosis Maximum Mean "
        "MeanAbsoluteDeviation Median Range RobustMeanAbsoluteDeviation RootMeanSquared Skewness TotalEnergy "
        "Uniformity Variance"
    ),
    "original_glcm": (
        "Autocorrelation ClusterProminence ClusterTendency Contrast Correlation DifferenceAverage "
        "DifferenceEntropy DifferenceVariance Id Idm Imc1 Imc2 InverseVariance JointAverage JointEnergy "
        "JointEntropy MCC MaximumProbability SumAverage SumEntropy SumSquares"
    ),
    "original_glrlm": (
        "GrayLevelNonUniformity GrayLevelNonUniformityNormalized GrayLevelVariance HighGrayLevelRunEmphasis "
        "LongRunEmphasis RunEntropy RunLengthNonUniformity RunLengthNonUniformityNormalized RunPercentage "
        "RunVariance ShortRunEmphasis ShortRunHighGrayLevelEmphasis"
    ),
    "original_glszm": (
        "GrayLevelNonUniformityNormalized GrayLevelVariance HighGrayLevelZoneEmphasis LargeAreaEmphasis "
        "ZoneEntropy ZonePercentage ZoneVariance"
    ),
    "original_gldm": (
        "DependenceEntropy DependenceNonUniformity DependenceVariance GrayLevelNonUniformity "
        "GrayLevelVariance HighGrayLevelEmphasis LargeDependenceEmphasis LargeDependenceLowGrayLevelEmphasis "
        "SmallDependenceEmphasis SmallDependenceHighGrayLevelEmphasis"
    ),
    "original_ngtdm": "Busyness Coarseness Complexity",
    "original_shape2D": "Elongation MajorAxisLength MaximumDiameter MeshSurface PixelSurface",
}

CORE = frozenset(f"{group}_{name}" for group, names in _BY_CLASS.items() for name in names.split())
"""Names of the core features. The variogram family is measured besides, whatever its ICC."""

REPORTED = frozenset(
    f"original_{name}"
    for name in (
        "glcm_JointEntropy",
        "glcm_Contrast",
        "glcm_Correlation",
        "glcm_JointEnergy",
        "glrlm_ShortRunEmphasis",
        "glrlm_LongRunEmphasis",
    )
)
"""What every report shows under an IBSI code; measured with the core even where less reliable."""
