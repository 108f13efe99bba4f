"""What a segmentation network tells apart, in the order of its output channels."""

from __future__ import annotations

from analysis.segmentation.network import ANATOMY_CHANNELS, LANDMARKS

CLASS_NAMES = (*ANATOMY_CHANNELS, "artefact")
"""The anatomy is exclusive (softmax); ``carpals`` are all bones of the hand. ``artefact`` is a logit of its
own (sigmoid): metal lies over bone, and the bone is still there."""

LANDMARK_NAMES = LANDMARKS
"""``axis_*`` are the points of the forearm's axis 30 and 80 mm proximal of the ulnar styloid's tip."""

AXIS_LEVELS_MM = (30.0, 80.0)
LANDMARK_SIGMA_PX = (2.5, 2.5, 2.5, 2.5, 6.0, 6.0)
"""Standard deviation of each landmark's bell in its heat map; its height is 1, or 0 everywhere if unseen. The
points of the axis lie where nothing is to be seen: a narrow bell there is never learnt."""
