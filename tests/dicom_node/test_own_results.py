"""Law 4 of the house: the three floors agree on what marks an object as our own result."""

from __future__ import annotations

from analysis.acquisition.accept import OWN_MODEL_NAME
from dicom_node.network import storing
from reports.identity import MANUFACTURER_MODEL_NAME


def test_engine_writer_and_receiver_know_our_results_by_the_same_mark() -> None:
    assert OWN_MODEL_NAME == MANUFACTURER_MODEL_NAME == storing.MANUFACTURER_MODEL_NAME
