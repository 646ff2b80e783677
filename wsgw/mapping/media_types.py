"""Media types of headers: which one counts where a header names several."""

from __future__ import annotations


def first_of(header: str | None) -> str | None:
    """The first media type of an Accept or Content-Type header, in lower case, without parameters; None for none."""
    if header is None:
        return None
    return header.partition(",")[0].partition(";")[0].strip().lower() or None
