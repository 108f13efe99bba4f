"""Anatomies to scan: built once for all tests of this folder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("torch", reason="needs the training extra")
pytest.importorskip("monai", reason="needs the training extra")

from analysis.training.segmentation.anatomies import Anatomies, build_anatomies


@pytest.fixture(scope="session")
def anatomies() -> Anatomies:
    with ThreadPoolExecutor(1) as worker:
        return build_anatomies(12, 77, worker, lambda done: None)
