"""Whether a new analysis takes the place of the one before it, and what it changes. Runs in the worker."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analysis.results import Revision, Status, StudyAnalysis
from analysis.revision import revisions, same_content
from analysis.serialization import to_json_object
from dicom_node.storage.records import CHANGED, UNCHANGED

__all__ = ["Compared", "compared"]


@dataclass(frozen=True, slots=True)
class Compared:
    """An analysis under the identity by which its results are named.

    Attributes
    ----------
    comparison : str
        `CHANGED` or `UNCHANGED`; empty for the study's first result.
    revisions : tuple of Revision
        What changed.
    by_other_work : bool
        Whether the identity is that of other work, by another version say, which came to the same: written
        again, its results could hold other bytes under the same UIDs.
    """

    analysis: StudyAnalysis
    comparison: str = ""
    revisions: tuple[Revision, ...] = ()
    by_other_work: bool = False


def compared(analysis: StudyAnalysis, previous: Sequence[str], identities: Collection[str]) -> Compared:
    """Compare an analysis with the study's result before.

    One that says the same goes by the identity of that: its results exist, and nothing is sent. One that goes
    back to what an even earlier analysis said, as after a roll-back of the model, gets an identity of its
    own: under the old UIDs nothing would replace the report that stands.

    Parameters
    ----------
    previous : sequence of str
        JSON objects of schema "1": the newest measurement, the newest refusal, as far as there are any.
    identities : collection of str
        Of all earlier analyses of the study.
    """
    before = _counterpart(analysis, previous)
    if before is None:
        return Compared(analysis)
    after = json.loads(json.dumps(to_json_object(analysis), allow_nan=False))
    identity = str(before["identity"])
    if same_content(before, after):
        other_work = identity != analysis.identity
        return Compared(replace(analysis, identity=identity), UNCHANGED, by_other_work=other_work)
    if analysis.identity in identities:
        own = hashlib.sha256(f"{analysis.identity} in place of {identity}".encode()).hexdigest()
        analysis = replace(analysis, identity=own)
    return Compared(analysis, CHANGED, revisions(before, after))


def _counterpart(analysis: StudyAnalysis, previous: Sequence[str]) -> dict[str, Any] | None:
    """Return the result that this one would replace: a measurement a measurement, a refusal a refusal."""
    measured = analysis.status is Status.ANALYZED
    documents: list[dict[str, Any]] = [json.loads(text) for text in previous]
    return next(
        (item for item in documents if "status" in item and (item["status"] == Status.ANALYZED) is measured),
        None,
    )
