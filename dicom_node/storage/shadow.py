"""What models were given, and what models in shadow said of it: kept in the journal, never sent."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dicom_node.storage.events import EventLog
from dicom_node.storage.records import ShadowRecord

__all__ = ["ShadowTables"]


class ShadowTables(EventLog):
    """The tables ``model_inputs`` and ``shadow_risks``."""

    def shadow_risks(self, analysis_id: int) -> tuple[ShadowRecord, ...]:
        """Return what models in shadow said of one analysis, by name."""
        rows = self._rows(
            "SELECT model_name, model_version, model_sha256, risks FROM shadow_risks"
            " WHERE analysis_id = ? ORDER BY model_name, model_version",
            (analysis_id,),
        )
        return tuple(
            ShadowRecord(
                **row | {"risks": {int(years): risk for years, risk in json.loads(row["risks"]).items()}}
            )
            for row in rows
        )

    def model_inputs(self, analysis_id: int) -> Mapping[str, float]:
        """Return what risk models were given in one analysis, by the names of features; empty if unknown."""
        rows = self._rows("SELECT inputs FROM model_inputs WHERE analysis_id = ?", (analysis_id,))
        return json.loads(rows[0]["inputs"]) if rows else {}

    def _keep_shadow(
        self, analysis_id: int, inputs: Mapping[str, float], shadow: tuple[ShadowRecord, ...]
    ) -> None:
        if inputs:
            self._execute(
                "INSERT OR REPLACE INTO model_inputs (analysis_id, inputs) VALUES (?, ?)",
                (analysis_id, json.dumps(dict(inputs))),
            )
        for record in shadow:
            self._execute(
                "INSERT OR REPLACE INTO shadow_risks"
                " (analysis_id, model_sha256, model_name, model_version, risks) VALUES (?, ?, ?, ?, ?)",
                (
                    analysis_id,
                    record.model_sha256,
                    record.model_name,
                    record.model_version,
                    json.dumps(dict(record.risks)),
                ),
            )
