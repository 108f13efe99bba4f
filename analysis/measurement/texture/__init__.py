"""Texture of the ultradistal radius; `docs/texture.md` says what is measured and how well."""

from analysis.measurement.texture.measure import Texture, measure_texture, warm_up
from analysis.measurement.texture.variogram import TREND_MM

__all__ = ["TREND_MM", "Texture", "measure_texture", "warm_up"]
