"""Figures in words, in English; the console translates the patterns."""

from __future__ import annotations

from analysis.risk.inputs import feature_phrase
from dicom_node.storage.surveillance import Figure

__all__ = ["figure_sentence", "scanner_name", "subject_name"]


def scanner_name(scanner: str) -> str:
    """Return what a scanner is called."""
    return scanner or "all scanners"


def subject_name(kind: str, subject: str) -> str:
    """Return what a figure is about, in words."""
    if kind == "feature":
        return feature_phrase(subject)
    if kind == "outcome":
        return f"{subject}-year risk"
    return subject.replace("_", " ")


def figure_sentence(one: Figure) -> str:
    """Say what a figure found, without any patient's data."""
    detail, name = one.detail, subject_name(one.kind, one.subject)
    if one.kind in ("feature", "risk"):
        what = f"the risk by model {name}" if one.kind == "risk" else name
        return (
            f"{what} has drifted in {one.month} (PSI {detail['psi']:.2f} over {detail['subjects']} patients)"
        )
    if one.kind == "outcome":
        return _outcome_sentence(one)
    share = f"{detail['count']} of {detail['total']}"
    if one.kind == "agreement":
        return f"only {share} opinions of {one.month} agree"
    if one.kind == "declined":
        return f"{share} studies of {one.month} were declined"
    return f"{share} studies of {one.month} have the finding {name}"


def _outcome_sentence(one: Figure) -> str:
    detail, parts = one.detail, []
    if detail["ratio_crossed"]:
        value, low, high = (detail["ratio"][name] for name in ("value", "low", "high"))
        parts.append(f"observed to predicted fractures {value:.2f} ({low:.2f} to {high:.2f})")
    if detail["auc_crossed"]:
        parts.append(f"AUC {detail['auc']['value']:.2f}")
    told = ", ".join(parts) or "in order"
    return f"{one.subject}-year risk, patients of the year to {one.month}: {told}"
