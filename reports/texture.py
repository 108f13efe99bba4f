"""The texture features worth a line in the report, under the codes of the IBSI reference manual."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pydicom.sr.coding import Code

from analysis.results import REGIONS

TEXTURE_REGION = "ultradistal"
"""Region of a feature whose key names none: the ultradistal radius is where trabecular bone is."""

IBSI_FEATURES = {
    "glcm_JointEntropy": Code("TU9B", "IBSI", "GLCM joint entropy"),
    "glcm_Contrast": Code("ACUI", "IBSI", "GLCM contrast"),
    "glcm_Correlation": Code("NI2N", "IBSI", "GLCM correlation"),
    "glcm_JointEnergy": Code("8ZQL", "IBSI", "GLCM second moment"),
    "glcm_Idm": Code("WF0Z", "IBSI", "GLCM inv. diff. mom."),
    "glrlm_ShortRunEmphasis": Code("22OV", "IBSI", "GLRLM short runs"),
    "glrlm_LongRunEmphasis": Code("W4KF", "IBSI", "GLRLM long runs"),
    "glrlm_RunPercentage": Code("9ZK5", "IBSI", "GLRLM run percentage"),
}
"""pyradiomics feature -> IBSI code (as in PS3.16 CID 7467 and 7475), meanings short enough for viewers."""

_KEY = re.compile(r"(?:^|[._])(?P<feature>(?:glcm|glrlm)_[A-Za-z]+)$")


def coded_texture(texture: Mapping[str, float | None], region: str) -> Iterator[tuple[Code, float]]:
    """Yield the coded features measured on `region`, in the order of `IBSI_FEATURES`.

    Parameters
    ----------
    texture : mapping
        `StudyAnalysis.texture`; keys end in a pyradiomics ``class_Feature`` and may begin with a region.
    region : str
        One of `analysis.results.REGIONS`.
    """
    found: dict[str, float] = {}
    for key, value in texture.items():
        match = _KEY.search(key)
        if match and value is not None and _region_of(key) == region:
            found[match["feature"]] = value
    for feature, concept in IBSI_FEATURES.items():
        if feature in found:
            yield concept, found[feature]


def _region_of(key: str) -> str:
    return next((region for region in REGIONS if key.startswith(region)), TEXTURE_REGION)
