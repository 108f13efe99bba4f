"""The texture features worth a line in the report; texture is measured on the ultradistal radius."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydicom.sr.coding import Code

from reports.codes import SCHEME

TEXTURE_REGION = "ultradistal"
"""The region whose texture `analysis.measurement.texture` measures: that is where trabecular bone is."""

TEXTURE = MappingProxyType(
    {
        "variogram_slope": Code("VARIOGRAM_SLOPE", SCHEME, "Variogram slope"),
        "variogram_snr": Code("TEXTURE_SNR", SCHEME, "Texture to noise"),
        "original_glcm_JointEntropy": Code("TU9B", "IBSI", "GLCM joint entropy"),
        "original_glcm_Contrast": Code("ACUI", "IBSI", "GLCM contrast"),
        "original_glcm_Correlation": Code("NI2N", "IBSI", "GLCM correlation"),
        "original_glcm_JointEnergy": Code("8ZQL", "IBSI", "GLCM second moment"),
        "original_glrlm_ShortRunEmphasis": Code("22OV", "IBSI", "GLRLM short runs"),
        "original_glrlm_LongRunEmphasis": Code("W4KF", "IBSI", "GLRLM long runs"),
    }
)
"""`StudyAnalysis.texture` key -> concept. IBSI codes: PS3.16 CID 7467, 7475; the variogram has none."""


def coded_texture(texture: Mapping[str, float | None]) -> list[tuple[Code, float]]:
    """Return the coded features that were measured, in the order of `TEXTURE`."""
    return [(concept, value) for key, concept in TEXTURE.items() if (value := texture.get(key)) is not None]
