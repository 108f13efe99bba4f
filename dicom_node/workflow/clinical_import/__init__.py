"""Brings in what registries, clinics and electronic records know: outcomes and clinical facts of patients."""

from __future__ import annotations

from dicom_node.workflow.clinical_import.csv_tables import CsvImport, Problem, read_context, read_outcomes

__all__ = ["CsvImport", "Problem", "read_context", "read_outcomes"]
