from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.mapping.times import clf_time, iso_ms

MOMENTS = [
    (1790294473120, "25/Sep/2026:00:01:13 +0000", "2026-09-25T00:01:13.120Z"),
    (0, "01/Jan/1970:00:00:00 +0000", "1970-01-01T00:00:00.000Z"),
    (1709251199999, "29/Feb/2024:23:59:59 +0000", "2024-02-29T23:59:59.999Z"),
    (1709251200000, "01/Mar/2024:00:00:00 +0000", "2024-03-01T00:00:00.000Z"),
]


@pytest.mark.parametrize(("epoch_ms", "clf", "iso"), MOMENTS)
def test_a_moment_is_written_as_the_service_writes_it(epoch_ms, clf, iso):
    assert clf_time(epoch_ms) == clf
    assert iso_ms(epoch_ms) == iso


def test_a_second_asked_for_again_after_another_one_is_still_right():
    assert clf_time(1000) == clf_time(1999) == "01/Jan/1970:00:00:01 +0000"
    assert clf_time(2000) == "01/Jan/1970:00:00:02 +0000"
    assert clf_time(1000) == "01/Jan/1970:00:00:01 +0000"


@given(st.integers(min_value=0, max_value=4_102_444_800_000))
def test_any_moment_reads_back_as_itself(epoch_ms):
    second, milliseconds = divmod(epoch_ms, 1000)
    moment = datetime.fromtimestamp(second, UTC)
    assert datetime.strptime(clf_time(epoch_ms), "%d/%b/%Y:%H:%M:%S %z") == moment
    assert datetime.fromisoformat(iso_ms(epoch_ms)) == moment.replace(microsecond=milliseconds * 1000)
