"""A forearm DXA phantom with its truth.

    >>> import numpy as np
    >>> from analysis.simulation import draw_acquisition, draw_subject, render
    >>> rng = np.random.default_rng(1)
    >>> phantom = render(draw_subject(rng, age=70, sex="F"), draw_acquisition(rng), seed=1)
    >>> phantom.density_g_cm2.shape == phantom.truth.radius_mask.shape
    True

`draw_subject(rng, *, age, sex)` draws a person, `age_subject(subject, years)` the same person later,
`draw_acquisition(rng, *, artefact)` a scan, `render(subject, acquisition, seed)` the picture and its truth.
`true_measurements(subject)` gives the noiseless densitometry alone, for cohorts that need no picture. The
latents behind a subject (`subject.latents`, z-scores) and its bone (`subject.bone`) are plain numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.simulation.anatomy import SAMPLE_MM, Anatomy, build_anatomy
from analysis.simulation.artefacts import displace_rows, motion_shift, volar_plate
from analysis.simulation.detector import Exposure, measure
from analysis.simulation.subject import Subject
from analysis.simulation.trabecular import correlation_length_mm
from analysis.simulation.truth import (
    RegionTruth,
    Truth,
    region_polygons,
    shaft_at_one_third,
    true_regions,
)
from analysis.simulation.view import Acquisition, ImageMap, image_map

Map = NDArray[np.float32]

CENTRE_X_MM = -1.0
DISTAL_MARGIN_MM = 27.0
"""How much hand the field of view shows beyond the ulnar styloid when a scan is centred."""


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """One simulated scan.

    Attributes
    ----------
    density_g_cm2 : ndarray of float32, (rows, columns)
        Measured areal density of bone, with noise, blur and artefacts.
    soft_tissue_g_cm2 : ndarray of float32, (rows, columns)
        Measured soft tissue; densitometers blend a little of it into the picture they show.
    spacing_mm : (row, column)
    """

    subject: Subject
    acquisition: Acquisition
    density_g_cm2: Map
    soft_tissue_g_cm2: Map
    truth: Truth

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """Row and column spacing in mm."""
        return self.acquisition.spacing_mm


def render(subject: Subject, acquisition: Acquisition, seed: int) -> Phantom:
    """Scan a subject.

    Parameters
    ----------
    subject : Subject
    acquisition : Acquisition
    seed : int
        Of all that is random in this scan: photons, fat, artefact. The anatomy has its own seed.

    Returns
    -------
    Phantom
        The same arguments give the same phantom, bit by bit.
    """
    rng = np.random.default_rng([seed, 3])
    anatomy = build_anatomy(subject)
    image = picture_map(subject, acquisition)
    metal = volar_plate(anatomy, rng) if acquisition.artefact == "metal" else None
    row_mm, column_mm = acquisition.spacing_mm
    shape = (acquisition.rows, acquisition.columns)

    def sample(field: Map) -> Map:
        return image.sample(field, (float(anatomy.x[0]), float(anatomy.z[0])), SAMPLE_MM, shape)

    bone, soft = measure(
        Exposure(anatomy.density, anatomy.soft_tissue, metal, SAMPLE_MM),
        sample,
        blur_mm=acquisition.blur_mm,
        photons_per_pixel=acquisition.photons_per_mm2 * row_mm * column_mm,
        fat_error=acquisition.fat_error,
        rng=rng,
    )
    radius_mask, ulna_mask = (sample(cover) >= 0.5 for cover in (anatomy.radius_cover, anatomy.ulna_cover))
    if acquisition.artefact == "motion":
        shift = motion_shift(acquisition.rows, rng)
        bone, soft = displace_rows(bone, shift), displace_rows(soft, shift)
        radius_mask, ulna_mask = displace_rows(radius_mask, shift), displace_rows(ulna_mask, shift)
    truth = _truth(subject, acquisition, anatomy, image, radius_mask=radius_mask, ulna_mask=ulna_mask)
    return Phantom(subject, acquisition, bone, soft, truth)


def true_measurements(subject: Subject) -> dict[str, RegionTruth]:
    """Noiseless densitometry of a subject's radius, without rendering a picture."""
    return true_regions(build_anatomy(subject), subject.forearm_length_mm)


def picture_map(subject: Subject, acquisition: Acquisition) -> ImageMap:
    """Where every pixel of a scan lies in the bone frame."""
    return image_map(acquisition, _picture_centre(subject, acquisition))


def _picture_centre(subject: Subject, acquisition: Acquisition) -> tuple[float, float]:
    """Bone-frame point (x, z) in the middle of the picture."""
    height = acquisition.rows * acquisition.spacing_mm[0]
    proximal_end = subject.forearm_length_mm / 3 + 10
    from_hand = height / 2 - DISTAL_MARGIN_MM
    if acquisition.artefact == "crop":
        return CENTRE_X_MM, from_hand
    return CENTRE_X_MM, max(from_hand, proximal_end + 8.0 - height / 2)


def _truth(
    subject: Subject,
    acquisition: Acquisition,
    anatomy: Anatomy,
    image: ImageMap,
    *,
    radius_mask: NDArray[np.bool_],
    ulna_mask: NDArray[np.bool_],
) -> Truth:
    length = subject.forearm_length_mm
    end_plate, styloid, proximal = image.to_image(
        np.array(
            [anatomy.geometry.end_plate.centre, (anatomy.geometry.ulnar_styloid.centre[0], 0.0), (0.0, 1.0)]
        )
    )
    direction = proximal - image.to_image(np.zeros((1, 2)))[0]
    direction /= np.hypot(*direction)
    cortex, diameter, medullary = shaft_at_one_third(anatomy, length)
    return Truth(
        laterality=acquisition.laterality,
        hand_up=acquisition.hand_up,
        radius_mask=radius_mask,
        ulna_mask=ulna_mask,
        end_plate=(float(end_plate[0]), float(end_plate[1])),
        ulnar_styloid=(float(styloid[0]), float(styloid[1])),
        axis_direction=(float(direction[0]), float(direction[1])),
        regions=true_regions(anatomy, length),
        polygons=region_polygons(anatomy, length, image),
        forearm_length_mm=length,
        cortical_thickness_mm=cortex,
        shaft_diameter_mm=diameter,
        medullary_width_mm=medullary,
        microstructure=subject.bone,
        correlation_length_mm=correlation_length_mm(subject.bone),
    )
