"""Which media types are binary to an API. Source: recorded on the service."""

from __future__ import annotations

import pytest

from wsgw.mapping.binary_types import binary_matcher


@pytest.mark.parametrize(
    ("entries", "header", "binary"),
    [
        (("image/png",), "image/png", True),
        (("image/png",), "Image/PNG; q=1", True),
        (("image/png",), "image/png, text/html", True),
        (("image/png",), "text/html, image/png", False),
        (("image/png",), "image/jpeg", False),
        (("image/png",), "image/*", False),
        (("image/png",), "*/*", False),
        (("image/png",), None, False),
        (("image/*",), "image/jpeg", True),
        (("image/*",), "image/*", True),
        (("image/*",), "imagery/jpeg", False),
        (("*/*",), "text/plain", True),
        (("*/*",), None, True),
        (("*/png",), "image/png", False),
        ((), "image/png", False),
        ((), None, False),
    ],
)
def test_an_entry_matches_the_first_media_type(entries: tuple[str, ...], header: str | None, binary: bool) -> None:
    assert binary_matcher(entries)(header) is binary
