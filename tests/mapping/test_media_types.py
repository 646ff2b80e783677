"""Media types of headers, and binaryMediaTypes. Source: recorded on the service (2026)."""

from __future__ import annotations

import pytest

from wsgw.mapping.media_types import binary_matcher, first_of

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


BINARY = [
    ((), "image/png", False),
    (("image/png",), "image/png", True),
    (("image/png",), "IMAGE/PNG;q=1, text/plain", True),
    (("image/png",), "text/plain, image/png", False),
    (("image/png",), "image/*", False),
    (("image/png",), None, False),
    (("image/*",), "image/png", True),
    (("image/*",), "image", False),
    (("image/*",), "text/plain", False),
    (("*/*",), None, True),
    (("*/*",), "text/plain", True),
    (("*/png",), "image/png", False),
]


@pytest.mark.parametrize(("entries", "header", "binary"), BINARY)
def test_whether_a_type_is_binary(entries: tuple[str, ...], header: str | None, binary: bool) -> None:
    assert binary_matcher(entries)(header) == binary
