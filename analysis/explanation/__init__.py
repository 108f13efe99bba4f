"""Why the model said what it said: exact contributions by feature, and where on the bone they come from."""

from analysis.explanation.contributions import contributions
from analysis.explanation.driver_map import driver_map

__all__ = ["contributions", "driver_map"]
