"""Every row of the failure tables: what passes by itself and what does not."""

from __future__ import annotations

import pytest

from dicom_node.errors import PermanentDeliveryError, TransientDeliveryError
from dicom_node.network.failures import (
    ALREADY_STORED,
    HTTP_CODES,
    REJECTIONS,
    STATUSES,
    WARNINGS,
    association_failure,
    http_failure,
    status_failure,
    status_note,
)

PASSING_STATUSES = {0x0110, 0x0210, 0x0213, 0xA700, 0xFE00}
PASSING_HTTP = {202, 408, 421, 423, 425, 429, 500, 502, 503, 504, 507}


@pytest.mark.parametrize(("source", "reason"), REJECTIONS)
def test_a_rejection_lasts_unless_it_is_of_the_presentation_provider(source: int, reason: int) -> None:
    expected = TransientDeliveryError if source == 3 else PermanentDeliveryError
    assert association_failure(1, source, reason).policy is expected


@pytest.mark.parametrize(("source", "reason"), REJECTIONS)
def test_a_rejection_that_the_peer_calls_transient_is_tried_again(source: int, reason: int) -> None:
    assert association_failure(2, source, reason).policy is TransientDeliveryError


@pytest.mark.parametrize(("source", "reason"), [(1, 4), (2, 9), (9, 9)])
def test_a_reserved_reason_lasts_and_is_named(source: int, reason: int) -> None:
    failure = association_failure(1, source, reason)
    assert failure.policy is PermanentDeliveryError
    assert str(reason) in failure.meaning


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_lasts_unless_it_speaks_of_resources_or_processing(status: int) -> None:
    failure = status_failure(status)
    assert failure is not None
    assert failure.policy is (
        TransientDeliveryError if status in PASSING_STATUSES else PermanentDeliveryError
    )


@pytest.mark.parametrize(
    ("status", "like"), [(0xA7FF, 0xA700), (0xA9FE, 0xA900), (0xC001, 0xC000), (0xCFFF, 0xC000)]
)
def test_a_status_of_a_range_is_like_its_first(status: int, like: int) -> None:
    assert status_failure(status) == STATUSES[like]


@pytest.mark.parametrize("status", [0x0000, ALREADY_STORED, *WARNINGS, 0xBFFF])
def test_success_and_warnings_are_no_failures_and_warnings_are_noted(status: int) -> None:
    assert status_failure(status) is None
    assert bool(status_note(status)) is (status != 0)


@pytest.mark.parametrize("status", [0x0999, 0xD000, 0xFFFF])
def test_an_unknown_status_is_not_tried_again(status: int) -> None:
    failure = status_failure(status)
    assert failure is not None and failure.policy is PermanentDeliveryError


@pytest.mark.parametrize("code", HTTP_CODES)
def test_an_http_code_lasts_unless_the_server_speaks_of_itself_or_of_time(code: int) -> None:
    assert http_failure(code).policy is (
        TransientDeliveryError if code in PASSING_HTTP else PermanentDeliveryError
    )


@pytest.mark.parametrize(
    ("code", "policy"),
    [(301, PermanentDeliveryError), (418, PermanentDeliveryError), (599, TransientDeliveryError)],
)
def test_an_http_code_out_of_the_table_goes_by_its_class(code: int, policy: type) -> None:
    assert http_failure(code).policy is policy


def test_an_error_says_what_happened_what_it_means_and_the_cure() -> None:
    error = http_failure(404).error("https://pacs.example answered with HTTP status 404")
    assert str(error) == (
        "https://pacs.example answered with HTTP status 404 (Not Found); check url: it ends before /studies"
    )
