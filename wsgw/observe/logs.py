"""Logs: one JSON object a line on standard error, and access logs written off the path.

Logs carry ids (api, stage, route, connection, request) and reason codes; never bodies, tokens, keys or query strings.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

import orjson

from wsgw.invocation import Invocation
from wsgw.observe.metrics import count

LogLine = Callable[[Invocation], str]

#: Batches of access log lines that wait for the writing thread before more are dropped.
_BATCHES = 4
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class JsonFormatter(logging.Formatter):
    """One line: time, level, logger, message, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(entry).decode()


def configure(level: str) -> None:
    """Send the log to standard error from `level` up. Raises ValueError for a level that does not exist."""
    if level not in _LEVELS:
        raise ValueError(f"log_level: {level!r} is none of {', '.join(_LEVELS)}")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=_LEVELS[level], handlers=[handler], force=True)
    # These speak of every request at INFO or below; what matters of it is in our own lines.
    for noisy in ("aiohttp.access", "botocore", "aiobotocore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class Reasons:
    """Log lines about invocations that went wrong, reason codes with ids: `most` at once of each, then one a second.

    Of all reasons together it is 30 times as many, then `most` a second: some say what is wrong with a body, and a
    client can be wrong in any number of ways. What is held back is counted, and said in the next line of that reason:
    an hour without Redis must not fill a disk.
    """

    def __init__(self, most: int = 10, now: Callable[[], float] = time.monotonic) -> None:
        self._log = logging.getLogger("wsgw.reasons")
        self._most = most
        self._now = now
        self._seen: dict[str, list[float]] = {}  # reason: [lines that it may still have, as of, held back]
        self._together = [30.0 * most, now()]

    def say(self, reason: str, **ids: str) -> None:
        """Log `reason`, a short text without anything a client sent, and `ids`."""
        now = self._now()
        seen = self._seen.setdefault(reason[:120], [self._most, now, 0])
        seen[0], seen[1] = min(self._most, seen[0] + now - seen[1]), now
        together = self._together
        together[0] = min(30 * self._most, together[0] + self._most * (now - together[1]))
        together[1] = now
        if seen[0] < 1 or together[0] < 1:
            seen[2] += 1
            if len(self._seen) > 1_000:
                self._seen.clear()
            count("log_lines_held_back")
            return
        seen[0] -= 1
        together[0] -= 1
        held_back, seen[2] = int(seen[2]), 0
        if len(self._seen) > 1_000:
            self._seen.clear()
        text = "".join(f" {name}={value}" for name, value in ids.items() if value)
        self._log.warning("%s%s%s", reason, text, f" held_back={held_back}" if held_back else "")


class AccessLog:
    """Access log lines, written in batches, some times a second, by a thread of their own.

    A line is formatted at once: to keep thousands of invocations for later cost five times as much, nearly all of it in
    the garbage collector.

    A write that falls behind loses lines rather than memory: beyond `most` waiting lines, or four batches of
    them, they are dropped and counted.
    """

    def __init__(self, stream: BinaryIO | None, *, every: float = 0.2, most: int = 200_000) -> None:
        self._stream = stream
        self._every = every
        self._most = most
        self._waiting: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="access-log")
        self._writing: list[Future[None]] = []

    def add(self, line: LogLine, invocation: Invocation) -> None:
        """Log `invocation` as `line` writes it."""
        if self._stream is None:
            return
        if len(self._waiting) >= self._most:
            count("access_log_dropped")
            return
        self._waiting.append(line(invocation))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._every, self.flush)

    def flush(self, *, last: bool = False) -> None:
        """Hand what waits to the writing thread. last: even if that is behind, as no more will come."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        if not waiting or self._stream is None:
            return
        self._writing = [batch for batch in self._writing if not batch.done()]
        if len(self._writing) >= _BATCHES and not last:
            count("access_log_dropped", len(waiting))
            return
        self._writing.append(self._writer.submit(self._write, waiting))

    def _write(self, lines: list[str]) -> None:
        assert self._stream is not None
        try:
            self._stream.write(("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))
            self._stream.flush()
        except (OSError, ValueError):
            # Disk full, pipe closed: serving goes on without the lines.
            count("access_log_dropped", len(lines))

    def replace(self, stream: BinaryIO) -> None:
        """Write to `stream` from now on, and close the one before, as log rotation asks."""
        self.flush(last=True)
        self._writer.submit(self._swap, stream)

    def _swap(self, stream: BinaryIO) -> None:
        before, self._stream = self._stream, stream
        if before is not None:
            try:
                before.close()
            except OSError:
                pass  # Its disk is full: what was not written is counted already.

    def close(self) -> None:
        """Write what waits and end the thread; the stream stays its owner's."""
        self.flush(last=True)
        self._writer.shutdown(wait=True)
