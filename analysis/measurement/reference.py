"""T- and Z-scores from a reference in ``conf/reference/``: the LMS method on a table with its sources."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from analysis.errors import ConfigurationError
from analysis.results import REGIONS, QualityFinding, ReferenceBand, ReferenceIdentity, Severity

Group = tuple[str, str, str]
"""Bone, region and sex of the people measured (``F`` or ``M``)."""

COLUMNS = ("bone", "region", "sex_of_reference", "age_years", "young_adult", "L", "M", "sd", "source")
"""Header row of a reference file; lines that begin with ``#`` before it describe the file."""
BONES = ("radius", "ulna", "both")
"""Of which bone a row is; ``both`` is radius and ulna measured together."""
POLICIES = ("female", "own_sex")
"""Whose young adults are everybody's standard: women's (ISCD 2023) or those of the patient's own sex."""
ANY_DEVICE = "unstated"
"""What ``# device:`` says where the source names none."""


@dataclass(frozen=True, slots=True)
class ReferencePoint:
    """Distribution of BMD in one group: Box-Cox power `power`, median and SD in g/cm²."""

    power: float
    median_g_cm2: float
    sd_g_cm2: float

    def score(self, bmd_g_cm2: float) -> float:
        """Standard deviations from the median: ``M · ((X/M)^L − 1) / (L · SD)``, ``M · ln(X/M) / SD`` at L =
        0.

        As Hologic APEX turns its curves into scores; SD is in g/cm², so S of the usual LMS notation is SD /
        M.
        """
        ratio = bmd_g_cm2 / self.median_g_cm2
        if abs(self.power) < 1e-6:
            return self.median_g_cm2 * math.log(ratio) / self.sd_g_cm2
        return self.median_g_cm2 * (math.pow(ratio, self.power) - 1) / (self.power * self.sd_g_cm2)


@dataclass(frozen=True, slots=True)
class ReferenceCurve:
    """A reference as loaded from one file.

    Attributes
    ----------
    identity : ReferenceIdentity
        Name and source, to travel with every score.
    policy : {"female", "own_sex"}
        Whose young adults give the T-score, see `POLICIES`.
    devices : tuple of str
        Words of which the scanner's manufacturer or model must hold one; empty if the source names no device.
    young_adult : Mapping[tuple[str, str, str], ReferencePoint]
        By bone, region and sex.
    by_age : Mapping[tuple[str, str, str], tuple[tuple[float, ReferencePoint], ...]]
        (age in years, point) by bone, region and sex, ages ascending.
    """

    identity: ReferenceIdentity
    policy: str
    devices: tuple[str, ...]
    young_adult: Mapping[Group, ReferencePoint]
    by_age: Mapping[Group, tuple[tuple[float, ReferencePoint], ...]]

    def t_score(
        self, region: str, bmd_g_cm2: float, sex: str | None = None, bone: str = "radius"
    ) -> float | None:
        """SDs from the young-adult mean; ``None`` if the file has none for this bone, region and sex."""
        of_sex = "F" if self.policy == "female" else sex
        point = self.young_adult.get((bone, region, of_sex)) if of_sex is not None else None
        return point.score(bmd_g_cm2) if point is not None and bmd_g_cm2 > 0 else None

    def bands(self, sex: str | None) -> dict[str, ReferenceBand]:
        """Young adults of the radius' regions whom a T-score of a patient of this sex is counted from."""
        of_sex = "F" if self.policy == "female" else sex
        return {
            region: ReferenceBand(point.median_g_cm2, point.sd_g_cm2)
            for region in REGIONS
            if of_sex is not None and (point := self.young_adult.get(("radius", region, of_sex))) is not None
        }

    def z_score(
        self, region: str, bmd_g_cm2: float, age_years: float | None, sex: str | None, bone: str = "radius"
    ) -> float | None:
        """SDs from the mean of the same age and sex, L, M and SD interpolated linearly between ages.

        ``None`` if age or sex is unknown, or the file has no rows around this age for this sex: nothing is
        extrapolated.
        """
        if age_years is None or sex is None or bmd_g_cm2 <= 0:
            return None
        ages = self.by_age.get((bone, region, sex), ())
        for (lower, before), (upper, after) in pairwise(ages):
            if lower <= age_years <= upper:
                return _between(before, after, (age_years - lower) / (upper - lower)).score(bmd_g_cm2)
        return None

    def device_findings(self, device: str) -> tuple[QualityFinding, ...]:
        """``reference_device_differs`` where the scanner is not one of those the reference was made on."""
        if not self.devices or any(word.casefold() in device.casefold() for word in self.devices):
            return ()
        return (
            QualityFinding(
                "reference_device_differs",
                Severity.WARNING,
                f"T- and Z-scores come from a reference made on {' or '.join(self.devices)} "
                f"({self.identity.name}), the scan from {device or 'an unnamed scanner'}: BMD of the forearm "
                "differs between makers by more than a standard deviation. Name your densitometer's own "
                "reference in [analysis] reference.",
            ),
        )


def load_reference(path: Path) -> ReferenceCurve:
    """Read a reference file.

    Parameters
    ----------
    path : Path
        CSV with the header row `COLUMNS`, UTF-8. Before it, lines ``# name: ...``, ``# source: ...``,
        ``# policy: ...`` (see `POLICIES`) and ``# device: ...`` (names with commas between them, or
        `ANY_DEVICE`). ``young_adult`` is ``yes`` or ``no``; a young-adult row may leave ``age_years`` blank.

    Raises
    ------
    ConfigurationError
        The file is missing or breaks this form; the text names file, line and cure.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The reference {path} cannot be read ({error}); name a CSV file of conf/reference/."
        ) from error
    head = [line for line in lines if line.startswith("#")]
    policy, device = _described(path, head, "policy"), _described(path, head, "device")
    if policy not in POLICIES:
        raise ConfigurationError(
            f"The reference {path} has '# policy: {policy}'; use one of {', '.join(POLICIES)}."
        )
    young_adult: dict[Group, ReferencePoint] = {}
    by_age: dict[Group, dict[float, ReferencePoint]] = {}
    for number, row in _rows(path, lines):
        group, age, is_young_adult, point = _parsed(path, number, row)
        if is_young_adult:
            if group in young_adult:
                raise _broken(path, number, f"has a second young-adult row for {' '.join(group)}; keep one")
            young_adult[group] = point
        if age is not None:
            if age in by_age.setdefault(group, {}):
                raise _broken(path, number, f"repeats age {age:g} for {' '.join(group)}; keep one")
            by_age[group][age] = point
    if not young_adult:
        raise ConfigurationError(
            f"The reference {path} has no young-adult row; mark one per region with young_adult = yes."
        )
    return ReferenceCurve(
        ReferenceIdentity(_described(path, head, "name"), _described(path, head, "source")),
        policy,
        () if device == ANY_DEVICE else tuple(word.strip() for word in device.split(",") if word.strip()),
        young_adult,
        {key: tuple(sorted(points.items())) for key, points in by_age.items()},
    )


def _rows(path: Path, lines: Sequence[str]) -> Iterable[tuple[int, dict[str, str]]]:
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
    parsed = list(csv.reader(line for _, line in numbered))
    if not parsed or tuple(parsed[0]) != COLUMNS:
        raise ConfigurationError(f"The reference {path} must have the header row {','.join(COLUMNS)}.")
    for (number, _), cells in zip(numbered[1:], parsed[1:], strict=True):
        if len(cells) != len(COLUMNS):
            raise _broken(path, number, f"has {len(cells)} cells for {len(COLUMNS)} columns; quote commas")
        yield number, dict(zip(COLUMNS, (cell.strip() for cell in cells), strict=True))


def _parsed(
    path: Path, number: int, row: Mapping[str, str]
) -> tuple[Group, float | None, bool, ReferencePoint]:
    if row["bone"] not in BONES:
        raise _broken(path, number, f"names bone {row['bone']!r}; use one of {', '.join(BONES)}")
    if row["region"] not in REGIONS:
        raise _broken(path, number, f"names region {row['region']!r}; use one of {', '.join(REGIONS)}")
    if row["sex_of_reference"] not in ("F", "M"):
        raise _broken(path, number, f"has sex_of_reference {row['sex_of_reference']!r}; use F or M")
    if row["young_adult"] not in ("yes", "no"):
        raise _broken(path, number, f"has young_adult {row['young_adult']!r}; use yes or no")
    if not row["source"]:
        raise _broken(path, number, "has no source; say where the numbers come from")
    try:
        power, median, sd = float(row["L"]), float(row["M"]), float(row["sd"])
        age = float(row["age_years"]) if row["age_years"] else None
    except ValueError as error:
        raise _broken(path, number, f"holds something that is no number ({error}); write 0.694") from error
    young_adult = row["young_adult"] == "yes"
    if age is None and not young_adult:
        raise _broken(path, number, "has no age_years; only young-adult rows may leave it blank")
    if not (0 < median <= 2 and 0 < sd < median and abs(power) <= 10 and (age is None or 0 <= age <= 120)):
        raise _broken(path, number, "is out of range; M and sd are in g/cm², ages in years")
    group = row["bone"], row["region"], row["sex_of_reference"]
    return group, age, young_adult, ReferencePoint(power, median, sd)


def _between(before: ReferencePoint, after: ReferencePoint, fraction: float) -> ReferencePoint:
    def mixed(first: float, second: float) -> float:
        return first + (second - first) * fraction

    return ReferencePoint(
        mixed(before.power, after.power),
        mixed(before.median_g_cm2, after.median_g_cm2),
        mixed(before.sd_g_cm2, after.sd_g_cm2),
    )


def _described(path: Path, head: Sequence[str], key: str) -> str:
    for line in head:
        name, _, value = line.lstrip("# ").partition(":")
        if name.strip() == key and value.strip():
            return value.strip()
    raise ConfigurationError(f"The reference {path} has no line '# {key}: ...' before its header row.")


def _broken(path: Path, number: int, what: str) -> ConfigurationError:
    return ConfigurationError(f"Line {number} of the reference {path} {what}.")
