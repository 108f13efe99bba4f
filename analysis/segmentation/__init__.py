"""Find radius and ulna in a forearm image."""

from analysis.segmentation.anatomy import ForearmAnatomy, ForearmFrame
from analysis.segmentation.forearm import find_forearm

__all__ = ["ForearmAnatomy", "ForearmFrame", "find_forearm"]
