"""The physics phantom: simulated forearm DXA with its truth. See `analysis.simulation.phantom`."""

from analysis.simulation.phantom import Phantom, render, true_measurements
from analysis.simulation.subject import FOREARM_TO_HEIGHT, Subject, age_subject, draw_subject
from analysis.simulation.truth import RegionTruth, Truth
from analysis.simulation.view import Acquisition, draw_acquisition

__all__ = [
    "FOREARM_TO_HEIGHT",
    "Acquisition",
    "Phantom",
    "RegionTruth",
    "Subject",
    "Truth",
    "age_subject",
    "draw_acquisition",
    "draw_subject",
    "render",
    "true_measurements",
]
