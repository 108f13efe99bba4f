"""GE Lunar's results as XML in Image Comments (0020,4000), and the trend containers of its SR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from pydicom.dataset import Dataset

from analysis.results import Laterality
from analysis.simulation.dicom.lunar import LABELS, container, number
from analysis.simulation.vendor import VendorNumbers

Course = Sequence[tuple[date, Mapping[str, VendorNumbers]]]
"""Examinations of one forearm, oldest first; the last is the current one."""


def new_comments(course: Course, laterality: Laterality) -> str:
    """The newer form: regions of the current examination, then the course with the current one first."""
    day, now = course[-1]
    rois = "".join(_roi(label, now[name]) for name, label in LABELS.items())
    trends = "".join(
        f'<TREND region="{label}">'
        + "".join(
            f'<EXAM date="{_date(when)}"><BMD>{n[name].bmd_g_cm2:.3f}</BMD></EXAM>'
            for when, n in reversed(course)
        )
        + "</TREND>"
        for name, label in LABELS.items()
    )
    return (
        f'<DXA_RESULTS><EXAM_DATE time="09:30:00" id="82">{_date(day)}</EXAM_DATE>'
        f'<SCAN type="{_scan(laterality)}" id="19">{rois}{trends}</SCAN></DXA_RESULTS>'
    )


def old_comments(course: Course, laterality: Laterality) -> str:
    """The older form: the course alone, the current examination last."""
    trends = "".join(
        f"<TREND><TREND_ROI>{label}</TREND_ROI>"
        + "".join(_old_exam(when, numbers[name]) for when, numbers in course)
        + "</TREND>"
        for name, label in LABELS.items()
    )
    return (
        f'<DENSITOMETRY_RESULTS><CURRENT_EXAM><SCAN type="{_scan(laterality)}">{trends}</SCAN></CURRENT_EXAM>'
        "</DENSITOMETRY_RESULTS>"
    )


def trend_containers(course: Course) -> list[Dataset]:
    """Containers ``Trend Radius 33%`` with one container for each date, the current examination first."""
    return [
        container(
            f"Trend {label}",
            [
                container(_date(when), [number("BMD", numbers[name].bmd_g_cm2, 3, "g/cm2")])
                for when, numbers in reversed(course)
            ],
        )
        for name, label in LABELS.items()
    ]


def _roi(label: str, numbers: VendorNumbers) -> str:
    scores = ""
    if numbers.t_score is not None and numbers.z_score is not None:
        scores = (
            f'<BMD_PYA units="%">{numbers.percent_young:.0f}</BMD_PYA>'
            f'<BMD_TSCORE id="6">{numbers.t_score:.1f}</BMD_TSCORE>'
            f'<BMD_PAM units="%">{numbers.percent_age_matched:.0f}</BMD_PAM>'
            f'<BMD_ZSCORE id="8">{numbers.z_score:.1f}</BMD_ZSCORE>'
        )
    return (
        f'<ROI region="{label}" id="0"><BMD units=" g/cm2" id="3">{numbers.bmd_g_cm2:.3f}</BMD>{scores}'
        f'<BMC units=" g">{numbers.bmc_g:.2f}</BMC><AREA units=" cm2">{numbers.area_cm2:.2f}</AREA></ROI>'
    )


def _old_exam(when: date, numbers: VendorNumbers) -> str:
    scores = "" if numbers.t_score is None else f"<YAT>{numbers.t_score:.1f}</YAT>"
    scores += "" if numbers.z_score is None else f"<AMZ>{numbers.z_score:.1f}</AMZ>"
    return (
        f"<EXAM><EXAM_DATE>{_date(when)}</EXAM_DATE><BMD>{numbers.bmd_g_cm2:.3f}</BMD>{scores}"
        f"<BMC>{numbers.bmc_g:.2f}</BMC><AREA>{numbers.area_cm2:.2f}</AREA></EXAM>"
    )


def _scan(laterality: Laterality) -> str:
    return "Left Forearm" if laterality is Laterality.LEFT else "Right Forearm"


def _date(day: date) -> str:
    return f"{day:%d/%m/%Y}"
