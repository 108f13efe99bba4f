"""What every input of a risk model is called, in English and Simplified Chinese."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Language = Literal["en", "zh"]

LANGUAGES: tuple[Language, ...] = ("en", "zh")

Words = tuple[str, str]
"""English, Chinese."""

ENTERED: Mapping[str, Words] = MappingProxyType(
    {
        "age_years": ("Age", "年龄"),
        "male": ("Sex", "性别"),
        "height_mm": ("Height", "身高"),
        "weight_kg": ("Weight", "体重"),
        "bmi_kg_m2": ("Body mass index", "体重指数"),
        "turnover.ctx_ng_l": ("Serum CTX", "血清CTX"),
        "turnover.pinp_ug_l": ("Serum PINP", "血清PINP"),
        "clinical.prior_fracture": ("Prior fragility fracture", "既往脆性骨折"),
        "clinical.recent_fracture": ("Fracture within the last two years", "近两年内骨折"),
        "clinical.parental_fracture": ("Parental hip fracture", "父母髋部骨折史"),
        "clinical.glucocorticoid_mg_d": (
            "Glucocorticoid dose (prednisolone equivalent)",
            "糖皮质激素剂量（泼尼松龙当量）",
        ),
        "clinical.rheumatoid_arthritis": ("Rheumatoid arthritis", "类风湿关节炎"),
        "clinical.current_smoker": ("Current smoking", "当前吸烟"),
        "clinical.alcohol_units_d": ("Alcohol intake", "酒精摄入量"),
        "clinical.type1_diabetes": ("Type 1 diabetes", "1型糖尿病"),
        "clinical.type2_diabetes": ("Type 2 diabetes", "2型糖尿病"),
        "clinical.falls_past_year": ("Number of falls in the past year", "过去一年跌倒次数"),
        "clinical.secondary_osteoporosis": ("Secondary cause of osteoporosis", "继发性骨质疏松病因"),
        "clinical.osteoporosis_medication": ("Osteoporosis medication", "抗骨质疏松药物治疗"),
        "clinical.egfr_ml_min": ("Renal function (eGFR)", "肾功能（eGFR）"),
        "clinical.vitamin_d_nmol_l": ("25-hydroxyvitamin D", "25-羟维生素D"),
        "genetics.tnfsf11_rs9533090_t": (
            "Number of RANKL risk alleles (rs9533090)",
            "RANKL风险等位基因数（rs9533090）",
        ),
        "genetics.tnfrsf11b_rs4355801_a": (
            "Number of OPG risk alleles (rs4355801)",
            "OPG风险等位基因数（rs4355801）",
        ),
        "genetics.lrp5_rs3736228_t": (
            "Number of LRP5 risk alleles (rs3736228)",
            "LRP5风险等位基因数（rs3736228）",
        ),
        "genetics.vdr_rs1544410_a": ("Number of VDR alleles (rs1544410)", "VDR等位基因数（rs1544410）"),
        "balance_gait.gait_speed_m_s": ("Gait speed", "步速"),
        "balance_gait.timed_up_and_go_s": ("Timed up and go", "起立行走计时"),
        "balance_gait.sway_mm_s": ("Sway velocity", "身体摆动速度"),
        "balance_gait.grip_kg": ("Grip strength", "握力"),
    }
)
"""Entries of `analysis.risk.predictors.PREDICTORS`."""

YES_OR_NO = frozenset(
    {
        "clinical.prior_fracture",
        "clinical.recent_fracture",
        "clinical.parental_fracture",
        "clinical.rheumatoid_arthritis",
        "clinical.current_smoker",
        "clinical.type1_diabetes",
        "clinical.type2_diabetes",
        "clinical.secondary_osteoporosis",
        "clinical.osteoporosis_medication",
    }
)
"""Inputs that are present or absent; sex is told as male or female."""

REGIONS: Mapping[str, Words] = MappingProxyType(
    {
        "ultradistal": ("Ultradistal radius", "桡骨超远端"),
        "mid": ("Mid radius", "桡骨中段"),
        "one_third": ("One-third radius", "桡骨远端1/3"),
        "total": ("Total radius", "桡骨总体"),
    }
)

OF_REGION: Mapping[str, Words] = MappingProxyType(
    {
        "bmd_g_cm2": ("BMD", "骨密度"),
        "t_score": ("T-score", "T值"),
        "z_score": ("Z-score", "Z值"),
        "bmc_g": ("BMC", "骨矿含量"),
        "area_cm2": ("area", "面积"),
        "mean_g_cm2": ("mean density", "平均密度"),
        "sd_g_cm2": ("spread of density", "密度标准差"),
        "skewness_1": ("skewness of density", "密度偏度"),
        "kurtosis_1": ("kurtosis of density", "密度峰度"),
        "p05_g_cm2": ("5th percentile of density", "密度第5百分位数"),
        "p25_g_cm2": ("25th percentile of density", "密度第25百分位数"),
        "p50_g_cm2": ("median density", "密度中位数"),
        "p75_g_cm2": ("75th percentile of density", "密度第75百分位数"),
        "p95_g_cm2": ("95th percentile of density", "密度第95百分位数"),
        "high_density_fraction_1": ("share of high density", "高密度面积比例"),
        "entropy_bit": ("entropy of density", "密度熵"),
        "axial_gradient_g_cm2_mm": ("gradient of density along the bone", "密度轴向梯度"),
        "transverse_gradient_g_cm2_mm": ("gradient of density across the bone", "密度横向梯度"),
        "shell_g_cm2": ("density of the wall", "骨壁密度"),
        "core_g_cm2": ("density of the trabecular core", "松质骨核心密度"),
        "shell_to_core_1": ("ratio of wall to core density", "骨壁与核心密度比"),
        "cortical_peak_g_cm2": ("cortical peak of density", "皮质密度峰值"),
        "medullary_trough_g_cm2": ("medullary trough of density", "髓腔密度谷值"),
        "trough_to_peak_1": ("ratio of trough to peak", "谷峰比"),
        "bone_area_mm2": ("bone area of the section", "截面骨面积"),
        "inertia_mm4": ("second moment of area", "截面惯性矩"),
        "section_modulus_mm3": ("section modulus", "截面模量"),
        "mean_strain": ("mean strain", "平均应变"),
    }
)
"""Quantities that several regions have."""

OTHER: Mapping[str, Words] = MappingProxyType(
    {
        "cortical_thickness_mm": ("Cortical thickness", "皮质厚度"),
        "cortical_thickness_radial_mm": ("Cortical thickness on the radial side", "桡侧皮质厚度"),
        "cortical_thickness_ulnar_mm": ("Cortical thickness on the ulnar side", "尺侧皮质厚度"),
        "cortical_thickness_shaft_mm": ("Cortical thickness along the shaft", "骨干皮质厚度"),
        "cortical_thickness_least_mm": ("Thinnest cortex", "最薄处皮质厚度"),
        "medullary_width_mm": ("Medullary width", "髓腔宽度"),
        "shaft_diameter_mm": ("Shaft diameter", "骨干直径"),
        "ring_model_bmd_g_cm2": ("Ring model BMD", "环形模型骨密度"),
        "cortical_area_mm2": ("Cortical area", "皮质面积"),
        "cortical_index": ("Cortical index", "皮质指数"),
        "image_blur_mm": ("Image blur", "图像模糊度"),
        "distal_width_mm": ("Distal width", "桡骨远端宽度"),
        "radial_inclination_deg": ("Radial inclination", "桡骨尺偏角"),
        "ulnar_variance_mm": ("Ulnar variance", "尺骨变异"),
        "shaft_bow_mm": ("Shaft bow", "骨干弓形"),
        "shaft_bow_level_mm": ("Level of the shaft bow", "骨干弓形最深处位置"),
        "mean_strain_index": ("Mean strain index", "平均应变指数"),
        "maximum_strain": ("95th percentile of strain", "应变第95百分位数"),
        "axial_stiffness_n_mm": ("Axial stiffness", "轴向刚度"),
        "bending_stiffness_n_mm": ("Bending stiffness", "弯曲刚度"),
        "variogram_slope": ("Variogram slope", "变异函数斜率"),
        "variogram_sill": ("Variogram sill", "变异函数基台值"),
        "variogram_log_sill": ("Logarithm of the variogram sill", "变异函数基台值对数"),
        "variogram_snr": ("Texture to noise", "纹理噪声比"),
        "variogram_range_mm": ("Variogram range", "变异函数变程"),
        "variogram_robust_slope": ("Variogram slope of the smoothed image", "平滑后变异函数斜率"),
        "variogram_robust_snr": ("Texture to noise of the smoothed image", "平滑后纹理噪声比"),
        "fractal_box_counting": ("Fractal dimension (boxes)", "分形维数（盒计数）"),
        "fractal_power_spectrum": ("Fractal dimension (spectrum)", "分形维数（功率谱）"),
    }
)
"""Quantities of the whole radius and of its texture."""

FAMILY_NAMES: Mapping[str, Words] = MappingProxyType(
    {
        "demography": ("age, sex and body size", "年龄、性别和体格"),
        "densitometry": ("bone density", "骨密度"),
        "microstructure": ("bone structure and texture", "骨结构与纹理"),
        "turnover": ("bone turnover", "骨转换"),
        "clinical": ("clinical risk factors", "临床危险因素"),
        "genetics": ("genetics", "遗传因素"),
        "balance_gait": ("balance and gait", "平衡与步态"),
    }
)
"""Families of `analysis.risk.predictors.Family`, as within a sentence."""

TEXTURE_TOGETHER: Words = ("the texture of the ultradistal radius", "桡骨超远端纹理")
"""All texture features as one, within a sentence."""

IMAGE: Words = ("Appearance of the bone to the image network", "图像网络所见的骨骼外观")

_MATRICES = {"glcm": "GLCM", "glrlm": "GLRLM", "glszm": "GLSZM", "gldm": "GLDM", "ngtdm": "NGTDM"}
_SPELLED = {
    "JointEnergy": "second moment",
    "Id": "inverse difference",
    "Idn": "normalised inverse difference",
    "Idm": "inverse difference moment",
    "Idmn": "normalised inverse difference moment",
    "Imc1": "first measure of information correlation",
    "Imc2": "second measure of information correlation",
    "MCC": "maximal correlation coefficient",
}
"""pyradiomics' name -> IBSI's, where they differ or the former is an abbreviation."""
_TEXTURE_IN_CHINESE = {
    "Contrast": "对比度",
    "Correlation": "相关性",
    "JointEntropy": "联合熵",
    "JointEnergy": "角二阶矩",
    "Id": "逆差分",
    "Idn": "归一化逆差分",
    "Idm": "逆差矩",
    "Idmn": "归一化逆差矩",
    "Imc1": "信息相关性度量一",
    "Imc2": "信息相关性度量二",
    "MCC": "最大相关系数",
    "Autocorrelation": "自相关",
    "ClusterProminence": "聚类突出度",
    "ClusterShade": "聚类阴影",
    "ClusterTendency": "聚类趋势",
    "DifferenceAverage": "差平均",
    "DifferenceEntropy": "差熵",
    "DifferenceVariance": "差方差",
    "InverseVariance": "逆方差",
    "JointAverage": "联合平均",
    "MaximumProbability": "最大概率",
    "SumAverage": "和平均",
    "SumEntropy": "和熵",
    "SumSquares": "平方和",
    "RunPercentage": "游程百分比",
    "ShortRunEmphasis": "短游程强调",
    "LongRunEmphasis": "长游程强调",
    "RunEntropy": "游程熵",
    "RunVariance": "游程方差",
    "RunLengthNonUniformity": "游程长度不均匀性",
    "RunLengthNonUniformityNormalized": "归一化游程长度不均匀性",
    "GrayLevelNonUniformity": "灰度不均匀性",
    "GrayLevelNonUniformityNormalized": "归一化灰度不均匀性",
    "GrayLevelVariance": "灰度方差",
    "HighGrayLevelRunEmphasis": "高灰度游程强调",
    "LowGrayLevelRunEmphasis": "低灰度游程强调",
    "LongRunHighGrayLevelEmphasis": "长游程高灰度强调",
    "LongRunLowGrayLevelEmphasis": "长游程低灰度强调",
    "ShortRunHighGrayLevelEmphasis": "短游程高灰度强调",
    "ShortRunLowGrayLevelEmphasis": "短游程低灰度强调",
    "SmallAreaEmphasis": "小区域强调",
    "LargeAreaEmphasis": "大区域强调",
    "SizeZoneNonUniformity": "区域大小不均匀性",
    "SizeZoneNonUniformityNormalized": "归一化区域大小不均匀性",
    "ZoneEntropy": "区域熵",
    "ZonePercentage": "区域百分比",
    "ZoneVariance": "区域方差",
    "HighGrayLevelZoneEmphasis": "高灰度区域强调",
    "LowGrayLevelZoneEmphasis": "低灰度区域强调",
    "SmallAreaHighGrayLevelEmphasis": "小区域高灰度强调",
    "SmallAreaLowGrayLevelEmphasis": "小区域低灰度强调",
    "LargeAreaHighGrayLevelEmphasis": "大区域高灰度强调",
    "LargeAreaLowGrayLevelEmphasis": "大区域低灰度强调",
    "DependenceEntropy": "依赖熵",
    "DependenceVariance": "依赖方差",
    "DependenceNonUniformity": "依赖不均匀性",
    "DependenceNonUniformityNormalized": "归一化依赖不均匀性",
    "SmallDependenceEmphasis": "小依赖强调",
    "LargeDependenceEmphasis": "大依赖强调",
    "HighGrayLevelEmphasis": "高灰度强调",
    "LowGrayLevelEmphasis": "低灰度强调",
    "SmallDependenceHighGrayLevelEmphasis": "小依赖高灰度强调",
    "SmallDependenceLowGrayLevelEmphasis": "小依赖低灰度强调",
    "LargeDependenceHighGrayLevelEmphasis": "大依赖高灰度强调",
    "LargeDependenceLowGrayLevelEmphasis": "大依赖低灰度强调",
    "Coarseness": "粗糙度",
    "Busyness": "繁忙度",
    "Complexity": "复杂度",
    "Strength": "强度",
    "Entropy": "熵",
    "Uniformity": "均匀性",
}
"""pyradiomics' name -> Chinese, after IBSI's definitions."""


def _spoken(quantity: str) -> str:
    """As `analysis.risk.inputs.feature_phrase` does."""
    return quantity.removesuffix("_mm").replace("_", " ")


_MEASURED_PHRASES: Mapping[str, str] = MappingProxyType(
    {_spoken(quantity): f"measured.{quantity}" for quantity in OTHER}
    | {
        _spoken(f"{region}_{quantity}"): f"measured.{region}_{quantity}"
        for region in REGIONS
        for quantity in OF_REGION
    }
)


def _texture_feature(phrase: str) -> str | None:
    """``original glcm Contrast`` as a feature, if there is a Chinese word for it."""
    match = re.fullmatch(rf"[\w-]+ (?:{'|'.join(_MATRICES)}) (\w+)", phrase)
    known = match is not None and match[1] in _TEXTURE_IN_CHINESE
    return f"texture.{phrase.replace(' ', '_')}" if known else None


def feature_name(feature: str, language: Language) -> str:
    """Name an input of a model, e.g. ``one_third.bmd_g_cm2`` as "One-third radius BMD".

    Never fails: an input that the catalogue lacks is called by its own name.
    """
    return _words(feature)[LANGUAGES.index(language)]


def phrase_of_feature(phrase: str, language: Language) -> str | None:
    """Say what the engine calls a measured input in running text, e.g. ``cortical thickness``.

    Returns
    -------
    str or None
        None if `phrase` is not the name of a catalogued quantity without its ``_mm`` and underscores.
    """
    feature = _MEASURED_PHRASES.get(phrase) or _texture_feature(phrase)
    return None if feature is None else feature_name(feature, language)


def region_name(region: str, language: Language) -> str:
    """Name a region of the radius, e.g. ``one_third`` as "One-third radius"."""
    return REGIONS[region][LANGUAGES.index(language)]


def texture_name(quantity: str, language: Language) -> str:
    """Name a texture feature where the text around it says that it is texture."""
    return _feature_of_texture(quantity)[LANGUAGES.index(language)]


def family_name(family: str, language: Language) -> str:
    """Name a family of inputs as within a sentence."""
    return FAMILY_NAMES[family][LANGUAGES.index(language)]


def _words(feature: str) -> Words:
    group, _, quantity = feature.partition(".")
    catalogued = ENTERED.get(feature) or OTHER.get(quantity) or _regional(group, quantity)
    if catalogued:
        return catalogued
    if group == "image":
        return IMAGE
    if group == "texture":
        english, chinese = _feature_of_texture(quantity)
        return english, f"纹理特征 {chinese}"
    plain = (quantity or feature).replace("_", " ")
    return plain[:1].upper() + plain[1:], plain


def _regional(group: str, quantity: str) -> Words | None:
    """``one_third.bmd_g_cm2`` or ``density_distribution.one_third_mean_g_cm2``."""
    if group in REGIONS and quantity in OF_REGION:
        return _in_region(group, quantity)
    for region in REGIONS:
        if quantity.startswith(f"{region}_") and quantity.removeprefix(f"{region}_") in OF_REGION:
            return _in_region(region, quantity.removeprefix(f"{region}_"))
    return None


def _in_region(region: str, quantity: str) -> Words:
    (english, chinese), (of_english, of_chinese) = REGIONS[region], OF_REGION[quantity]
    gap = " " if of_chinese[0].isascii() else ""
    return f"{english} {of_english}", f"{chinese}{gap}{of_chinese}"


def _feature_of_texture(quantity: str) -> Words:
    """``original_glcm_Contrast`` as "GLCM contrast"; the Chinese keeps English words it has no entry for."""
    if quantity in OTHER:
        return OTHER[quantity]
    *prefix, name = quantity.split("_")
    matrix = next((_MATRICES[part] for part in prefix if part in _MATRICES), "")
    filtered = "" if not prefix or prefix[0] == "original" or not matrix else f" ({prefix[0]})"
    spelled = _SPELLED.get(name) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()
    english = f"{matrix} {spelled}" if matrix else " ".join([*prefix, spelled])
    english = f"{english[:1].upper()}{english[1:]}{filtered}"
    chinese = f"{matrix}{_TEXTURE_IN_CHINESE[name]}{filtered}" if name in _TEXTURE_IN_CHINESE else english
    return english, chinese
