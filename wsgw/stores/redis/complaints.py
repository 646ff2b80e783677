"""Log lines about what others did wrong: each kind at most once a minute, so that nobody can fill the log."""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger("wsgw.bus")

_SECONDS = 60.0


class Complaints:
    """How often each kind happened is for counters to say."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._last: dict[str, float] = {}

    def log(self, kind: str, text: str, *, with_traceback: bool = False) -> None:
        now = self._now()
        if now - self._last.get(kind, -_SECONDS) >= _SECONDS:
            self._last[kind] = now
            log.warning("%s; said at most once a minute", text, exc_info=with_traceback)
