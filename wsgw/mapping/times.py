"""The two ways in which API Gateway writes a moment: as access logs do, and as SDKs do. Always UTC."""

from __future__ import annotations

import time

# Not strftime's %b: that one follows the locale of the process.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_last: tuple[int, str] = (-1, "")


def clf_time(epoch_ms: int) -> str:
    """`25/Sep/2026:00:01:13 +0000`, as `$context.requestTime` and events have it; made once a second."""
    global _last
    second = epoch_ms // 1000
    # One read of the pair: another thread may replace it in between.
    known, text = _last
    if known != second:
        year, month, day, hour, minute, sec = time.gmtime(second)[:6]
        text = f"{day:02d}/{_MONTHS[month - 1]}/{year:04d}:{hour:02d}:{minute:02d}:{sec:02d} +0000"
        _last = (second, text)
    return text


def iso_ms(epoch_ms: int) -> str:
    """`2026-09-25T00:22:29.887Z`, as GetConnection answers."""
    second, milliseconds = divmod(epoch_ms, 1000)
    year, month, day, hour, minute, sec = time.gmtime(second)[:6]
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{sec:02d}.{milliseconds:03d}Z"
