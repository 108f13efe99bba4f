"""What the network says about a forearm, in the form in which edges are sought: where, and which way up."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.errors import RejectedInput
from analysis.segmentation.anatomy import FloatArray, ForearmFrame
from analysis.segmentation.network import Belief
from analysis.segmentation.orientation import Lie
from analysis.segmentation.straighten import StraightImage, centred_frame, straighten
from analysis.segmentation.tracking import BoneTrack

SEEN = 0.5
"""Probability above which a pixel belongs to a bone, and height above which a landmark is seen."""
LANDMARK_SEEN = 0.3
"""Height of a heat map above which its landmark is believed (on simulated scans: 0.4 to 0.9 where it is in
the open, 0.1 to 0.2 under a cast)."""
SMALLEST_PIECE = 0.03
"""Smallest piece of a bone, as a share of its largest."""
IN_LINE_MM = 8.0
"""How far the middle of a piece may lie beside the long axis of the largest."""
LEAST_CLEAR = 0.4
"""Share of an edge that must be free of artefacts for the rest to be bridged; else the network's own course
is kept."""
HALO_MM = 0.9
"""Blur around an artefact."""
OFFSET_ROWS = 11
SMALLEST_MM2 = 150.0
"""Area of bone below which the network has not seen that bone: 15 mm of a narrow shaft."""


@dataclass(frozen=True, slots=True, eq=False)
class Guide:
    """The network's forearm.

    Attributes
    ----------
    radius, ulna : ndarray of float, (rows, columns)
        Probability within the pieces of either bone, zero elsewhere; metal may break a bone into several.
    artefact : ndarray of bool, (rows, columns)
        What lies over the bones.
    lie : Lie
        Direction of the elbow; `sharpness` is not judged.
    radius_is_right : bool
        In the hand-up view.
    """

    radius: FloatArray
    ulna: FloatArray
    artefact: NDArray[np.bool_]
    lie: Lie
    radius_is_right: bool

    @property
    def hand_up(self) -> bool:
        """True if the distal end points to the top of the image."""
        return bool(np.cos(self.lie.angle) > 0)

    def expected_edges(self, image: StraightImage) -> FloatArray:
        """Columns of left bone's left and right, right bone's left and right edge in a straightened image.

        Returns
        -------
        ndarray, (4, rows)
            Between the ends of a bone; NaN beyond them.
        """
        bones = (self.ulna, self.radius) if self.radius_is_right else (self.radius, self.ulna)
        hidden = self.hidden(image)
        return np.concatenate([_edges(self.straightened(bone, image), hidden) for bone in bones])

    def hidden(self, image: StraightImage) -> NDArray[np.bool_]:
        """Artefacts and what lies within `HALO_MM` of them, on the grid of `image`."""
        artefact = self.straightened(self.artefact.astype(np.float64), image) > SEEN
        if not artefact.any():
            return artefact
        size = 2 * round(HALO_MM / image.step) + 1
        return np.asarray(ndimage.maximum_filter(artefact, size=size), np.bool_)

    def held_bones(
        self, image: StraightImage, left: BoneTrack, right: BoneTrack
    ) -> tuple[BoneTrack, BoneTrack]:
        """Both bones with edges that follow their expected course where an artefact hides them.

        The expected course is shifted there so that it joins what was found on either side.
        """
        hidden = self.hidden(image)
        if not hidden.any():
            return left, right
        edges = (left.left, left.right, right.left, right.right)
        held = [
            _held(edge, course, hidden)
            for edge, course in zip(edges, self.expected_edges(image), strict=True)
        ]
        return replace(left, left=held[0], right=held[1]), replace(right, left=held[2], right=held[3])

    def straightened(self, bone: FloatArray, image: StraightImage) -> FloatArray:
        """One of the maps on the grid of `image`, zero outside the picture."""
        return np.where(image.valid, straighten(bone, image.frame, image.step).values, 0.0)


def guide_from(belief: Belief, spacing_mm: tuple[float, float], excluded: NDArray[np.bool_]) -> Guide:
    """Read lie and order of the bones from the network's maps.

    Parameters
    ----------
    excluded : ndarray of bool, (rows, columns)
        Pixels known to be artefact beside what the network calls so.

    Raises
    ------
    RejectedInput
        ``radius_not_found`` if it sees no radius, no ulna, or cannot tell proximal from distal.
    """
    radius, ulna = (_in_line(bone, spacing_mm) for bone in (belief.radius, belief.ulna))
    for name, bone in (("radius", radius), ("ulna", ulna)):
        area = np.count_nonzero(bone > SEEN) * spacing_mm[0] * spacing_mm[1]
        if area < SMALLEST_MM2:
            raise RejectedInput(
                "radius_not_found",
                f"The network sees {area:.0f} mm² of {name}, less than {SMALLEST_MM2:.0f} mm²: the image "
                "does not show a forearm clearly. Send a forearm scan that shows both bones and the wrist.",
            )
    shape = (radius.shape[0], radius.shape[1])
    frame = centred_frame(shape, spacing_mm, 0.0)
    direction = _direction(belief, radius, frame)
    frame = ForearmFrame(frame.origin, direction, spacing_mm)
    across = [float(_centroid(bone, frame)[0]) for bone in (radius, ulna)]
    return Guide(
        radius,
        ulna,
        (belief.artefact > SEEN) | excluded,
        Lie(float(np.arctan2(*direction)), 0.0),
        radius_is_right=across[0] > across[1],
    )


def _in_line(probability: NDArray[np.float32], spacing_mm: tuple[float, float]) -> FloatArray:
    """Probabilities of the largest piece of a bone, of the pieces in line with it, and of what borders on
    them."""
    labels, pieces = ndimage.label(probability > SEEN)
    if pieces == 0:
        return np.zeros(probability.shape)
    points = np.stack(np.nonzero(labels)) * np.reshape(spacing_mm, (2, 1))
    piece = labels[labels > 0]
    area = np.bincount(piece)
    largest = int(area[1:].argmax()) + 1
    middle = points[:, piece == largest].mean(axis=1)
    axis = np.linalg.eigh(np.cov(points[:, piece == largest]))[1][:, -1]
    kept = [
        number
        for number in range(1, pieces + 1)
        if area[number] >= SMALLEST_PIECE * area[largest]
        and abs(np.linalg.det([points[:, piece == number].mean(axis=1) - middle, axis])) <= IN_LINE_MM
    ]
    bone = np.isin(labels, kept)
    near = ndimage.binary_dilation(bone, iterations=max(1, round(1.0 / min(spacing_mm))))
    return np.where(near & (bone | (probability <= SEEN)), probability, 0.0)


def _centroid(bone: NDArray[np.floating], frame: ForearmFrame) -> FloatArray:
    """Centroid of a bone in forearm coordinates (across, along), mm."""
    return np.asarray(_points_mm(bone, frame).mean(axis=1))


def _points_mm(bone: NDArray[np.floating], frame: ForearmFrame) -> FloatArray:
    row, column = (index.astype(np.float64) + 0.5 for index in np.nonzero(bone > SEEN))
    return np.stack(frame.to_forearm(column, row))


def _direction(belief: Belief, radius: FloatArray, frame: ForearmFrame) -> tuple[float, float]:
    """Unit vector (column, row) in mm towards the elbow: the radius's long axis, turned away from the hand.

    `frame` is the image's own (mm, rows downwards).
    """
    points = _points_mm(radius, frame)
    _, vectors = np.linalg.eigh(np.cov(points))
    axis = vectors[:, -1]
    votes = [vote for vote in _elbow_votes(belief, points.mean(axis=1), frame) if vote @ axis != 0]
    signs = {bool(vote @ axis > 0) for vote in votes}
    if not signs:
        raise RejectedInput(
            "distal_end_not_found",
            "The network sees neither carpal bones nor the end plate of the radius: the wrist may lie "
            "outside of the image. Repeat the scan so that it starts distal to the wrist joint.",
        )
    if len(signs) == 2:
        raise RejectedInput(
            "orientation_conflict",
            "The network sees carpal bones, end plate and axis points on both sides of the radius, so that "
            "the hand's end of the image is not certain. Send a forearm scan that shows both bones and the "
            "wrist.",
        )
    axis = axis if signs.pop() else -axis
    return float(axis[0]), float(axis[1])


def _elbow_votes(belief: Belief, middle: FloatArray, frame: ForearmFrame) -> list[FloatArray]:
    """Vectors (mm) that should point to the elbow: away from carpals and end plate, along the axis points."""
    votes = []
    if np.count_nonzero(belief.carpals > SEEN) * np.prod(frame.spacing_mm) >= SMALLEST_MM2:
        votes.append(middle - _centroid(belief.carpals, frame))
    seen = {name: mark.point for name, mark in belief.landmarks.items() if mark.height >= LANDMARK_SEEN}
    in_mm = {
        name: np.ravel(frame.to_forearm(np.array([column]), np.array([row])))
        for name, (column, row) in seen.items()
    }
    if "end_plate_middle" in in_mm:
        votes.append(middle - in_mm["end_plate_middle"])
    if {"axis_distal", "axis_proximal"} <= in_mm.keys():
        votes.append(in_mm["axis_proximal"] - in_mm["axis_distal"])
    return votes


def _edges(probability: FloatArray, hidden: NDArray[np.bool_]) -> FloatArray:
    """First and last column where a row's probability crosses `SEEN`, sub-pixel; shape (2, rows).

    Rows in which an artefact hides the edge, or in which the bone is interrupted, are bridged.
    """
    inside = probability > SEEN
    rows = np.flatnonzero(inside.any(axis=1))
    edges = np.full((2, inside.shape[0]), np.nan)
    if rows.size == 0:
        return edges
    between = np.arange(rows[0], rows[-1] + 1)
    last_column = inside.shape[1] - 1
    first, last = inside.argmax(axis=1)[rows], last_column - inside[:, ::-1].argmax(axis=1)[rows]
    for side, (column, outward) in enumerate(((first, -1), (last, 1))):
        outer = np.clip(column + outward, 0, last_column)
        at, beyond = probability[rows, column], probability[rows, outer]
        part = np.clip((at - SEEN) / np.maximum(at - beyond, 1e-9), 0.0, 1.0)
        clear = ~hidden[rows, column]
        if np.count_nonzero(clear) < LEAST_CLEAR * rows.size:
            clear[:] = True
        edges[side, between] = np.interp(between, rows[clear], (column + outward * part)[clear])
    return edges


def _held(edge: FloatArray, expected: FloatArray, hidden: NDArray[np.bool_]) -> FloatArray:
    rows, columns = np.arange(edge.size), hidden.shape[1] - 1
    known = np.isfinite(expected)
    at = [np.clip(np.nan_to_num(np.round(e)), 0, columns).astype(np.intp) for e in (edge, expected)]
    covered = known & (hidden[rows, at[0]] | hidden[rows, at[1]])
    clear = known & ~covered
    if not covered.any() or np.count_nonzero(clear) < LEAST_CLEAR * np.count_nonzero(known):
        return edge
    offset = ndimage.median_filter((edge - expected)[clear], size=OFFSET_ROWS, mode="nearest")
    return np.where(covered, expected + np.interp(rows, rows[clear], offset), edge)
