"""The category of the one-third radius: WHO's by T-score, ISCD's wording by Z-score, or why neither."""

from __future__ import annotations

from analysis.results import DensitometricDiagnosis, DiagnosticCategory

ISCD = "ISCD 2005 Official Positions, PMID 16731428"

OSTEOPOROSIS_T_SCORE = -2.5
LOW_BONE_MASS_T_SCORE = -1.0
"""WHO 1994, as applied by ISCD (PMID 16731428) and, at the one-third radius, by AACE/ACE 2020."""

BELOW_EXPECTED_Z_SCORE = -2.0
"""ISCD: at or below it a Z-score is "below the expected range for age" (PMID 16731428)."""


def densitometric_diagnosis(
    *, who_applies: bool | None, t_score: float | None, z_score: float | None, peripheral: bool
) -> DensitometricDiagnosis:
    """Class the one-third radius; no other region of the forearm is ever classed.

    Parameters
    ----------
    who_applies : bool or None
        True for postmenopausal women and men of 50 and over, None if that is unknown.
    t_score, z_score : float or None
        Of the one-third radius, rounded as a report shows them.
    peripheral : bool
        Of a peripheral densitometer, whose T-scores belong to another reference.
    """
    if peripheral:
        return DensitometricDiagnosis(
            None,
            reason="A peripheral densitometer: WHO categories do not apply to its scores (ISCD); confirm by "
            "DXA of spine and hip.",
            reason_zh="外周骨密度仪：WHO 分类不适用于其评分（ISCD）；须以腰椎和髋部 DXA 确认。",
        )
    if who_applies is None:
        return DensitometricDiagnosis(
            None,
            reason="Age, or sex and menopausal state, are not known.",
            reason_zh="年龄或性别与绝经状态未知。",
        )
    return _by_t_score(t_score) if who_applies else _by_z_score(z_score)


def _by_t_score(t_score: float | None) -> DensitometricDiagnosis:
    if t_score is None:
        return DensitometricDiagnosis(
            None, reason="The one-third radius has no T-score.", reason_zh="桡骨远端1/3 无 T值。"
        )
    return DensitometricDiagnosis(
        who_category(t_score),
        f"T-score {_score(t_score)} of the one-third radius (WHO; {ISCD})",
        basis_zh=f"桡骨远端1/3 T值 {_score(t_score)}（WHO；{ISCD}）",
    )


def _by_z_score(z_score: float | None) -> DensitometricDiagnosis:
    if z_score is None:
        return DensitometricDiagnosis(
            None,
            reason="The one-third radius has no Z-score, and WHO categories do not apply to premenopausal "
            "women and men under 50 (ISCD).",
            reason_zh="桡骨远端1/3 无 Z值，且 WHO 分类不适用于绝经前女性和 50 岁以下男性（ISCD）。",
        )
    below = z_score <= BELOW_EXPECTED_Z_SCORE
    return DensitometricDiagnosis(
        "below_expected_range" if below else "within_expected_range",
        f"Z-score {_score(z_score)} of the one-third radius ({ISCD}); WHO categories do not apply",
        basis_zh=f"桡骨远端1/3 Z值 {_score(z_score)}（{ISCD}）；不适用 WHO 分类",
    )


def who_category(t_score: float) -> DiagnosticCategory:
    """WHO's category of a T-score."""
    if t_score <= OSTEOPOROSIS_T_SCORE:
        return "osteoporosis"
    return "low_bone_mass" if t_score < LOW_BONE_MASS_T_SCORE else "normal"


def _score(value: float) -> str:
    return f"{value:.1f}"
