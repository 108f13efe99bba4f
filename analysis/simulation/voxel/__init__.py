"""A second, hard forearm phantom with other physics than `analysis.simulation`; never used in training.

    >>> import numpy as np
    >>> from analysis.simulation.voxel import draw_voxel_case, render_voxel
    >>> phantom = render_voxel(draw_voxel_case(np.random.default_rng(1), spacing_mm=(0.5, 0.5)))
    >>> phantom.pixels.shape == phantom.truth.radius_mask.shape
    True

The bones are volumes of cross sections that are no ellipses, seen by rays through a turned and lifted arm;
the trabecular network is a level cut with a known period. It shares no code with the first family, so what
holds on both has not been learnt from either. `draw_voxel_case` draws a forearm and a scan, `rescan` lays the
same forearm down again, `render_voxel` gives picture and truth.
"""

from analysis.simulation.voxel.case import (
    SPACINGS_MM,
    VOXEL_ARTEFACTS,
    GreyCurve,
    VoxelArtefact,
    VoxelCase,
    VoxelScan,
    VoxelSubject,
    draw_voxel_case,
    rescan,
)
from analysis.simulation.voxel.phantom import VoxelPhantom, render_voxel
from analysis.simulation.voxel.truth import VoxelRegion, VoxelTruth

__all__ = [
    "SPACINGS_MM",
    "VOXEL_ARTEFACTS",
    "GreyCurve",
    "VoxelArtefact",
    "VoxelCase",
    "VoxelPhantom",
    "VoxelRegion",
    "VoxelScan",
    "VoxelSubject",
    "VoxelTruth",
    "draw_voxel_case",
    "render_voxel",
    "rescan",
]
