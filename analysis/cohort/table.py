"""Load a cohort: a simulated directory, or a site's own CSV or Parquet file, checked row by row.

What a file must hold is described in ``docs/cohort-schema.md`` and named in `analysis.cohort.columns`.
"""

from __future__ import annotations

import difflib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.check import Problem, check_rows
from analysis.cohort.columns import (
    CAUSE,
    COMPARATOR_PREFIXES,
    ENDING,
    ETHNICITY,
    OSTEOPOROSIS,
    POPULATION,
    SCANNER,
    SUBJECT_ID,
    TRUE_RISK,
    TRUTH_PREFIX,
    YEARS,
    FloatArray,
    FollowUp,
)
from analysis.errors import ConfigurationError
from analysis.risk.predictors import PREDICTORS, family_of

if TYPE_CHECKING:
    import pandas as pd

_LOG = logging.getLogger(__name__)

REQUIRED = (SUBJECT_ID, YEARS, ENDING)
TEXTS = (SUBJECT_ID, CAUSE, ETHNICITY, SCANNER, POPULATION, "scan_problem")
SHOWN_PROBLEMS = 20
"""Rows that an error message lists; it says how many more there are."""


@dataclass(frozen=True, slots=True, eq=False)
class CohortTable:
    """One row per subject.

    Attributes
    ----------
    frame : pandas.DataFrame
        Columns of `analysis.cohort.columns`, predictors and measurements; index 0 to n - 1.
    manifest : mapping
        How a simulated cohort was made; of a site's file its name and the columns that were not understood
        (``unknown_columns``).
    directory : Path or None
        Of a simulated cohort, where its patches and repeat scans lie.
    rows : ndarray of int, (n,)
        Where each row stood in the file as it was loaded.
    """

    frame: pd.DataFrame
    manifest: Mapping[str, Any] = field(default_factory=dict)
    directory: Path | None = None
    rows: NDArray[np.int_] = field(default_factory=lambda: np.zeros(0, np.int_))

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def follow_up(self) -> FollowUp:
        """Observed years and how they ended."""
        return FollowUp(
            self.frame[YEARS].to_numpy(np.float64), self.frame[ENDING].to_numpy(np.float64).astype(np.int_)
        )

    @property
    def ids(self) -> list[str]:
        """``subject_id`` of every row."""
        return [str(name) for name in self.frame[SUBJECT_ID]]

    def features(self, names: Sequence[str]) -> FloatArray:
        """Predictors and measurements by name.

        Returns
        -------
        ndarray of float64, (n, len(names))
            NaN where a value is unknown; a whole column of NaN where the cohort does not have the predictor.

        Raises
        ------
        KeyError
            For a name that is neither predictor nor measurement, and for the simulator's truth, which no
            model may use.
        """
        values = np.full((len(self.frame), len(names)), np.nan)
        for place, name in enumerate(names):
            family_of(name)
            if name in self.frame:
                values[:, place] = self.frame[name].to_numpy(np.float64, na_value=np.nan)
        return values

    def has(self, name: str) -> bool:
        """Whether any subject has a value of this column."""
        return name in self.frame and bool(self.frame[name].notna().any())

    def take(self, index: NDArray[np.int_] | NDArray[np.bool_]) -> CohortTable:
        """The subjects at `index` (positions or a mask), in that order."""
        chosen = np.flatnonzero(index) if np.asarray(index).dtype == np.bool_ else np.asarray(index)
        frame = self.frame.iloc[chosen].reset_index(drop=True)
        return replace(self, frame=frame, rows=self.rows[chosen])

    def true_risk(self, years: int) -> FloatArray | None:
        """The oracle: true probability of a fracture within 1, 3, 5 or 10 years; None of a real cohort."""
        column = TRUE_RISK[years]
        return self.frame[column].to_numpy(np.float64) if column in self.frame else None

    def patches(self) -> NDArray[np.float32]:
        """Density patches of the distal radius, g/cm², (n, 96, 80); NaN throughout where there is none.

        Raises
        ------
        ConfigurationError
            If the cohort has no pictures.
        """
        from analysis.simulation.cohort.store import read_patches

        scans = self._scans()
        if scans is None:
            raise ConfigurationError(
                "this cohort has no pictures of its scans; simulate one with --measurement images"
            )
        return read_patches(scans, self.ids)

    def visits(self) -> pd.DataFrame | None:
        """Repeat scans of these subjects (``subject_id``, ``visit_years`` < 0, measurements), or None."""
        import pandas as pd

        path = None if self.directory is None else self.directory / "visits.parquet"
        if path is None or not path.exists():
            return None
        visits = pd.read_parquet(path)
        return visits[visits[SUBJECT_ID].isin(set(self.ids))].reset_index(drop=True)

    def _scans(self) -> Path | None:
        """Directory that holds ``patches/``: this cohort's or the one whose scans it shares."""
        if self.directory is None:
            return None
        scans = (self.directory / str(self.manifest.get("scans", "."))).resolve()
        return scans if (scans / "patches").is_dir() else None


def load_cohort(path: Path) -> CohortTable:
    """Load a cohort.

    Parameters
    ----------
    path : Path
        A directory that ``dicom-node simulate-cohort`` wrote, or a site's ``.csv`` or ``.parquet`` file.

    Raises
    ------
    ConfigurationError
        If it cannot be read, lacks a column that is needed, or has rows that break a rule: the text lists
        row, column, rule and cure.
    """
    if path.is_dir():
        return _simulated(path)
    frame = _read(path)
    lacking = [name for name in REQUIRED if name not in frame]
    if lacking:
        raise ConfigurationError(
            f"{path} has no column {', '.join(lacking)}; docs/cohort-schema.md says what each row must hold."
        )
    known = [str(name) for name in frame if is_known_column(str(name))]
    unknown = [str(name) for name in frame if str(name) not in known]
    if unknown:
        _LOG.warning("%s: columns that are not understood and not used: %s", path, _with_guesses(unknown))
    frame, problems = check_rows(frame[known], texts=TEXTS)
    if problems:
        raise ConfigurationError(_listed(path, problems))
    return CohortTable(
        with_body_mass_index(frame),
        {"source": path.name, "unknown_columns": unknown},
        None,
        np.arange(len(frame)),
    )


def is_known_column(name: str) -> bool:
    """Whether a column is one of `analysis.cohort.columns`, a predictor, a measurement or a comparator's."""
    if name in (*REQUIRED, *TEXTS, OSTEOPOROSIS) or name.startswith((TRUTH_PREFIX, *COMPARATOR_PREFIXES)):
        return True
    try:
        family_of(name)
    except KeyError:
        return False
    return True


def with_body_mass_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Body mass index from height and weight, where it is not given."""
    if not {"height_mm", "weight_kg"} <= set(frame):
        return frame
    derived = frame["weight_kg"] / (frame["height_mm"] / 1000) ** 2
    given = frame["bmi_kg_m2"].fillna(derived) if "bmi_kg_m2" in frame else derived
    return frame.assign(bmi_kg_m2=given)


def _simulated(directory: Path) -> CohortTable:
    import pandas as pd

    try:
        manifest = json.loads((directory / "manifest.json").read_bytes())
        frame = pd.read_parquet(directory / "subjects.parquet")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{directory} holds no finished cohort ({error}); let dicom-node simulate-cohort run to its end, "
            "or name a CSV or Parquet file."
        ) from error
    return CohortTable(frame, manifest, directory, np.arange(len(frame)))


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    if path.suffix not in (".csv", ".parquet"):
        raise ConfigurationError(
            f"{path} is neither a simulated cohort nor a .csv or .parquet file; name one of those."
        )
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path).reset_index(drop=True)
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path} cannot be read as a table ({error}); save it as UTF-8 CSV with one header row, or as "
            "Parquet."
        ) from error


def _with_guesses(unknown: Sequence[str]) -> str:
    """Names, each with the known name that it may have meant."""
    described = []
    for name in unknown:
        near = difflib.get_close_matches(name, [*PREDICTORS, *REQUIRED, *TEXTS, OSTEOPOROSIS], n=1)
        described.append(f"{name} (did you mean {near[0]}?)" if near else name)
    return ", ".join(described)


def _listed(path: Path, problems: Sequence[Problem]) -> str:
    lines = [f"{path} breaks {len(problems)} rule(s); correct these cells or leave unknown values empty:"]
    lines += [f"  row {item.row}, column {item.column}: {item.rule}" for item in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        lines.append(f"  and {len(problems) - SHOWN_PROBLEMS} more")
    return "\n".join(lines)
