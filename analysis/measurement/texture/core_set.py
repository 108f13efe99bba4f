"""The core set: features that a repeated scan finds again.

Those of the families ``original``, ``lbp`` and ``fractal`` whose test-retest ICC(A,1) reached 0.90 in all
four
conditions of ``benchmarks/texture_reliability.py`` (60 subjects each, seed 5). Risk models read the variogram
besides, whatever its ICC.
"""

from __future__ import annotations

REQUIRED_ICC = 0.90

_BY_CLASS = {
    "original_firstorder": (
        "10Percentile 90Percentile Energy Entropy InterquartileRange Maximum Mean MeanAbsoluteDeviation "
        "Median Range RobustMeanAbsoluteDeviation RootMeanSquared TotalEnergy Uniformity Variance"
    ),
    "original_glcm": (
        "ClusterProminence ClusterTendency Contrast Correlation DifferenceAverage DifferenceEntropy "
        "DifferenceVariance Id Idm Imc1 Imc2 InverseVariance JointEnergy JointEntropy MCC MaximumProbability "
        "SumEntropy SumSquares"
    ),
    "original_glrlm": (
        "GrayLevelNonUniformity GrayLevelNonUniformityNormalized GrayLevelVariance LongRunEmphasis "
        "RunEntropy RunLengthNonUniformity RunLengthNonUniformityNormalized RunPercentage ShortRunEmphasis"
    ),
    "original_glszm": (
        "GrayLevelNonUniformityNormalized GrayLevelVariance LargeAreaEmphasis LargeAreaLowGrayLevelEmphasis "
        "ZoneEntropy ZonePercentage ZoneVariance"
    ),
    "original_gldm": (
        "DependenceEntropy DependenceNonUniformity GrayLevelNonUniformity GrayLevelVariance "
        "LargeDependenceEmphasis SmallDependenceEmphasis SmallDependenceHighGrayLevelEmphasis"
    ),
    "original_ngtdm": "Coarseness",
    "original_shape2D": "Elongation MajorAxisLength MaximumDiameter MeshSurface PixelSurface",
}

CORE = frozenset(f"{group}_{name}" for group, names in _BY_CLASS.items() for name in names.split())
"""Names of the core features; what reports show under IBSI codes is among them."""
