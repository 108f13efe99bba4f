"""Reading a study as scanners write it: one forearm image, its calibration and the vendor's numbers."""

from analysis.acquisition.clinical import clinical_context
from analysis.acquisition.image import NumbersOnly, RadiusImage, VendorRegion, VendorReport
from analysis.acquisition.study import read_study

__all__ = ["NumbersOnly", "RadiusImage", "VendorRegion", "VendorReport", "clinical_context", "read_study"]
