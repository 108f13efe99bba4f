"""Network and edges together: the network says where the bones are, their edges say exactly where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis.errors import RejectedInput
from analysis.results import QualityFinding, SegmentationQuality, Severity
from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy, Point
from analysis.segmentation.classical import SURE, find_by_edges, require_confidence, trace
from analysis.segmentation.guide import LANDMARK_SEEN, SEEN, Guide, guide_from
from analysis.segmentation.network import Belief, Network
from analysis.segmentation.preprocessing import Prepared
from analysis.segmentation.quality import Evidence, apart_mm, dice, shipped_quality_model
from analysis.segmentation.support import edge_support

Result = TypeVar("Result")

LANDMARKS_COMPARED = {"end_plate_middle": "end_plate", "ulnar_styloid": "ulnar_styloid"}
"""The network's name of a landmark, and the anatomy's."""
CERTAIN = 0.9
IMPOSSIBLE = 0.02
"""Confidence of an anatomy with a measure outside all limits; artefacts that only disturb leave more. Of 155
simulated scans, two thirds of them spoilt, five had less, all with a wrong outline."""
COVERED = 0.02
"""Share of a bone under an artefact from which its edges may mislead."""
LANDMARKS_APART_MM = 7.0
"""Distance between the network's and the edges' landmark that is remarked on; their definitions differ by up
to 3 mm where the articular surface is tilted, and up to 6.6 mm were seen on clean simulated wrists of the
second family whose edges were right."""
LARGE_OVERLAY_MM2 = 100.0
LEAST_BESIDE = 0.1
"""An artefact has this area, or this share of it lies beside the bones. On clean simulated scans of the
second family the patches were 1 to 40 mm² and lay on bone alone; watches and casts reached well beyond it."""
CLEARLY_MORE = 0.06
"""Share of an outline: some 15 mm of its 250 mm."""


@dataclass(frozen=True, slots=True, eq=False)
class Segmented:
    """An outline with everything that speaks for and against it.

    Attributes
    ----------
    anatomy : ForearmAnatomy
    guided : bool
        True if the network led to it.
    alone : ForearmAnatomy or None
        What edges alone found.
    support : float
        Share of the outline that runs along edges.
    belief : Belief
    """

    anatomy: ForearmAnatomy
    guided: bool
    alone: ForearmAnatomy | None
    support: float
    belief: Belief

    def evidence(self) -> Evidence:
        """What the quality score is made of."""
        radius, seen = self.anatomy.radius_mask, self.belief.radius > SEEN
        covered = (self.belief.artefact > SEEN) | self.anatomy.metal_mask
        return Evidence(
            views_agree=self.belief.agreement,
            network_agrees=dice(radius, seen),
            edges_agree=dice(radius, self.alone.radius_mask) if self.guided and self.alone else 0.0,
            edge_confidence=self.anatomy.confidence,
            edge_support=self.support,
            radius_uncertainty=float(self.belief.uncertainty[radius | seen].mean()),
            artefact_over_radius=float(covered[radius].mean()),
            landmarks_apart_mm=apart_mm(_landmark_pairs(self.anatomy, self.belief)),
        )


def find_with_network(pixels: NDArray[np.floating], picture: Prepared, network: Network) -> ForearmAnatomy:
    """Segment a scan with the network's guidance, and again without it, and judge both.

    Parameters
    ----------
    pixels : ndarray of float, (rows, columns)
        The scan as it came: the network has learnt to see through artefacts and grey curves.
    picture : Prepared
        The same scan, prepared for the search for edges.

    Raises
    ------
    RejectedInput
        What `segment` raises, ``radius_not_found`` if the outline is no forearm's, and
        ``segmentation_uncertain`` if it is probably wrong.
    """
    found = segment(pixels, picture, network)
    require_confidence(found.anatomy, IMPOSSIBLE)
    model = shipped_quality_model()
    evidence = found.evidence()
    score = model.score(evidence)
    anatomy, belief = found.anatomy, found.belief
    if found.guided:
        agreement = dice(anatomy.radius_mask, found.alone.radius_mask) if found.alone else None
        quality = SegmentationQuality("network", network.model, score, agreement)
    else:
        agreement = dice(anatomy.radius_mask, belief.radius > SEEN)
        quality = SegmentationQuality("classical", None, score, agreement)
    return replace(
        anatomy,
        quality=quality,
        uncertainty=belief.uncertainty,
        artefact_mask=overlays(belief.artefact > SEEN, anatomy, picture.spacing_mm),
        findings=(
            *(finding for finding in anatomy.findings if finding.code != "segmentation_uncertain"),
            *(() if found.guided else (_WITHOUT_NETWORK,)),
            *_landmark_findings(evidence.landmarks_apart_mm),
            *model.judged(score),
        ),
    )


def overlays(
    seen: NDArray[np.bool_], anatomy: ForearmAnatomy, spacing_mm: tuple[float, float]
) -> NDArray[np.bool_]:
    """What lies over the arm, of all that the network takes for an artefact, metal aside.

    A thing over the arm does not end where a bone does: a patch that keeps to the bones is their own texture
    unless it is large.

    Parameters
    ----------
    seen : ndarray of bool, (rows, columns)
        The network's artefacts.
    """
    from scipy import ndimage

    labels, count = ndimage.label(seen & ~anatomy.metal_mask)
    if count == 0:
        return np.zeros_like(seen)
    index = np.arange(count + 1)
    area = np.bincount(labels.ravel(), minlength=count + 1) * spacing_mm[0] * spacing_mm[1]
    beside = ndimage.mean(~(anatomy.radius_mask | anatomy.ulna_mask), labels, index)
    kept = (area >= LARGE_OVERLAY_MM2) | (beside >= LEAST_BESIDE)
    kept[0] = False
    return np.asarray(kept[labels], np.bool_)


def _landmark_findings(apart: float) -> tuple[QualityFinding, ...]:
    if apart <= LANDMARKS_APART_MM:
        return ()
    return (
        QualityFinding(
            "landmarks_uncertain",
            Severity.WARNING,
            f"End plate or ulnar styloid lie {apart:.1f} mm apart between the network and the bones' edges. "
            "Check where the regions lie before using any number.",
        ),
    )


_WITHOUT_NETWORK = QualityFinding(
    "segmentation_without_network",
    Severity.WARNING,
    "The network did not lead to a plausible radius; the outline rests on edges alone. Check it before using "
    "any number.",
)


def segment(pixels: NDArray[np.floating], picture: Prepared, network: Network) -> Segmented:
    """Both ways of seeing, and the outline of the one that leads to a plausible forearm.

    Raises
    ------
    RejectedInput
        ``radius_not_found`` or ``distal_end_not_found`` if neither way finds a radius,
        ``orientation_conflict`` or ``arm_conflict`` if they contradict each other.
    """
    belief = network.look_at(pixels, picture.spacing_mm)
    alone = _attempt(lambda: find_by_edges(picture))
    guide = _attempt(lambda: guide_from(belief, picture.spacing_mm, picture.excluded))
    guided = guide if isinstance(guide, RejectedInput) else _guided(picture, guide)
    if isinstance(guide, Guide) and isinstance(alone, ForearmAnatomy) and _contradict(guide, alone):
        conflict = _conflict(guide, alone)
        if not _misled(alone, guided, guide, belief):
            raise conflict
        alone = conflict
    by_edges = alone if isinstance(alone, ForearmAnatomy) else None
    candidates = [
        Segmented(anatomy, is_guided, by_edges, _support(picture, anatomy), belief)
        for anatomy, is_guided in ((guided, True), (alone, False))
        if isinstance(anatomy, ForearmAnatomy)
    ]
    if not candidates:
        raise next(refusal for refusal in (guided, alone) if isinstance(refusal, RejectedInput))
    return candidates[-1] if _edges_are_better(candidates) else candidates[0]


def _support(picture: Prepared, anatomy: ForearmAnatomy) -> float:
    return edge_support(picture.values, picture.spacing_mm, anatomy.radius_outline, picture.excluded)


def _edges_are_better(candidates: list[Segmented]) -> bool:
    """True if the edges' own anatomy is the only plausible one, or runs along clearly more edges.

    Metal may tear the network's bones, and a veil may draw them aside.
    """
    guided, alone = candidates[0], candidates[-1]
    if alone.anatomy.confidence < SURE:
        return False
    return guided.anatomy.confidence < SURE or alone.support > guided.support + CLEARLY_MORE


def _attempt(find: Callable[[], Result]) -> Result | RejectedInput:
    try:
        return find()
    except RejectedInput as refusal:
        return refusal


def _guided(picture: Prepared, guide: Guide) -> ForearmAnatomy | RejectedInput:
    return _attempt(lambda: trace(picture.values, picture.excluded, picture.spacing_mm, guide.lie, guide))


def _contradict(guide: Guide, alone: ForearmAnatomy) -> bool:
    """Whether two methods that know nothing of each other see another arm, or another way up."""
    same = guide.hand_up == alone.hand_up and guide.radius_is_right == alone.radius_is_right_of_ulna
    return alone.confidence >= SURE and not same


def _misled(
    alone: ForearmAnatomy, guided: ForearmAnatomy | RejectedInput, guide: Guide, belief: Belief
) -> bool:
    """True if an artefact lies over what edges alone took for the radius, and nothing over the network's.

    The network must then be sure from all its views, and its forearm plausible: the radius is the bone that
    ends broad.
    """
    return (
        isinstance(guided, ForearmAnatomy)
        and guided.confidence >= CERTAIN
        and belief.agreement >= CERTAIN
        and bool(guide.artefact[alone.radius_mask].mean() > COVERED)
        and bool(guide.artefact[guided.radius_mask].mean() < COVERED)
    )


def _conflict(guide: Guide, alone: ForearmAnatomy) -> RejectedInput:
    if guide.hand_up != alone.hand_up:
        return RejectedInput(
            "orientation_conflict",
            f"The network sees the hand at the {_end(guide.hand_up)} of the image, the bones' edges show it "
            f"at the {_end(alone.hand_up)}. Send a forearm scan that shows both bones and the wrist, without "
            "metal, cast or another limb.",
        )
    return RejectedInput(
        "arm_conflict",
        f"With the hand up, the network sees the radius on the {_side(guide.radius_is_right)} of the "
        f"ulna, the bones' edges show it on the {_side(alone.radius_is_right_of_ulna)}. Send a forearm "
        "scan that shows both bones and the wrist, without metal, cast or another limb.",
    )


def _end(hand_up: bool) -> str:
    return "top" if hand_up else "bottom"


def _side(is_right: bool) -> str:
    return "right" if is_right else "left"


def _landmark_pairs(anatomy: ForearmAnatomy, belief: Belief) -> dict[str, tuple[FloatArray, FloatArray]]:
    """The landmarks that both have found, in forearm coordinates (mm)."""

    def in_mm(point: Point) -> FloatArray:
        return np.ravel(anatomy.frame.to_forearm(np.array([point[0]]), np.array([point[1]])))

    return {
        name: (in_mm(belief.landmarks[name].point), in_mm(getattr(anatomy, attribute)))
        for name, attribute in LANDMARKS_COMPARED.items()
        if belief.landmarks[name].height >= LANDMARK_SEEN
    }
