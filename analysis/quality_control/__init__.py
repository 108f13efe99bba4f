"""A site's own scanners: calibration, cross-calibration, phantom quality control and precision."""

from analysis.quality_control.devices import NO_DEVICES, Devices, load_devices
from analysis.quality_control.drift import scanner_findings

__all__ = ["NO_DEVICES", "Devices", "load_devices", "scanner_findings"]
