"""How far texture features can be trusted: test-retest agreement, planted period, noise.

    python benchmarks/texture_reliability.py --subjects 100

scans every subject of two phantom families twice, at 0.3 and 0.5 mm pixels, and measures all texture families
on both scans. Between the scans the arm is laid down again (tilt ±8°, shift ±1.5 mm, in the voxel family also
pronation ±4°), photons are new, and soft tissue adds another offset and gradient. All subjects of a condition
are scanned by one scanner: its blur and dose would otherwise count as differences between subjects.

Then a third scan in the first position with a quarter of the photons shows how far noise alone moves a
feature. Writes ``docs/texture_icc.csv`` (per-feature ICC and partial correlation with the planted period) and
the figures between the markers of ``docs/texture.md``; ``--dry`` prints them only.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.errors import RejectedInput
from analysis.measurement.regions import place_regions
from analysis.measurement.texture.core_set import CORE, REQUIRED_ICC
from analysis.measurement.texture.families import PREFIXES, family_of
from analysis.measurement.texture.measure import BIN_WIDTH_G_CM2, family_features
from analysis.measurement.texture.patch import Patch, resampled_patch
from analysis.segmentation import find_forearm
from analysis.simulation import draw_acquisition, draw_subject, render
from analysis.simulation.view import FIELD_OF_VIEW_MM
from analysis.simulation.voxel import draw_voxel_case, render_voxel, rescan

DOCS = Path(__file__).parents[1] / "docs"
CONDITIONS = (("own", 0.3), ("own", 0.5), ("voxel", 0.3), ("voxel", 0.5))
"""Phantom family and pixel side in mm."""

MARKERS = ("<!-- figures: benchmarks/texture_reliability.py -->", "<!-- end of figures -->")
VARIOGRAM = (
    "variogram_slope",
    "variogram_sill",
    "variogram_log_sill",
    "variogram_snr",
    "variogram_range_mm",
    "variogram_robust_slope",
    "variogram_robust_snr",
)
SHOWN = (
    *VARIOGRAM,
    "fractal_box_counting",
    "fractal_power_spectrum",
    "original_glcm_Correlation",
    "original_glcm_Id",
    "original_glrlm_RunPercentage",
    "original_ngtdm_Coarseness",
    "wavelet-HL_firstorder_Variance",
)

TILT_DEGREES = 8.0
SHIFT_MM = 1.5
PRONATION_DEGREES = 4.0
SOFT_TISSUE_G_CM2 = 0.006
"""Largest offset, and largest gradient from middle to border, that soft tissue adds in the own family; the
voxel family draws its own scatter."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    """One subject: the ultradistal patches of two scans, of a third at low dose, and what was planted."""

    first: Patch
    second: Patch
    low_dose: Patch | None
    period_mm: float
    bmd_g_cm2: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What one condition showed, per feature."""

    subjects: int
    icc: Mapping[str, float]
    period: Mapping[str, float]
    noise_shift: Mapping[str, float]
    """Mean change by a quarter of the photons, in standard deviations between subjects; own family only."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--subjects", type=int, default=100, help="per condition (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other subjects")
    parser.add_argument("--dry", action="store_true", help="print the figures, write no file")
    options = parser.parse_args()
    figures = {}
    for family, spacing in CONDITIONS:
        pairs = list(scanned_pairs(family, spacing, options.subjects, seed=options.seed))
        figures[f"{family}_{spacing}"] = condition_figures(pairs)
        print(f"{family} phantom, {spacing} mm: {len(pairs)} of {options.subjects} subjects", flush=True)
    text = report(figures, options)
    print(text)
    if not options.dry:
        write_table(figures, DOCS / "texture_icc.csv")
        write_between_markers(text, DOCS / "texture.md")


def condition_figures(pairs: Sequence[Pair]) -> Figures:
    """All figures of one condition."""
    first = feature_table([p.first for p in pairs])
    low = [p.low_dose for p in pairs if p.low_dose is not None]
    noisy = feature_table(low) if low else {}
    return Figures(
        len(pairs),
        retest_icc(pairs),
        planted_period(pairs),
        {name: float((noisy[name] - first[name]).mean() / first[name].std(ddof=1)) for name in noisy},
    )


def retest_icc(pairs: Sequence[Pair], families: Sequence[str] = tuple(PREFIXES)) -> dict[str, float]:
    """ICC(A,1) of every feature over the pairs of one condition."""
    first, second = (
        feature_table([getattr(p, scan) for p in pairs], families) for scan in ("first", "second")
    )
    return {name: icc_agreement(first[name], second[name]) for name in first}


def planted_period(pairs: Sequence[Pair], families: Sequence[str] = tuple(PREFIXES)) -> dict[str, float]:
    """Partial Spearman correlation of every feature with the planted period, given ultradistal BMD."""
    measured = feature_table([p.first for p in pairs], families)
    period, bmd = (np.array([getattr(p, field) for p in pairs]) for field in ("period_mm", "bmd_g_cm2"))
    return {name: partial_spearman(values, period, bmd) for name, values in measured.items()}


def scanned_pairs(family: str, spacing_mm: float, subjects: int, *, seed: int = 0) -> Iterator[Pair]:
    """Subjects scanned twice; those whose radius is not found in both scans are left out."""
    scan_twice = _own_pair if family == "own" else _voxel_pair
    for number in range(subjects):
        rng = np.random.default_rng([seed, number, round(spacing_mm * 100)])
        person = np.random.default_rng([seed, number])
        try:
            yield scan_twice(person, rng, spacing_mm)
        except RejectedInput:
            continue


def _own_pair(person: np.random.Generator, rng: np.random.Generator, spacing_mm: float) -> Pair:
    subject = draw_subject(person)
    rows, columns = (round(side / spacing_mm) for side in FIELD_OF_VIEW_MM)
    scanner = replace(
        draw_acquisition(rng, spacing_mm=spacing_mm),
        rows=rows,
        columns=columns,
        blur_mm=0.36,
        photons_per_mm2=1.6e6,
        fat_error=0.001,
        tilt_degrees=0.0,
        offset_mm=(0.0, 0.0),
    )
    again = replace(
        scanner,
        tilt_degrees=float(rng.uniform(-TILT_DEGREES, TILT_DEGREES)),
        offset_mm=(float(rng.uniform(-SHIFT_MM, SHIFT_MM)), float(rng.uniform(-SHIFT_MM, SHIFT_MM))),
        fat_error=0.002,
    )
    low_dose = replace(scanner, photons_per_mm2=scanner.photons_per_mm2 / 4)
    patches = []
    for acquisition, soft in ((scanner, 0.0), (again, SOFT_TISSUE_G_CM2), (low_dose, 0.0)):
        phantom = render(subject, acquisition, int(rng.integers(2**31)))
        pixels = phantom.density_g_cm2 + _plane(phantom.density_g_cm2.shape, rng.uniform(-soft, soft, 3))
        patches.append(_patch(pixels, phantom.spacing_mm, subject.forearm_length_mm))
    truth = phantom.truth
    return Pair(*patches, truth.correlation_length_mm, truth.regions["ultradistal"].bmd_g_cm2)


def _voxel_pair(person: np.random.Generator, rng: np.random.Generator, spacing_mm: float) -> Pair:
    case = draw_voxel_case(person, spacing_mm=(spacing_mm, spacing_mm), largest_tilt_degrees=TILT_DEGREES)
    scanner = replace(
        case.scan,
        focal_spot_mm=(0.4, 0.4),
        detector_mm=0.15,
        tail_share=0.03,
        tail_mm=0.6,
        photons_per_mm2=4e6,
        line_noise=0.12,
        fat_g_cm2=0.003,
        seed=int(rng.integers(2**31)),
    )
    case = replace(case, scan=scanner)
    again = rescan(
        case, rng, tilt_degrees=TILT_DEGREES, shift_mm=SHIFT_MM, pronation_degrees=PRONATION_DEGREES
    )
    phantoms = [render_voxel(case), render_voxel(again)]
    patches = [_patch(p.pixels, p.spacing_mm, case.subject.forearm_length_mm) for p in phantoms]
    truth = phantoms[0].truth
    return Pair(*patches, None, truth.trabecular_period_mm, truth.regions["ultradistal"].bmd_g_cm2)


def _plane(shape: tuple[int, ...], terms: Array) -> NDArray[np.float32]:
    rows, columns = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])[None, :]
    return np.asarray(terms[0] + terms[1] * rows + terms[2] * columns, np.float32)


def _patch(pixels: NDArray[np.float32], spacing_mm: tuple[float, float], length_mm: float) -> Patch:
    anatomy = find_forearm(pixels, spacing_mm)
    placed = place_regions(anatomy, spacing_mm, length_mm)
    return resampled_patch(pixels, placed.masks["ultradistal"], anatomy)


def feature_table(patches: Sequence[Patch], families: Sequence[str] = tuple(PREFIXES)) -> dict[str, Array]:
    """Features of many patches, by name."""
    rows = [family_features(patch, families, bin_width=BIN_WIDTH_G_CM2) for patch in patches]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def icc_agreement(first: Array, second: Array) -> float:
    """ICC(A,1) of McGraw & Wong 1996: two-way, absolute agreement, single measurement (Shrout's ICC(2,1))."""
    table = np.column_stack([first, second])
    subjects, scans = table.shape
    grand, by_subject, by_scan = table.mean(), table.mean(axis=1), table.mean(axis=0)
    ms_subjects = scans * ((by_subject - grand) ** 2).sum() / (subjects - 1)
    ms_scans = subjects * ((by_scan - grand) ** 2).sum() / (scans - 1)
    rest = table - by_subject[:, None] - by_scan[None, :] + grand
    ms_rest = (rest**2).sum() / ((subjects - 1) * (scans - 1))
    spread = ms_subjects + (scans - 1) * ms_rest + scans * (ms_scans - ms_rest) / subjects
    return float((ms_subjects - ms_rest) / spread) if spread > 0 else float("nan")


def partial_spearman(x: Array, y: Array, given: Array) -> float:
    """Rank correlation of `x` and `y` after the ranks of `given` are regressed out of both."""
    ranks = [stats.rankdata(values) for values in (x, y, given)]
    xy, xz, yz = np.corrcoef(ranks)[[0, 0, 1], [1, 2, 2]]
    return float((xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2)))


def default_set() -> set[str]:
    """What is measured unless a site asks for more."""
    return set(CORE) | set(VARIOGRAM)


def report(figures: Mapping[str, Figures], options: argparse.Namespace) -> str:
    """The figures as Markdown."""
    return "\n".join(
        [
            f"`benchmarks/texture_reliability.py --subjects {options.subjects} --seed {options.seed}`: "
            + ", ".join(f"{name.replace('_', ' ')} mm {f.subjects} subjects" for name, f in figures.items())
            + ".",
            "",
            "Features with a test-retest ICC(A,1) of at least 0.90:",
            "",
            *_icc_rows(figures),
            "",
            "Partial Spearman correlation with the planted trabecular period, given ultradistal BMD:",
            "",
            *_feature_rows(figures, SHOWN, "period"),
            "",
            "Test-retest ICC(A,1) of features named above or often asked for:",
            "",
            *_feature_rows(figures, SHOWN, "icc"),
            "",
            "Change by a quarter of the photons, in standard deviations between subjects:",
            "",
            *_feature_rows({n: f for n, f in figures.items() if f.noise_shift}, SHOWN, "noise_shift"),
        ]
    )


def _icc_rows(figures: Mapping[str, Figures]) -> list[str]:
    groups: dict[str, set[str]] = {"default set": default_set(), "core set": set(CORE)}
    some = next(iter(figures.values()))
    for family in PREFIXES:
        groups[family] = {name for name in some.icc if family_of(name) == family}
    columns = [*figures, "in all"]
    rows = _header("set", columns)
    for label, members in groups.items():
        good = [{n for n in members if f.icc[n] >= REQUIRED_ICC} for f in figures.values()]
        shares = [len(names) / len(members) for names in [*good, set.intersection(*good)]]
        rows.append(f"| {label} ({len(members)}) | " + " | ".join(f"{share:.0%}" for share in shares) + " |")
    return rows


def _feature_rows(figures: Mapping[str, Figures], names: Sequence[str], field: str) -> list[str]:
    rows = _header("feature", list(figures))
    for name in names:
        values = [getattr(f, field)[name] for f in figures.values()]
        rows.append(f"| `{name}` | " + " | ".join(f"{value:+.2f}" for value in values) + " |")
    return rows


def _header(first: str, columns: Sequence[str]) -> list[str]:
    titles = " | ".join(f"{c.replace('_', ' ')} mm" if "_" in c else c for c in columns)
    return [f"| {first} | {titles} |", "|---" * (len(columns) + 1) + "|"]


def write_table(figures: Mapping[str, Figures], path: Path) -> None:
    """One row per feature: ICC and partial correlation with the period in every condition."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(
            ["feature", "family", "core"]
            + [f"icc_{name}" for name in figures]
            + [f"period_{name}" for name in figures]
        )
        for name in next(iter(figures.values())).icc:
            values = [f.icc[name] for f in figures.values()] + [f.period[name] for f in figures.values()]
            row = [name, family_of(name), "yes" if name in CORE else "no"]
            table.writerow(row + [f"{value:.3f}" for value in values])


def write_between_markers(text: str, path: Path) -> None:
    """Replace what lies between the document's two markers."""
    before, _, rest = path.read_text(encoding="utf-8").partition(MARKERS[0])
    after = rest.partition(MARKERS[1])[2]
    path.write_text(f"{before}{MARKERS[0]}\n{text}\n{MARKERS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
