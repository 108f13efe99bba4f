"""Why the model said what it said: exact contributions, and where on the bone they come from."""

from analysis.explanation.contributions import check_additivity, contributions
from analysis.explanation.driver_map import driver_map
from analysis.explanation.grad_cam import grad_cam

__all__ = ["check_additivity", "contributions", "driver_map", "grad_cam"]
