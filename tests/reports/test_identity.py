"""Results carry UIDs that are legal, repeatable and never shared by different work."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from reports.identity import SERIES, ResultKind, result_uid


@given(st.text(), st.text())
def test_a_result_uid_is_legal_and_the_same_every_time(identity: str, kind: str) -> None:
    uid = result_uid(identity, kind)
    assert UID(uid).is_valid
    assert uid == result_uid(identity, kind)


@given(st.text(alphabet="0123456789abcdef", min_size=64, max_size=64))
def test_the_kinds_of_result_of_one_analysis_have_different_uids(identity: str) -> None:
    assert len({result_uid(identity, kind) for kind in ResultKind}) == len(ResultKind)


def test_every_series_has_its_own_number_and_can_be_told_apart_where_viewers_cut_it() -> None:
    assert sorted(series.number for series in SERIES.values()) == list(range(900, 911))
    assert len({series.description[:20] for series in SERIES.values()}) == len(SERIES)
    assert all(len(series.description) <= 64 for series in SERIES.values())


def test_the_receiver_can_recognise_our_results_without_loading_the_writers() -> None:
    heavy = "('highdicom', 'matplotlib', 'PIL')"
    script = f"import sys, reports.identity; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
