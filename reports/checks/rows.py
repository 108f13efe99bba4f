"""The mandatory rows of the templates that the results follow, one line each.

Row numbers are those of PS3.16 Annex A. "Ours" marks what the template leaves optional and we promise: a
number without its algorithm, or a group without its anatomy, explains nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reports.checks.breach import Breach
from reports.checks.tree import CodeKey, Item

LANGUAGE: CodeKey = ("121049", "DCM")
OBSERVER_TYPE: CodeKey = ("121005", "DCM")
DEVICE: CodeKey = ("121007", "DCM")
DEVICE_UID: CodeKey = ("121012", "DCM")
PROCEDURE: CodeKey = ("121058", "DCM")
IMAGE_LIBRARY: CodeKey = ("111028", "DCM")
IMAGE_LIBRARY_GROUP: CodeKey = ("126200", "DCM")
MODALITY: CodeKey = ("121139", "DCM")
IMAGING_MEASUREMENTS: CodeKey = ("126010", "DCM")
QUALITATIVE_EVALUATIONS: CodeKey = ("C0034375", "UMLS")
MEASUREMENT_GROUP: CodeKey = ("125007", "DCM")
TRACKING_IDENTIFIER: CodeKey = ("112039", "DCM")
TRACKING_UID: CodeKey = ("112040", "DCM")
FINDING: CodeKey = ("121071", "DCM")
FINDING_SITE: CodeKey = ("363698007", "SCT")
LATERALITY: CodeKey = ("272741003", "SCT")
IMAGE_REGION: CodeKey = ("111030", "DCM")
ORIGINAL_SOURCE: CodeKey = ("111040", "DCM")
ALGORITHM_NAME: CodeKey = ("111001", "DCM")
ALGORITHM_VERSION: CodeKey = ("111003", "DCM")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a template: how often which child must stand below an item.

    Attributes
    ----------
    section : str
    relationship, value_type : str
    concept : CodeKey
    name : str
        As the standard calls it.
    least : int
    most : int or None
        ``None`` for any number.
    """

    section: str
    relationship: str
    value_type: str
    concept: CodeKey
    name: str
    least: int = 1
    most: int | None = 1

    def breaches(self, item: Item) -> Iterator[Breach]:
        """Yield a breach if `item` has this row too rarely or too often, or in another form."""
        found = item.named(self.concept)
        for child in found:
            if (child.relationship, child.value_type) != (
                self.relationship,
                self.value_type,
            ):
                yield Breach(
                    f"have {self.name} as {self.relationship} {self.value_type} in {item.title!r}",
                    self.section,
                )
        if len(found) < self.least or (self.most is not None and len(found) > self.most):
            often = "exactly one" if self.least == self.most == 1 else f"at least {self.least}"
            if self.least == 0:
                often = f"at most {self.most}"
            yield Breach(f"have {often} {self.name} in {item.title!r}", self.section)


OBSERVER = (
    Row(
        "PS3.16 TID 1002 row 1",
        "HAS OBS CONTEXT",
        "CODE",
        OBSERVER_TYPE,
        "Observer Type",
    ),
    Row(
        "PS3.16 TID 1004 row 1",
        "HAS OBS CONTEXT",
        "UIDREF",
        DEVICE_UID,
        "Device Observer UID",
    ),
    Row(
        "TID 1004 row 2, ours",
        "HAS OBS CONTEXT",
        "TEXT",
        ("121013", "DCM"),
        "Device Observer Name",
    ),
    Row(
        "TID 1004 row 3, ours",
        "HAS OBS CONTEXT",
        "TEXT",
        ("121014", "DCM"),
        "Device Observer Manufacturer",
    ),
    Row(
        "TID 1004 row 4, ours",
        "HAS OBS CONTEXT",
        "TEXT",
        ("121015", "DCM"),
        "Device Observer Model Name",
    ),
)
LANGUAGE_ROW = Row(
    "PS3.16 TID 1204 row 1",
    "HAS CONCEPT MOD",
    "CODE",
    LANGUAGE,
    "Language of Content Item and Descendants",
)
MEASUREMENT_REPORT = (
    LANGUAGE_ROW,
    *OBSERVER,
    Row(
        "PS3.16 TID 1500 row 4",
        "HAS CONCEPT MOD",
        "CODE",
        PROCEDURE,
        "Procedure reported",
        1,
        None,
    ),
    Row(
        "PS3.16 TID 1500 row 6",
        "CONTAINS",
        "CONTAINER",
        IMAGING_MEASUREMENTS,
        "Imaging Measurements",
    ),
    Row(
        "TID 1500 row 12, ours",
        "CONTAINS",
        "CONTAINER",
        QUALITATIVE_EVALUATIONS,
        "Qualitative Evaluations",
    ),
)
"""Rows of the root of TID 1500."""

IMAGE_LIBRARY_ROW = Row("PS3.16 TID 1500 row 5", "CONTAINS", "CONTAINER", IMAGE_LIBRARY, "Image Library")
IMAGE_LIBRARY_ROWS = (
    Row(
        "PS3.16 TID 1600 row 2",
        "CONTAINS",
        "CONTAINER",
        IMAGE_LIBRARY_GROUP,
        "Image Library Group",
    ),
)
IMAGE_LIBRARY_GROUP_ROWS = (
    Row("PS3.16 TID 1601 row 1", "CONTAINS", "IMAGE", ORIGINAL_SOURCE, "Original Source"),
)
IMAGE_LIBRARY_ENTRY_ROWS = (Row("PS3.16 TID 1602 row 1", "HAS ACQ CONTEXT", "CODE", MODALITY, "Modality"),)
"""Rows below the root of TID 1500 where there is an image to list."""

DIAGNOSTIC_REPORT = (LANGUAGE_ROW, *OBSERVER)
"""Rows of the root of TID 2000."""

TRACKING = (
    Row(
        "PS3.16 TID 4108 row 1",
        "HAS OBS CONTEXT",
        "TEXT",
        TRACKING_IDENTIFIER,
        "Tracking Identifier",
    ),
    Row(
        "PS3.16 TID 4108 row 2",
        "HAS OBS CONTEXT",
        "UIDREF",
        TRACKING_UID,
        "Tracking Unique Identifier",
    ),
)
ANATOMY = (
    Row("TID 1410 row 3b, ours", "CONTAINS", "CODE", FINDING, "Finding"),
    Row("TID 1410 row 11, ours", "HAS CONCEPT MOD", "CODE", FINDING_SITE, "Finding Site"),
)
ALGORITHM = (
    Row(
        "PS3.16 TID 4019 row 1",
        "HAS CONCEPT MOD",
        "TEXT",
        ALGORITHM_NAME,
        "Algorithm Name",
    ),
    Row(
        "PS3.16 TID 4019 row 2",
        "HAS CONCEPT MOD",
        "TEXT",
        ALGORITHM_VERSION,
        "Algorithm Version",
    ),
)
PLANAR_GROUP = (
    *TRACKING,
    *ANATOMY,
    *ALGORITHM,
    Row("PS3.16 TID 1410 row 5", "CONTAINS", "SCOORD", IMAGE_REGION, "Image Region"),
)
"""Rows of a Measurement Group on an image; without its one outline OHIF 3.12 shows a black screen."""

GROUP_WITHOUT_IMAGE = (
    *TRACKING,
    *ANATOMY,
    *ALGORITHM,
    Row("PS3.16 TID 1501", "CONTAINS", "SCOORD", IMAGE_REGION, "Image Region", 0, 0),
)
"""Rows of a Measurement Group of a study that reports numbers without an image."""
