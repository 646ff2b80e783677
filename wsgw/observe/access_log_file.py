"""What the access log is written to: a file, standard error, or nothing."""

from __future__ import annotations

import contextlib
import logging
import sys
from pathlib import Path
from typing import BinaryIO

from wsgw.observe.logs import AccessLog

log = logging.getLogger("wsgw")


class AccessLogFile:
    """Opens it for `log`, and closes it. name: a path, "-" for standard error, "" for nothing. Raises OSError."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stream = _stream(name)
        self.log = AccessLog(self._stream)

    def reopen(self) -> None:
        """Open the file anew, by its name: whoever rotates logs has moved the one before away."""
        if self._name in ("", "-"):
            return
        try:
            self._stream = file = _file(self._name)
        except OSError as error:
            log.error("the access log cannot be opened again: %s", error)
            return
        self.log.replace(file)

    def close(self) -> None:
        """Write what waits, and close."""
        self.log.close()
        if self._stream is not None and self._stream is not sys.stderr.buffer:
            # Disk full: what could not be written then cannot be now, and has been counted.
            with contextlib.suppress(OSError):
                self._stream.close()


def _stream(name: str) -> BinaryIO | None:
    if not name:
        return None
    return sys.stderr.buffer if name == "-" else _file(name)


def _file(name: str) -> BinaryIO:
    return Path(name).open("ab")
