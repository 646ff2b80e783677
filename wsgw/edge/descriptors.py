"""File descriptors: new clients are refused before the last is taken.

The process's own work takes them, too: calls to backends, the control port, Redis, log files. A gateway that gave all
of them to clients could not serve the clients that it has.
"""

from __future__ import annotations

import errno
import os
import resource

#: What is kept back: this part of all, and no more than that many.
_PART, _MOST = 8, 256


class Descriptors:
    """The descriptors of this process. limit: how many there may be, if not what the system says."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if limit is None else limit

    def few(self) -> bool:
        """So few are left that they are needed here."""
        if self._limit == resource.RLIM_INFINITY:
            return False
        try:
            # The system gives the lowest number that is free: in two calls of a microsecond it says how many are not.
            lowest = os.dup(2)
        except OSError as error:
            return error.errno in (errno.EMFILE, errno.ENFILE)
        os.close(lowest)
        return lowest >= self._limit - min(_MOST, self._limit // _PART)
