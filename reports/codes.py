"""Every coded concept the results use, each with the place it comes from.

Public codes are used wherever one says exactly what is meant. The rest are private, under one declared scheme
(`SCHEME`), which every Structured Report names in its Coding Scheme Identification Sequence. They have at
most 16 characters: longer ones would need Long Code Value (0008,0119), which viewers ignore.

Viewers print Code Meanings of measurements next to the picture and OHIF prints only the first five of a
region: they are short (at most 20 characters) and say the region or horizon themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from analysis.results import HORIZONS_YEARS, BmdSource, DiagnosticCategory, Laterality
from analysis.wording import Language
from reports.identity import MANUFACTURER, result_uid

SCHEME = "99RADIUSDXA"
"""Coding Scheme Designator of the private codes; the prefix 99 marks it as private (PS3.16 section 8)."""

SCHEME_UID = result_uid(SCHEME, "coding scheme")
SCHEME_NAME = "Radius DXA Node private codes"
SCHEME_VERSION = "1"
SCHEME_ORGANIZATION = MANUFACTURER
"""What the Coding Scheme Identification Sequence (0008,0110) of every Structured Report says of `SCHEME`."""


def _private(value: str, meaning: str) -> Code:
    return Code(value, SCHEME, meaning)


# --- units ----------------------------------------------------------------------------------------------

G_PER_CM2 = Code("g/cm2", "UCUM", "g/cm2")
GRAM = Code("g", "UCUM", "g")
CM2 = codes.UCUM.SquareCentimeter
MM = codes.UCUM.Millimeter
MM2, MM3, MM4 = (Code(f"mm{power}", "UCUM", f"mm{power}") for power in (2, 3, 4))
DEGREE = Code("deg", "UCUM", "degree")
PERCENT = codes.UCUM.Percent
T_SCORE_UNIT = Code("{T-score}", "UCUM", "T-score")
"""The unit LOINC gives as example for its T-scores."""
Z_SCORE_UNIT = Code("{Z-score}", "UCUM", "Z-score")
UNITLESS = codes.UCUM.NoUnits
PIXELS = Code("{pixels}", "UCUM", "pixels")
"""PS3.16 TID 1602 rows Pixel Data Rows and Columns."""

# --- document titles and procedure ----------------------------------------------------------------------

IMAGING_MEASUREMENT_REPORT = codes.DCM.ImagingMeasurementReport
"""(126000, DCM), PS3.16 CID 7021."""

DIAGNOSTIC_IMAGING_REPORT = Code("18748-4", "LN", "Diagnostic Imaging Report")
"""PS3.16 CID 7000. LOINC 38269-7 "Study report Skeletal system DXA" says more; PixelMed does not know it."""

INDICATION = codes.DCM.Request
"""(121062, DCM), PS3.16 CID 7002."""

STUDY_NOT_ANALYSED = _private("NOT_ANALYSED", "Study not analysed")
"""Title of a refusal: PS3.16 CID 7000 has none, and the report's would make it a version of the report."""

DXA_PROCEDURE = Code("241686001", "SCT", "Dual energy X-ray absorptiometry")
"""SNOMED CT, PS3.16 CID 10005. CID 100 (procedure reported) is extensible and has no DXA code."""

LANGUAGES: Mapping[Language, Code] = MappingProxyType(
    {"en": Code("en", "RFC5646", "English"), "zh": Code("zh", "RFC5646", "Chinese")}
)
"""PS3.16 CID 5000; Chinese is written in simplified characters."""

MODALITIES = MappingProxyType(
    {
        "BMD": codes.DCM.BoneMineralDensitometry,
        "CR": codes.DCM.ComputedRadiography,
        "DX": codes.DCM.DigitalRadiography,
    }
)
"""Modality (0008,0060) -> PS3.16 CID 29, as far as an analysed image can have one; OT is not among them."""

# --- anatomy --------------------------------------------------------------------------------------------

FOREARM = codes.SCT.Forearm
"""(14975008, SCT), PS3.16 CID 4."""

RADIUS = codes.SCT.RadiusBone
"""(62413002, SCT), PS3.16 CID 7304."""

FINDING_SITES = MappingProxyType(
    {
        "ultradistal": Code("75129005", "SCT", "Distal Radius"),
        "mid": Code("47728000", "SCT", "Shaft of Radius"),
        "one_third": Code("47728000", "SCT", "Shaft of Radius"),
        "total": RADIUS,
    }
)
"""Region -> SNOMED CT bone part, as in pydicom's SCT dictionary."""

LATERALITIES = MappingProxyType({Laterality.LEFT: codes.SCT.Left, Laterality.RIGHT: codes.SCT.Right})
"""(7771000, SCT) and (24028007, SCT), PS3.16 CID 244."""

REGION_FINDINGS = MappingProxyType(
    {
        "ultradistal": _private("ROI_UD", "Ultradistal radius region"),
        "mid": _private("ROI_MID", "Mid radius region"),
        "one_third": _private("ROI_13", "One-third radius region"),
        "total": _private("ROI_TOTAL", "Total radius region"),
    }
)
RADIUS_FINDING = _private("ROI_RADIUS", "Analysed radius")

OTHER_BONE_FINDINGS = MappingProxyType(
    {
        bone: MappingProxyType(
            {
                "ultradistal": _private(f"ROI_UD_{suffix}", f"Ultradistal {label} region"),
                "mid": _private(f"ROI_MID_{suffix}", f"Mid {label} region"),
                "one_third": _private(f"ROI_13_{suffix}", f"One-third {label} region"),
                "total": _private(f"ROI_TOTAL_{suffix}", f"Total {label} region"),
            }
        )
        for bone, suffix, label in (("ulna", "ULNA", "ulna"), ("both", "BOTH", "radius and ulna"))
    }
)

REGION_NAMES = MappingProxyType(
    {
        "ultradistal": "Ultradistal radius",
        "mid": "Mid radius",
        "one_third": "One-third radius",
        "total": "Total radius",
    }
)
"""Region -> the name people read, in tracking identifiers, sentences and tables."""

REGION_LABELS = MappingProxyType({"ultradistal": "UD", "mid": "mid", "one_third": "1/3", "total": "total"})
"""Region -> the short label of densitometers."""

# --- densitometry ---------------------------------------------------------------------------------------

BMD = Code("46383-6", "LN", "BMD")
"""LOINC "DXA Bone [Mass/Area] Bone density"; the site is said by Finding Site."""

REGION_BMD = MappingProxyType(
    {
        "ultradistal": _private("BMD_UD", "BMD UD"),
        "mid": _private("BMD_MID", "BMD mid"),
        "one_third": _private("BMD_13", "BMD 1/3"),
        "total": _private("BMD_TOTAL", "BMD total"),
    }
)
"""Areal BMD pre-coordinated with its region, for viewers that print the name alone; equivalent to `BMD`."""

OTHER_BONE_BMD = MappingProxyType(
    {
        bone: MappingProxyType(
            {
                region: _private(f"{code.value}_{bone.upper()}", f"{code.meaning} {label}")
                for region, code in REGION_BMD.items()
            }
        )
        for bone, label in (("ulna", "ulna"), ("both", "R+U"))
    }
)
"""The same for the ulna, and for radius and ulna together."""

BMD_UNCERTAINTY = _private("BMD_SD", "BMD uncertainty 1 SD")
T_SCORE = _private("T_SCORE", "T-score")
"""LOINC has T-scores of radius and ulna together (38265-5) but none of the radius, DCM has none at all."""
Z_SCORE = codes.DCM.ZScore
"""(113071, DCM), PS3.16 CID 218."""
BMC = _private("BMC", "BMC")
AREA = codes.SCT.Area
"""(42798000, SCT), PS3.16 CID 7469."""

EQUIVALENT_MEANING = codes.DCM.EquivalentMeaningOfConceptName
"""(121050, DCM), PS3.16 TID 300."""

BMD_METHODS = MappingProxyType(
    {
        BmdSource.PIXELS: _private("FROM_PIXELS", "Measured on calibrated pixels"),
        BmdSource.VENDOR: _private("FROM_VENDOR", "Copied from the densitometer's own results"),
    }
)
SCORE_METHODS = MappingProxyType(
    {
        BmdSource.PIXELS: _private("FROM_REFERENCE", "Computed from the reference curve of this node"),
        BmdSource.VENDOR: BMD_METHODS[BmdSource.VENDOR],
    }
)

# --- bone structure -------------------------------------------------------------------------------------

MORPHOMETRY = MappingProxyType(
    {
        "cortical_thickness_mm": (_private("CORT_THICKNESS", "Cortical thickness"), MM),
        "medullary_width_mm": (_private("MEDULLARY_WIDTH", "Medullary width"), MM),
        "shaft_diameter_mm": (_private("SHAFT_DIAMETER", "Shaft diameter"), MM),
        "ring_model_bmd_g_cm2": (_private("RING_MODEL_BMD", "Ring model BMD"), G_PER_CM2),
        "distal_width_mm": (_private("DISTAL_WIDTH", "Distal width"), MM),
        "radial_inclination_deg": (_private("RADIAL_INCL", "Radial inclination"), DEGREE),
        "ulnar_variance_mm": (_private("ULNAR_VARIANCE", "Ulnar variance"), MM),
        "cortical_thickness_radial_mm": (_private("CORT_RADIAL", "Cortex radial side"), MM),
        "cortical_thickness_ulnar_mm": (_private("CORT_ULNAR", "Cortex ulnar side"), MM),
        "cortical_thickness_shaft_mm": (_private("CORT_SHAFT", "Cortex along shaft"), MM),
        "cortical_thickness_least_mm": (_private("CORT_LEAST", "Cortex thinnest"), MM),
        "cortical_area_mm2": (_private("CORT_AREA", "Cortical area"), MM2),
        "cortical_index": (_private("CORT_INDEX", "Cortical index"), UNITLESS),
        "image_blur_mm": (_private("IMAGE_BLUR", "Image blur 1 SD"), MM),
        "shaft_bow_mm": (_private("SHAFT_BOW", "Shaft bow"), MM),
        "shaft_bow_level_mm": (_private("SHAFT_BOW_LEVEL", "Shaft bow level"), MM),
        "one_third_bone_area_mm2": (_private("CSA_13", "Bone area 1/3"), MM2),
        "one_third_inertia_mm4": (_private("CSMI_13", "CSMI 1/3"), MM4),
        "one_third_section_modulus_mm3": (_private("MODULUS_13", "Section modulus 1/3"), MM3),
        "ultradistal_bone_area_mm2": (_private("CSA_UD", "Bone area UD"), MM2),
        "ultradistal_inertia_mm4": (_private("CSMI_UD", "CSMI UD"), MM4),
        "ultradistal_section_modulus_mm3": (_private("MODULUS_UD", "Section modulus UD"), MM3),
    }
)
"""`StudyAnalysis.morphometry` key -> concept; no code found in DCM, SCT or LN."""

MICROSTRAIN = Code("10*-6", "UCUM", "millionth")
N_PER_MM = Code("N/mm", "UCUM", "N/mm")
MECHANICS = MappingProxyType(
    {
        "mean_strain_index": (_private("STRAIN_MEAN", "Mean strain index"), MICROSTRAIN),
        "maximum_strain": (_private("STRAIN_P95", "Strain 95th pct"), MICROSTRAIN),
        "ultradistal_mean_strain": (_private("STRAIN_UD", "Strain UD"), MICROSTRAIN),
        "mid_mean_strain": (_private("STRAIN_MID", "Strain mid"), MICROSTRAIN),
        "one_third_mean_strain": (_private("STRAIN_13", "Strain 1/3"), MICROSTRAIN),
        "axial_stiffness_n_mm": (_private("STIFF_AXIAL", "Axial stiffness"), N_PER_MM),
        "bending_stiffness_n_mm": (_private("STIFF_BENDING", "Bending stiffness"), N_PER_MM),
    }
)
"""`StudyAnalysis.mechanics` key -> concept; model assumptions, so no public code."""

# --- change -------------------------------------------------------------------------------------------

BMD_CHANGE = _private("BMD_CHANGE", "BMD change")
BMD_CHANGE_PERCENT = _private("BMD_CHANGE_PCT", "BMD change percent")
LEAST_SIGNIFICANT_CHANGE = _private("LSC_PCT", "Least signif. change")
"""In percent of BMD: 2.77 times the precision error (ISCD)."""
CHANGE_SIGNIFICANCE = _private("CHANGE_SIGNIF", "Significance of BMD change")
SIGNIFICANCES = MappingProxyType(
    {
        True: Code("386134007", "SCT", "Significant"),
        False: codes.SCT.NotSignificant,
        None: codes.SCT.SignificanceUndetermined,
    }
)
"""`RegionChange.significant` -> (386134007, SCT), (371928007, SCT), (386135008, SCT), PS3.16 CID 220."""
PRIOR_STUDY_DATE = _private("PRIOR_DATE", "Date of compared study")
PRIOR_STUDY_UID = _private("PRIOR_STUDY_UID", "Compared Study Instance UID")

# --- outlines -------------------------------------------------------------------------------------------

OUTLINE_CONFIDENCE = _private("OUTLINE_CONF", "Outline confidence")
"""Estimated probability that the radius outline reaches a Dice of 0.93, in percent."""
OUTLINE_AGREEMENT = _private("OUTLINE_DICE", "Outline agreement")
"""Dice between independent segmentations of the same image."""

# --- diagnosis ------------------------------------------------------------------------------------------

DENSITOMETRIC_CATEGORY = _private("DXA_CATEGORY", "Densitometric category")
"""Category of the one-third radius by T-score (WHO), or by Z-score in the words of ISCD."""
DENSITOMETRIC_CATEGORIES: Mapping[DiagnosticCategory, Code] = MappingProxyType(
    {
        "normal": codes.SCT.Normal,
        "low_bone_mass": Code("312894000", "SCT", "Osteopenia"),
        "osteoporosis": Code("64859006", "SCT", "Osteoporosis"),
        "within_expected_range": _private("Z_EXPECTED", "Within the expected range for age"),
        "below_expected_range": _private("Z_BELOW", "Below the expected range for age"),
    }
)
"""(17621005, SCT), PS3.16 CID 222; the other two SNOMED CT codes are not in PS3.16 but among those that HL7
Switzerland publishes (CH LAB-Order, value set "Contexts for reimbursement of the vitamin D test"). The words
of ISCD have no public code."""

# --- uncertainty ----------------------------------------------------------------------------------------

UNCERTAINTY = _private("UNCERTAINTY_SD", "Uncertainty 1 SD")
"""Standard deviation of another number of the same group, which `MEASURED_QUANTITY` names."""
MEASURED_QUANTITY = _private("QUANTITY", "Measured quantity")

# --- risk -----------------------------------------------------------------------------------------------

FRACTURE_RISK = MappingProxyType(
    {year: _private(f"FX_RISK_{year}Y", f"Fracture risk {year} y") for year in HORIZONS_YEARS}
)
"""Pre-coordinated like (122230, DCM, "10 Year CHD Risk"). LOINC 90265-0 is the method FRAX: not ours."""
RISK_LOW = MappingProxyType(
    {year: _private(f"RISK_{year}Y_LOW", f"Risk {year} y 90% low") for year in HORIZONS_YEARS}
)
RISK_HIGH = MappingProxyType(
    {year: _private(f"RISK_{year}Y_HIGH", f"Risk {year} y 90% high") for year in HORIZONS_YEARS}
)
HORIZON = _private("HORIZON", "Prediction time horizon")
HORIZON_VALUES = MappingProxyType(
    {year: _private(f"{year}A", f"{year} year" if year == 1 else f"{year} years") for year in HORIZONS_YEARS}
)
RISK_CATEGORY = _private("RISK_CATEGORY", "Fracture risk category")
RISK_CATEGORIES = MappingProxyType(
    {"low": codes.SCT.LowRisk, "moderate": codes.SCT.ModerateRisk, "high": codes.SCT.HighRisk}
)
"""(75976002, SCT), (25594002, SCT), (15508007, SCT), PS3.16 CID 3118."""

# --- sentences ------------------------------------------------------------------------------------------

QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
"""PS3.16 TID 1500 row 12."""
RESEARCH_USE_ONLY = _private("RESEARCH_ONLY", "Research use only")
LIMITS = _private("LIMITS", "Limits of this analysis")
