"""What is drawn before anything is rendered: a person's forearm, how it lies, and how it is scanned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from analysis.results import Laterality

VoxelArtefact = Literal[
    "metal",
    "jewellery",
    "cast",
    "motion_jerk",
    "motion_smooth",
    "crop_distal",
    "crop_proximal",
    "crop_ulna",
    "overlap",
    "low_dose",
]
VOXEL_ARTEFACTS: tuple[VoxelArtefact, ...] = get_args(VoxelArtefact)

LOW_DOSE_SHARE = 1 / 25
"""Photons of a low-dose scan over a usual one: five times the noise."""

SPACINGS_MM = ((0.25, 0.25), (0.3, 0.3), (0.5, 0.5), (0.6, 0.6), (0.42, 1.0), (0.42, 0.43), (0.6, 0.3))
"""(row, column) spacings that are drawn; the two very anisotropic ones resemble pencil-beam line pitches
(assumption)."""


@dataclass(frozen=True, slots=True)
class VoxelSubject:
    """One forearm. Lengths in mm; all spreads are assumptions around the anatomy of the fact sheets.

    Attributes
    ----------
    forearm_length_mm : float
        Ulna, olecranon to styloid tip.
    size : float
        Scale of every transverse dimension.
    shaft_cortex_mm, distal_cortex_mm : float
        Mean wall thickness at the one-third level and at the metaphysis.
    cortex_slope_per_mm : float
        Relative growth of the wall per mm proximally around the one-third level: it makes one-third BMD
        depend on where the region is placed.
    cortical_density_g_cm3 : float
        Mineral per volume of compact bone, on a densitometer's scale.
    density_slope_per_mm : float
        Relative change of `cortical_density_g_cm3` per mm proximally.
    bone_volume_fraction : float
        Of the trabecular network 18 mm proximal to the styloid tip.
    trabecular_period_mm, trabecular_stretch : float
        Planted period of the network across the bone, and how much longer it is along it.
    crest, lister, volar_flattening, sigmoid_notch : float
        Relative height of the interosseous crest and of the dorsal tubercle; depth of the others.
    wall_asymmetry : float
        How much thicker the wall is towards the interosseous crest, relative to its mean.
    inclination_degrees, palmar_tilt_degrees, sag_mm, ulnar_variance_mm, styloid_length_mm : float
        Shape of the wrist; positive variance = the ulna reaches further distally.
    wrist_gap_mm : float
        How far the ulnar head stands off its mean place; negative = radius and ulna overlap in the picture.
    shape_seed : int
        Of the outline's wobble, the carpals and the trabecular network.
    """

    forearm_length_mm: float
    size: float
    shaft_cortex_mm: float
    distal_cortex_mm: float
    cortex_slope_per_mm: float
    cortical_density_g_cm3: float
    density_slope_per_mm: float
    bone_volume_fraction: float
    trabecular_period_mm: float
    trabecular_stretch: float
    crest: float
    lister: float
    volar_flattening: float
    sigmoid_notch: float
    wall_asymmetry: float
    bow_mm: tuple[float, float]
    inclination_degrees: float
    palmar_tilt_degrees: float
    sag_mm: float
    ulnar_variance_mm: float
    styloid_length_mm: float
    wrist_gap_mm: float
    shape_seed: int


@dataclass(frozen=True, slots=True)
class GreyCurve:
    """How densities become display greys: a window, a gamma and 256 steps.

    ``grey = round(255 * clip((density + 0.03 * soft - black) / (white - black), 0, 1) ** gamma)``, all in
    g/cm².
    """

    black_g_cm2: float
    white_g_cm2: float
    gamma: float


@dataclass(frozen=True, slots=True)
class VoxelScan:
    """How one forearm lies and is exposed.

    Attributes
    ----------
    tilt_degrees : float
        Turn in the picture plane; positive = seen with the hand up, the elbow leans to the right.
    pronation_degrees : float
        Rotation about the forearm's long axis; negative is supination.
    lift_degrees : float
        Elevation of the elbow out of the picture plane.
    deviation_degrees : float
        Of the hand in the picture plane.
    field_mm : (float, float)
        Height and width of the picture.
    hand_margin_mm : float
        How much of the hand lies in the field beyond the ulnar styloid.
    offset_mm : float
        Shift of the forearm across the picture.
    focal_spot_mm : (float, float)
        Width of the box blur along rows and columns of the picture.
    detector_mm : float
        Scale of the detector's exponential point spread.
    tail_share, tail_mm : float
        Share and scale of Lorentzian tails (veiling glare).
    photons_per_mm2 : float
        Unattenuated photons per energy.
    line_noise : float
        Noise common to a scan line, relative to the pixel noise.
    scatter_g_cm2 : (float, float, float)
        Offset of the bone image at the picture's middle and its change from middle to border along and
        across.
    fat_g_cm2 : float
        Standard deviation of the soft tissue's smooth errors.
    soft_depth_mm : float
        Thickness of the forearm along the beam.
    grey : GreyCurve or None
        None keeps densities in g/cm².
    seed : int
        Of everything random in the scan.
    """

    laterality: Laterality
    hand_up: bool
    tilt_degrees: float
    pronation_degrees: float
    lift_degrees: float
    deviation_degrees: float
    spacing_mm: tuple[float, float]
    field_mm: tuple[float, float]
    hand_margin_mm: float
    offset_mm: float
    focal_spot_mm: tuple[float, float]
    detector_mm: float
    tail_share: float
    tail_mm: float
    photons_per_mm2: float
    line_noise: float
    scatter_g_cm2: tuple[float, float, float]
    fat_g_cm2: float
    soft_depth_mm: float
    grey: GreyCurve | None
    artefact: VoxelArtefact | None
    seed: int


@dataclass(frozen=True, slots=True)
class VoxelCase:
    """A forearm and one scan of it."""

    subject: VoxelSubject
    scan: VoxelScan


def draw_voxel_case(
    rng: np.random.Generator,
    *,
    spacing_mm: tuple[float, float] | None = None,
    artefact: VoxelArtefact | None = None,
    largest_tilt_degrees: float = 20.0,
    grey: bool = False,
) -> VoxelCase:
    """Draw a forearm and a scan of it.

    Parameters
    ----------
    rng : numpy.random.Generator
    spacing_mm : (row, column), optional
        One of `SPACINGS_MM` if not given.
    artefact : str, optional
        One of `VOXEL_ARTEFACTS`; none if not given.
    largest_tilt_degrees : float
        In-plane tilt is uniform within plus or minus this.
    grey : bool
        True draws a grey curve with 8-bit steps; else the picture is areal density.

    Returns
    -------
    VoxelCase
        Any field may be replaced (`dataclasses.replace`); `rescan` draws another scan of the same forearm.
    """
    subject = _draw_subject(rng)
    scan = _draw_scan(rng, subject, spacing_mm, largest_tilt_degrees)
    curve = GreyCurve(*(float(rng.uniform(*limits)) for limits in ((-0.05, 0.08), (0.9, 1.5), (0.5, 1.4))))
    scan = replace(scan, grey=curve if grey else None)
    return VoxelCase(subject, scan if artefact is None else _spoiled(scan, subject, artefact, rng))


def rescan(
    case: VoxelCase,
    rng: np.random.Generator,
    *,
    tilt_degrees: float = 8.0,
    shift_mm: float = 10.0,
    pronation_degrees: float = 5.0,
) -> VoxelCase:
    """The same forearm on the same scanner, laid down again: position, soft tissue and noise are new.

    Parameters
    ----------
    tilt_degrees, shift_mm, pronation_degrees : float
        Bounds of the uniform changes; the shift acts along the forearm as far as all regions stay in the
        field.
    """
    scan, subject = case.scan, case.subject
    needed = subject.forearm_length_mm / 3 + 16
    margin = np.clip(
        scan.hand_margin_mm + rng.uniform(-shift_mm, shift_mm), 18.0, scan.field_mm[0] - needed - 2
    )
    return VoxelCase(
        subject,
        replace(
            scan,
            tilt_degrees=float(
                np.clip(scan.tilt_degrees + rng.uniform(-tilt_degrees, tilt_degrees), -20, 20)
            ),
            pronation_degrees=float(
                scan.pronation_degrees + rng.uniform(-pronation_degrees, pronation_degrees)
            ),
            lift_degrees=float(rng.uniform(-2, 2)),
            hand_margin_mm=float(margin),
            offset_mm=float(rng.uniform(-4, 4)),
            scatter_g_cm2=_draw_scatter(rng),
            seed=int(rng.integers(2**31)),
        ),
    )


def _draw_subject(rng: np.random.Generator) -> VoxelSubject:
    def normal(mean: float, sd: float) -> float:
        return mean + sd * float(np.clip(rng.standard_normal(), -2.3, 2.3))

    def uniform(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    size = normal(1.03, 0.075)
    richness = float(rng.standard_normal())
    return VoxelSubject(
        forearm_length_mm=float(np.clip(normal(250, 14) * size**0.7, 212, 295)),
        size=size,
        shaft_cortex_mm=float(np.clip(size * (normal(2.6, 0.3) + 0.18 * richness), 1.7, 3.7)),
        distal_cortex_mm=float(np.clip(normal(0.8, 0.12) + 0.05 * richness, 0.5, 1.2)),
        cortex_slope_per_mm=uniform(0.001, 0.006),
        cortical_density_g_cm3=normal(0.985, 0.05),
        density_slope_per_mm=uniform(-0.0008, 0.0012),
        bone_volume_fraction=float(np.clip(normal(0.155, 0.027) + 0.015 * richness, 0.08, 0.26)),
        trabecular_period_mm=uniform(0.55, 1.1),
        trabecular_stretch=uniform(1.0, 1.6),
        crest=uniform(0.12, 0.3),
        lister=uniform(0.08, 0.2),
        volar_flattening=uniform(0.06, 0.2),
        sigmoid_notch=uniform(0.04, 0.11),
        wall_asymmetry=uniform(0.1, 0.4),
        bow_mm=(normal(0.0, 1.0), normal(0.0, 0.8)),
        inclination_degrees=normal(23.5, 3.5),
        palmar_tilt_degrees=normal(6.0, 2.0),
        sag_mm=uniform(0.8, 2.2),
        ulnar_variance_mm=normal(-0.4, 1.6),
        styloid_length_mm=uniform(3.2, 7.0),
        wrist_gap_mm=uniform(-2.0, 2.0),
        shape_seed=int(rng.integers(2**31)),
    )


def _draw_scan(
    rng: np.random.Generator,
    subject: VoxelSubject,
    spacing_mm: tuple[float, float] | None,
    largest_tilt_degrees: float,
) -> VoxelScan:
    def uniform(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    drawn = SPACINGS_MM[int(rng.integers(len(SPACINGS_MM)))]
    margin = uniform(22, 40)
    tilt = uniform(-largest_tilt_degrees, largest_tilt_degrees)
    # room for the one-third region, which a tilted forearm carries sideways
    height = margin + subject.forearm_length_mm / 3 + uniform(18, 32)
    width = uniform(84, 100) + 0.6 * height * abs(np.sin(np.radians(tilt)))
    return VoxelScan(
        laterality=Laterality.LEFT if rng.random() < 0.5 else Laterality.RIGHT,
        hand_up=bool(rng.random() < 0.5),
        tilt_degrees=tilt,
        pronation_degrees=uniform(-10, 10),
        lift_degrees=uniform(-3, 3),
        deviation_degrees=uniform(-14, 14),
        spacing_mm=spacing_mm or drawn,
        field_mm=(height, float(width)),
        hand_margin_mm=margin,
        offset_mm=uniform(-4, 4),
        focal_spot_mm=(uniform(0.2, 0.6), uniform(0.2, 0.6)),
        detector_mm=uniform(0.10, 0.2),
        tail_share=uniform(0.01, 0.05),
        tail_mm=uniform(0.4, 0.8),
        photons_per_mm2=uniform(2.5e6, 6e6),
        line_noise=uniform(0.0, 0.25),
        scatter_g_cm2=_draw_scatter(rng),
        fat_g_cm2=uniform(0.0005, 0.0025),
        soft_depth_mm=uniform(34, 58),
        grey=None,
        artefact=None,
        seed=int(rng.integers(2**31)),
    )


def _draw_scatter(rng: np.random.Generator) -> tuple[float, float, float]:
    offset, along, across = rng.uniform([-0.01, -0.02, -0.012], [0.02, 0.02, 0.012])
    return float(offset), float(along), float(across)


def _spoiled(
    scan: VoxelScan, subject: VoxelSubject, artefact: VoxelArtefact, rng: np.random.Generator
) -> VoxelScan:
    """The scan with what an artefact changes of its settings; what it adds to the picture is drawn later."""
    scan = replace(scan, artefact=artefact)
    height, width = scan.field_mm
    third = subject.forearm_length_mm / 3
    if artefact == "low_dose":
        return replace(scan, photons_per_mm2=scan.photons_per_mm2 * LOW_DOSE_SHARE)
    if artefact == "crop_distal":
        # the field begins between the carpus and the metaphysis
        return replace(scan, hand_margin_mm=float(rng.uniform(-22, 2)), field_mm=(third + 28, width))
    if artefact == "crop_proximal":
        return replace(scan, field_mm=(scan.hand_margin_mm + float(rng.uniform(0.45, 0.95)) * third, width))
    if artefact == "crop_ulna":
        return replace(
            scan,
            tilt_degrees=scan.tilt_degrees / 3,
            field_mm=(height, float(rng.uniform(52, 64))),
            offset_mm=float(-rng.uniform(14, 20)),
        )
    return scan
