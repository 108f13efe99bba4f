"""The measured columns of a site's cohort from its DICOM studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from analysis.cohort.columns import SUBJECT_ID
from analysis.results import BmdSource, StudyAnalysis

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from analysis.cohort.table import CohortTable

MEASURED_GROUPS = ("morphometry", "texture", "density_distribution", "mechanics")


def columns_of_study(analysis: StudyAnalysis, datasets: Sequence[Dataset]) -> dict[str, float]:
    """What one analysed study gives: measurements, and age, sex and body size of its header.

    BMD in g/cm² is left out where it is the vendor's (densitometers of different makers are on different
    scales); T-scores are taken from either.
    """
    from analysis.acquisition.clinical import clinical_context

    columns: dict[str, float | None] = {}
    for name, region in analysis.regions.items():
        if region.bmd_source is BmdSource.PIXELS:
            columns[f"{name}.bmd_g_cm2"] = region.bmd_g_cm2
        columns[f"{name}.t_score"] = region.t_score
    for group in MEASURED_GROUPS:
        columns |= {f"{group}.{name}": value for name, value in getattr(analysis, group).items()}
    context, _ = clinical_context(datasets, None)
    columns |= {
        "age_years": context.age_years,
        "male": None if context.sex is None else float(context.sex == "M"),
        "height_mm": context.height_mm,
        "weight_kg": context.weight_kg,
    }
    return {name: float(value) for name, value in columns.items() if value is not None}


def with_measurements(table: CohortTable, measured: Mapping[str, Mapping[str, float]]) -> CohortTable:
    """The table with the columns of studies, by ``subject_id``; what the table holds itself wins.

    Parameters
    ----------
    table : CohortTable
    measured : mapping of str to mapping of str to float
        Subject (Patient ID) -> column -> value, of the index study.
    """
    import pandas as pd

    from analysis.cohort.table import with_body_mass_index

    found = pd.DataFrame.from_dict({key: dict(values) for key, values in measured.items()}, orient="index")
    aligned: Any = found.reindex(table.frame[SUBJECT_ID].astype(str)).reset_index(drop=True)
    added = {
        name: table.frame[name].fillna(aligned[name]) if name in table.frame else aligned[name]
        for name in aligned.columns
    }
    frame = pd.concat(
        [table.frame.drop(columns=[n for n in added if n in table.frame]), pd.DataFrame(added)], axis=1
    )
    return replace(table, frame=with_body_mass_index(frame))
