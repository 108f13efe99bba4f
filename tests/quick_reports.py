"""Evaluation reports in no time, for tests of what is done with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.evaluation.results import Evaluation
from analysis.training import challenger


def write_quickly(evaluation: Evaluation, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for ending in ("html", "pdf", "json"):
        (directory / f"evaluation.{ending}").write_text(evaluation.reference)


@pytest.fixture(scope="module")
def quick_reports() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(challenger, "write_report", write_quickly)
        yield
