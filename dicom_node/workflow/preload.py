"""Imported once by the fork server, so that every worker process starts warm."""

# ruff: noqa: F401
import pypdfium2

import analysis.engine
import analysis.serialization
import dicom_node.storage.archive
import reports.document
import reports.heatmap
import reports.structured_report
import reports.summary
import reports.text_report
from analysis.measurement import texture
from reports import secondary_capture

texture.warm_up()
secondary_capture.warm_up()
