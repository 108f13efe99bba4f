"""Studies the user's way: simulated DICOM is written to disk, read back, analysed and compared."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FLAVOURS = ("calibrated", "hologic", "lunar")
BARS = {"median Dice": 0.95, "median one-third BMD error %": 2.0}
"""The first bars this engine was asked to clear."""


@dataclass(frozen=True)
class Case:
    """One fresh study and how the engine did."""

    flavour: str
    seed: int
    status: str
    expected_status: str
    reason: str
    seconds: float
    dice: float | None = None
    side_correct: bool | None = None
    up_correct: bool | None = None
    one_third_error_percent: float | None = None
    """Against the noiseless truth where the engine measured it on pixels."""
    equals_vendor: bool | None = None
    """All regions equal to what the vendor printed, where the vendor's numbers are used."""
    tilt_degrees: float | None = None
    artefact: str | None = None


def run_case(flavour: str, seed: int) -> Case:
    """Write, read and analyse one study; compare with its truth."""
    from analysis.engine import analyze
    from analysis.simulation.study import write_study
    from dicom_node.config import load_analysis_config
    from dicom_node.dicom_files import read_studies

    simulated, expected = (
        _study_to_decline(seed) if flavour == "to decline" else (_forearm(flavour, seed), "analyzed")
    )
    with tempfile.TemporaryDirectory() as folder:
        write_study(simulated, Path(folder))
        (study,), _ = read_studies([Path(folder)])
        started = time.perf_counter()
        analysis = analyze(study.datasets, config=load_analysis_config())
        seconds = time.perf_counter() - started
    outcome = {
        "flavour": flavour,
        "seed": seed,
        "status": str(analysis.status),
        "expected_status": expected,
        "reason": analysis.reason,
        "seconds": seconds,
    }
    if analysis.status != "analyzed" or expected != "analyzed":
        return Case(**outcome)
    return Case(**outcome, **_compare(analysis, simulated))


def _forearm(flavour: str, seed: int) -> Any:
    from analysis.simulation.study import simulate_study

    return simulate_study(flavour, seed)  # type: ignore[arg-type]


def _study_to_decline(seed: int) -> tuple[Any, str]:
    """In turn: a spine; a forearm whose header contradicts itself on the side; two forearms in one study."""
    from dataclasses import replace

    from pydicom.uid import generate_uid

    from analysis.simulation.study import simulate_spine

    kind = seed % 3
    if kind == 0:
        return simulate_spine(seed), "not_applicable"
    if kind == 1:
        study = _forearm("lunar", seed)
        image = next(item for item in study.objects.values() if "PixelData" in item)
        image.Laterality = "L" if study.truth["laterality"] == "R" else "R"
        return study, "rejected"
    study = _forearm("calibrated", seed)
    (name, image), *_ = study.objects.items()
    second = _forearm("calibrated", seed)
    (other,) = second.objects.values()
    other.SOPInstanceUID = generate_uid(entropy_srcs=[str(image.SOPInstanceUID), "second"])
    other.file_meta.MediaStorageSOPInstanceUID = other.SOPInstanceUID
    return replace(study, objects={name: image, "second.dcm": other}), "rejected"


def _compare(analysis: Any, simulated: Any) -> dict[str, Any]:
    truth = simulated.truth
    mask = analysis.evidence.radius_mask
    overlap = 2.0 * np.logical_and(mask, simulated.masks["radius"]).sum()
    one_third = analysis.regions["one_third"]
    error = equal = None
    if one_third.bmd_source == "pixels":
        expected = truth["regions"]["one_third"]["bmd_g_cm2"]
        error = 100 * (one_third.bmd_g_cm2 / expected - 1)
    elif one_third.bmd_source == "vendor":
        equal = all(
            analysis.regions[region].bmd_g_cm2 == printed["bmd_g_cm2"]
            for region, printed in truth["vendor"].items()
        )
    return {
        "dice": float(overlap / (mask.sum() + simulated.masks["radius"].sum())),
        "side_correct": str(analysis.laterality) == truth["laterality"],
        "up_correct": analysis.evidence.hand_up == truth["hand_up"],
        "one_third_error_percent": error,
        "equals_vendor": equal,
        "tilt_degrees": truth["acquisition"]["tilt_degrees"],
        "artefact": truth["artefact"],
    }


def as_markdown(cases: Sequence[Case]) -> list[str]:
    """One table by flavour, then every study that missed."""
    forearms = [case for case in cases if case.flavour != "to decline"]
    declines = [case for case in cases if case.flavour == "to decline"]
    lines = [
        "| | " + " | ".join(FLAVOURS) + " | all | bar |",
        "|---|" + "---|" * (len(FLAVOURS) + 2),
    ]
    groups = [[case for case in forearms if case.flavour == flavour] for flavour in FLAVOURS] + [forearms]
    for title, figure, bar in ROWS:
        lines.append(f"| {title} | " + " | ".join(figure(group) for group in groups) + f" | {bar} |")
    right = sum(case.status == case.expected_status for case in declines)
    lines += [
        "",
        "Studies to be declined (spine, contradictory side, two forearms in one study): "
        f"{right} of {len(declines)} declined as they should be.",
        "",
    ]
    misses = [case for case in cases if _missed(case)]
    return lines + [f"- missed: {case.flavour} seed {case.seed}: {_describe(case)}" for case in misses]


def _share(flags: Sequence[bool | None]) -> str:
    known = [flag for flag in flags if flag is not None]
    return f"{sum(known)} of {len(known)}" if known else "–"


def _spread(values: Sequence[float | None], text: str, pick: Any) -> str:
    known = [value for value in values if value is not None]
    return text.format(pick(known)) if known else "–"


ROWS = [
    ("studies", lambda g: str(len(g)), ""),
    ("analysed, no crash", lambda g: _share([c.status == "analyzed" for c in g]), "all"),
    (
        "radius Dice, median",
        lambda g: _spread([c.dice for c in g], "{:.3f}", statistics.median),
        f"≥ {BARS['median Dice']}",
    ),
    ("radius Dice, minimum", lambda g: _spread([c.dice for c in g], "{:.3f}", min), ""),
    ("side correct", lambda g: _share([c.side_correct for c in g]), "all"),
    ("way up correct", lambda g: _share([c.up_correct for c in g]), "all"),
    (
        "one-third BMD error against truth, median of absolute %",
        lambda g: _spread(
            [abs(c.one_third_error_percent) for c in g if c.one_third_error_percent is not None],
            "{:.2f}",
            statistics.median,
        ),
        f"≤ {BARS['median one-third BMD error %']}",
    ),
    (
        "one-third BMD error, mean (bias) %",
        lambda g: _spread([c.one_third_error_percent for c in g], "{:+.2f}", statistics.fmean),
        "",
    ),
    (
        "one-third BMD error, largest absolute %",
        lambda g: _spread([c.one_third_error_percent for c in g], "{:.2f}", lambda v: max(map(abs, v))),
        "",
    ),
    ("BMD equal to the vendor's, every region", lambda g: _share([c.equals_vendor for c in g]), "all"),
    ("seconds per study, median", lambda g: _spread([c.seconds for c in g], "{:.2f}", statistics.median), ""),
]


def _missed(case: Case) -> bool:
    return (
        case.status != case.expected_status
        or case.side_correct is False
        or case.up_correct is False
        or case.equals_vendor is False
        or (case.dice is not None and case.dice < BARS["median Dice"])
        or abs(case.one_third_error_percent or 0.0) > BARS["median one-third BMD error %"]
    )


def _describe(case: Case) -> str:
    if case.status != case.expected_status:
        return f"{case.status} instead of {case.expected_status}: {case.reason}"
    error = "" if case.one_third_error_percent is None else f", 1/3 BMD {case.one_third_error_percent:+.1f} %"
    return (
        f"Dice {case.dice:.3f}{error}, side {case.side_correct}, way up {case.up_correct}, "
        f"vendor's numbers {case.equals_vendor}, tilt {case.tilt_degrees:+.1f}°"
    )
