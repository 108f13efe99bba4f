"""One study for people: what happened to it, and what was measured, with where each number comes from."""

from dicom_node.workflow.study_view.numbers import AnalysisNumbers
from dicom_node.workflow.study_view.page import StudyPage, newest_numbers, source_instance, study_page
from dicom_node.workflow.study_view.timeline import Step, TimelineEntry

__all__ = [
    "AnalysisNumbers",
    "Step",
    "StudyPage",
    "TimelineEntry",
    "newest_numbers",
    "source_instance",
    "study_page",
]
