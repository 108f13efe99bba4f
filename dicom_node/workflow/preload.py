"""Imported once by the fork server, so that every worker process starts warm."""

# ruff: noqa: F401, E402
from dicom_node.workflow.lifeline import end_with_the_node, look_no_more

end_with_the_node()

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
look_no_more()
