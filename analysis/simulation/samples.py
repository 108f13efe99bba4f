"""The seven sample studies of ``sample_studies/``: fixed people, fixed seeds, so fixed bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Literal

import numpy as np

from analysis.results import Laterality
from analysis.simulation.dicom.common import StudyHeader
from analysis.simulation.study import SimulatedStudy, simulate_spine, simulate_study, study_header
from analysis.simulation.subject import Latents, Sex, Subject, age_subject, draw_subject
from analysis.simulation.view import Acquisition

_NORMAL_BONE = Latents(bone_mass=0.6, size=0.2, cortical=0.5, trabecular=0.6, number=0.3, loss=-0.4)
_POOR_BONE = Latents(bone_mass=-1.4, size=-0.3, cortical=-1.2, trabecular=-1.5, number=-0.8, loss=1.0)
_FIRST_DATE = date(2024, 3, 4)
_FOLLOW_UP_DAYS = 731


def sample_studies() -> Mapping[str, SimulatedStudy]:
    """Make the sample studies, keyed by the name of their folder."""
    healthy = _person(11, 52.4, _NORMAL_BONE)
    frail = _person(12, 74.3, _POOR_BONE)
    first = _header("sample-1", healthy, "SIMULATED^Anna", "SIM-0001", _FIRST_DATE)
    spine_patient = _person(106, 58.0, _NORMAL_BONE)
    spine_header = _header("sample-6", spine_patient, "SIMULATED^Dora", "SIM-0006", date(2024, 3, 8))
    second = _header("sample-2", frail, "SIMULÉE^Zoë", "SIM-0002", date(2024, 3, 5))
    return {
        "01-calibrated-low-risk": simulate_study(
            "calibrated",
            101,
            subject=healthy,
            acquisition=Acquisition(tilt_degrees=3.0, offset_mm=(1.0, 0.5)),
            header=first,
        ),
        "02-calibrated-high-risk": simulate_study(
            "calibrated",
            102,
            subject=frail,
            acquisition=Acquisition(laterality=Laterality.RIGHT, hand_up=False, tilt_degrees=-6.0),
            header=second,
        ),
        "03-calibrated-follow-up": simulate_study(
            "calibrated",
            103,
            subject=age_subject(healthy, _FOLLOW_UP_DAYS / 365.25),
            acquisition=Acquisition(tilt_degrees=-2.0, offset_mm=(-2.0, 1.5)),
            header=replace(first, key="sample-3", study_date=_FIRST_DATE + timedelta(days=_FOLLOW_UP_DAYS)),
        ),
        "04-hologic": _vendor_sample("hologic", 104, "SIMULATED^Berta", "SIM-0004", age=66.1, sex="F"),
        "05-lunar": _vendor_sample(
            "lunar", 139, "SIMULATED^Xiaoming=模拟^小明", "SIM-0005", age=70.7, sex="M"
        ),
        "06-spine-to-decline": simulate_spine(106, header=spine_header),
        "07-calibrated-metal": simulate_study(
            "calibrated",
            107,
            subject=(patient := _person(17, 69.0, replace(_POOR_BONE, cortical=-0.4, trabecular=-0.5))),
            acquisition=Acquisition(laterality=Laterality.RIGHT, tilt_degrees=4.0, artefact="metal"),
            header=_header("sample-7", patient, "SIMULATED^Clara", "SIM-0007", date(2024, 3, 10)),
        ),
    }


def _person(seed: int, age: float, latents: Latents) -> Subject:
    drawn = draw_subject(np.random.default_rng(seed), age=age, sex="F")
    return replace(drawn, latents=latents, menopause_age_years=50.0)


def _header(key: str, subject: Subject, name: str, patient_id: str, day: date) -> StudyHeader:
    return study_header(key, subject, 0, patient_name=name, patient_id=patient_id, study_date=day)


def _vendor_sample(
    flavour: Literal["hologic", "lunar"], seed: int, name: str, patient_id: str, *, age: float, sex: Sex
) -> SimulatedStudy:
    subject = draw_subject(np.random.default_rng(seed), age=age, sex=sex)
    header = _header(f"sample-{flavour}", subject, name, patient_id, date(2024, 3, 6))
    return simulate_study(flavour, seed, subject=subject, header=header)
