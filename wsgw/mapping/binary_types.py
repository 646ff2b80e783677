"""binaryMediaTypes: which payloads a REST API takes for bytes rather than text.

Source: developer guide, "Working with binary media types for REST APIs"; recorded on the service (2026): only the
first media type of an Accept counts, and a range that it asks for (`image/*`) is not expanded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wsgw.mapping.media_types import first_of


def binary_matcher(binary_media_types: Iterable[str]) -> Callable[[str | None], bool]:
    """Whether the first media type of a Content-Type or Accept is binary: by `type/subtype`, `type/*` or `*/*`.

    `*/*` matches whatever there is, a header that is not there included.
    """
    entries = frozenset(entry.strip().lower() for entry in binary_media_types)
    if not entries:
        return lambda header: False
    if "*/*" in entries:
        return lambda header: True
    exact = frozenset(entry for entry in entries if not entry.startswith("*"))
    ranges = tuple(entry[:-1] for entry in exact if entry.endswith("/*"))

    def matches(header: str | None) -> bool:
        kind = first_of(header)
        return kind is not None and (kind in exact or (bool(ranges) and kind.startswith(ranges)))

    return matches
