"""Standard error that never fails: where its disk is full, or its reader gone, lines are lost and counted."""

from __future__ import annotations

import io
import os
import sys

from wsgw.observe.metrics import count


class Lossy(io.RawIOBase):
    """Writes to the file descriptor `number`, which stays open; what that does not take is gone."""

    def __init__(self, number: int) -> None:
        self._number = number

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        try:
            return os.write(self._number, data)
        except OSError:
            # Raised, it would end whatever had something to say, and what waits in buffers would be tried at each line.
            count("log_lines_lost", max(1, bytes(data).count(b"\n")))
            return len(data)


def never_fails() -> None:
    """Make standard error of this process lossy. Where it is not the process's own, as in tests, it stays as it is."""
    stream = sys.stderr
    if not isinstance(stream, io.TextIOWrapper) or stream is not sys.__stderr__:
        return
    lossy = io.BufferedWriter(Lossy(stream.fileno()))  # type: ignore[type-var]  # a RawIOBase, as its documentation asks
    sys.stderr = io.TextIOWrapper(lossy, encoding=stream.encoding, errors="backslashreplace", line_buffering=True)
