"""Media types of headers."""

from __future__ import annotations

import pytest

from wsgw.mapping.media_types import first_of

FIRST = [
    (None, None),
    ("", None),
    (" ", None),
    ("application/json", "application/json"),
    ("Application/JSON; charset=utf-8", "application/json"),
    ("image/png;q=0.5, text/plain", "image/png"),
    (", text/plain", None),
]


@pytest.mark.parametrize(("header", "kind"), FIRST)
def test_the_first_type_of_a_header(header: str | None, kind: str | None) -> None:
    assert first_of(header) == kind
