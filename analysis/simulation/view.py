"""How a forearm lies under the scanner: side, direction, tilt, pixel grid; and the map between image and
bone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.results import Laterality

Artefact = Literal["metal", "motion", "crop"]


@dataclass(frozen=True, slots=True)
class Acquisition:
    """One scan of one forearm, palm down, seen from above.

    Attributes
    ----------
    laterality : Laterality
    hand_up : bool
        Fingers towards the top of the picture; otherwise the picture is turned by 180°.
    tilt_degrees : float
        Turn of the forearm in the plane; positive = seen with the hand up, the elbow leans to the right.
    spacing_mm : (float, float)
        Row and column spacing.
    rows, columns : int
    offset_mm : (float, float)
        Shift of the anatomy in the picture (right, down), as seen with the hand up.
    blur_mm : float
        Standard deviation of the detector's point spread, pixel aperture included.
    photons_per_mm2 : float
        Unattenuated photons per area and energy.
    fat_error : float
        Relative amplitude of the soft tissue's departure from the two-material model.
    artefact : {"metal", "motion", "crop"} or None
        ``crop`` = the picture starts at the hand and ends where its rows end, be it within a region.
    """

    laterality: Laterality = Laterality.LEFT
    hand_up: bool = True
    tilt_degrees: float = 0.0
    spacing_mm: tuple[float, float] = (0.4, 0.4)
    rows: int = 376
    columns: int = 264
    offset_mm: tuple[float, float] = (0.0, 0.0)
    blur_mm: float = 0.36
    photons_per_mm2: float = 1.6e6
    fat_error: float = 0.0015
    artefact: Artefact | None = None


FIELD_OF_VIEW_MM = (150.0, 105.0)
"""Height and width that hold carpus to one-third region of any adult at any tilt: assumption."""

CROPPED_HEIGHT = 0.68
"""Share of the height that is left when a scan is stopped too early: it ends within the one-third region."""


def draw_acquisition(
    rng: np.random.Generator, *, artefact: Artefact | None = None, spacing_mm: float | None = None
) -> Acquisition:
    """Draw a scan: either side, either way up, any tilt within ±10°, 0.3–0.5 mm pixels, other noise and
    blur."""
    drawn_spacing = rng.uniform(0.3, 0.5)
    spacing = round(float(drawn_spacing if spacing_mm is None else spacing_mm), 3)
    height, width = (side / spacing for side in FIELD_OF_VIEW_MM)
    if artefact == "crop":
        height *= CROPPED_HEIGHT
    return Acquisition(
        laterality=Laterality.LEFT if rng.random() < 0.5 else Laterality.RIGHT,
        hand_up=bool(rng.random() < 0.5),
        tilt_degrees=float(rng.uniform(-10, 10)),
        spacing_mm=(spacing, spacing),
        rows=round(height),
        columns=round(width),
        offset_mm=(float(rng.uniform(-4, 4)), float(rng.uniform(-3, 3))),
        blur_mm=float(rng.uniform(0.30, 0.45)),
        photons_per_mm2=float(rng.uniform(1.0e6, 2.4e6)),
        fat_error=float(rng.uniform(0.0005, 0.002)),
        artefact=artefact,
    )


@dataclass(frozen=True, slots=True)
class ImageMap:
    """Affine map from image points (column, row) to the bone frame (x, z) in mm, and back."""

    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]

    def to_bone(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(column, row) -> (x, z) mm; shape (n, 2)."""
        return np.asarray(points @ self.matrix.T + self.shift)

    def to_image(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(x, z) mm -> (column, row); shape (n, 2)."""
        return np.asarray((points - self.shift) @ np.linalg.inv(self.matrix).T)

    def sample(
        self,
        field: NDArray[np.float32],
        first_mm: tuple[float, float],
        sample_mm: float,
        shape: tuple[int, int],
    ) -> NDArray[np.float32]:
        """Sample a bone-frame map (rows along z, first cell centre (x, z)) at every pixel centre; edges
        extend."""
        # ndimage wants (row, column) index -> (z, x) index
        matrix = self.matrix[::-1, ::-1] / sample_mm
        centre_of_first_pixel = self.to_bone(np.array([[0.5, 0.5]]))[0]
        offset = (centre_of_first_pixel[::-1] - np.array(first_mm[::-1])) / sample_mm
        sampled: NDArray[np.float32] = ndimage.affine_transform(
            field, matrix, offset, output_shape=shape, order=1, mode="nearest", prefilter=False
        )
        return sampled


def image_map(acquisition: Acquisition, centre_mm: tuple[float, float]) -> ImageMap:
    """Map of a scan whose picture is centred on the bone-frame point `centre_mm` (x, z), before its
    offset."""
    angle = np.radians(acquisition.tilt_degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # palm down, hand up: the radius of a left arm lies on the viewer's right
    mirror = np.diag([1.0 if acquisition.laterality is Laterality.LEFT else -1.0, 1.0])
    direction = 1.0 if acquisition.hand_up else -1.0
    row_mm, column_mm = acquisition.spacing_mm
    matrix = mirror @ turn @ np.diag([column_mm, row_mm]) * direction
    middle = np.array([acquisition.columns / 2, acquisition.rows / 2])
    offset = mirror @ turn @ np.array(acquisition.offset_mm)
    return ImageMap(matrix=matrix, shift=np.array(centre_mm) - offset - matrix @ middle)
