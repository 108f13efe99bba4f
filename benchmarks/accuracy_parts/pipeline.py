"""The engine's own functions on one sample, without DICOM around them."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from accuracy_parts.samples import Sample
from analysis.acquisition.image import RadiusImage
from analysis.config import PREPROCESSING, AnalysisConfig, PreprocessingStep, SegmentationMethod
from analysis.engine import check_side
from analysis.errors import RejectedInput
from analysis.measurement.measure import Measurements, measure
from analysis.measurement.reference import ReferenceCurve, load_reference
from analysis.measurement.regions import PlacedRegions, place_regions
from analysis.results import Calibration, Laterality, QualityFinding, Severity, SourceImage
from analysis.segmentation import ForearmAnatomy, find_forearm
from analysis.segmentation.fusion import find_with_network
from analysis.segmentation.network import MANIFEST, WEIGHTS, Network
from analysis.segmentation.preprocessing import prepare
from dicom_node.config import load_analysis_config

SAID_OF_EVERY_GREY = frozenset({"bmd_uncalibrated", "morphometry_relative", "texture_not_comparable"})
"""Warnings that every uncalibrated picture gets, however well it was seen: they flag nothing here."""


UNET = "unet"
"""The comparator's name among the methods."""
ENGINE_ERROR = "engine_error"
"""Stands for a refusal's code where the engine failed on a picture instead of measuring or refusing it."""


Method = SegmentationMethod | Literal["unet"]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What the engine made of a sample; with a refusal everything else is None.

    Attributes
    ----------
    refusal : str
        Code of the refusal, or `ENGINE_ERROR`; empty if the sample was analysed.
    """

    refusal: str
    anatomy: ForearmAnatomy | None = None
    placed: PlacedRegions | None = None
    measured: Measurements | None = None
    milliseconds: float = 0.0

    def with_header(self, declared: Laterality) -> Outcome:
        """The same, once the header's side was compared with the picture's."""
        if self.anatomy is None:
            return self
        try:
            check_side(self.anatomy, declared, "palm_down")
        except RejectedInput as refusal:
            return Outcome(refusal.code, milliseconds=self.milliseconds)
        return self

    @property
    def flags(self) -> tuple[str, ...]:
        """Codes of all warnings and errors about the picture, and of a refusal: such a case is *flagged*."""
        if self.refusal:
            return (self.refusal,)
        findings: tuple[QualityFinding, ...] = ()
        for part in (self.anatomy, self.placed, self.measured):
            findings += part.findings if part is not None else ()
        codes = {f.code for f in findings if f.severity is not Severity.INFO}
        return tuple(sorted(codes - SAID_OF_EVERY_GREY))


def analyse(
    sample: Sample,
    *,
    method: Method = "network",
    preprocessing: Sequence[PreprocessingStep] = PREPROCESSING,
    measured: bool = True,
) -> Outcome:
    """Find the bones, check the side, place the regions, measure.

    Parameters
    ----------
    measured : bool
        False stops before the side is checked, see `Outcome.with_header`.
    """
    image, started = radius_image(sample), time.perf_counter()
    try:
        anatomy = segment(sample, method=method, preprocessing=preprocessing)
        if not measured:
            return Outcome("", anatomy, milliseconds=1000 * (time.perf_counter() - started))
        check_side(anatomy, sample.laterality, "palm_down")
        placed = place_regions(anatomy, image.spacing_mm, image.forearm_length_mm)
        # the variogram alone: texture has its own part
        result = measure(
            image, anatomy, placed, _reference(), age_years=65, sex="F", texture_families=("variogram",)
        )
    except RejectedInput as refusal:
        return Outcome(refusal.code, milliseconds=1000 * (time.perf_counter() - started))
    except Exception:  # one broken case must not end a run of thousands; it is counted and named
        return Outcome(ENGINE_ERROR, milliseconds=1000 * (time.perf_counter() - started))
    return Outcome("", anatomy, placed, result, 1000 * (time.perf_counter() - started))


def segment(sample: Sample, *, method: Method, preprocessing: Sequence[PreprocessingStep]) -> ForearmAnatomy:
    """The engine's segmentation by `method`, or the same with the UNet in the shipped network's place."""
    if method == UNET:
        picture = prepare(sample.pixels, sample.spacing_mm, preprocessing, density=sample.density)
        return find_with_network(sample.pixels, picture, _unet())
    return find_forearm(
        sample.pixels,
        sample.spacing_mm,
        method=method,
        preprocessing=preprocessing,
        density=sample.density,
    )


def radius_image(sample: Sample) -> RadiusImage:
    """The sample as acquisition would hand it on."""
    rows, columns = sample.pixels.shape
    return RadiusImage(
        source=SourceImage("", "", "", rows, columns),
        study_instance_uid="",
        pixels=sample.pixels,
        density=sample.density,
        calibration=Calibration.REAL_WORLD_VALUE_MAP if sample.density else Calibration.NONE,
        spacing_mm=sample.spacing_mm,
        spacing_source="PixelSpacing",
        origin=(0, 0),
        laterality=sample.laterality,
        device="simulated",
        forearm_length_mm=sample.forearm_length_mm,
    )


@cache
def _unet() -> Network:
    """The comparator that the shipped network's manifest names, as a network of its own."""
    manifest = json.loads((WEIGHTS / MANIFEST).read_bytes())
    manifest |= manifest["comparators"][UNET]
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(WEIGHTS / manifest["file"], folder)
        (Path(folder) / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        return Network(Path(folder))


@cache
def configuration() -> AnalysisConfig:
    """The shipped settings."""
    return load_analysis_config()


@cache
def _reference() -> ReferenceCurve:
    return load_reference(configuration().reference)
