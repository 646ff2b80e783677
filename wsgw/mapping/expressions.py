"""Regular expressions of definitions: RE2's, which take time in proportion to the text, whatever the expression."""

from __future__ import annotations

from typing import Any

import re2

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


def expression(text: str) -> Any:
    """The compiled `text`. Raises ValueError with RE2's reason, as `missing ): 4(`."""
    try:
        return re2.compile(text, _OPTIONS)
    except re2.error as error:
        (reason,) = error.args
        raise ValueError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)) from error
