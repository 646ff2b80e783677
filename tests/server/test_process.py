"""One worker process: what the supervisor learns of it, on the event loop that the supervisor runs on."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from wsgw.server.process import WorkerProcess
from wsgw.server.worker import Order
from wsgw.settings import Settings

#: Reads its order, and ends with 3.
ENDS = (sys.executable, "-S", "-c", "input(); raise SystemExit(3)")
ORDER = Order(slot=0, settings=Settings(), files=(), watch=False, control="")


def test_a_signal_to_one_that_has_just_ended_does_not_cost_its_exit_code(monkeypatch: pytest.MonkeyPatch):
    """Whoever asks the system how a process ended is the last to be told."""
    look, waitpid = threading.Event(), os.waitpid

    def late(pid: int, options: int) -> Any:
        look.wait(10)
        return waitpid(pid, options)

    async def signal_and_wait() -> int:
        worker = await WorkerProcess.start(ENDS, ORDER)
        state = Path(f"/proc/{worker._process.pid}/stat")
        # The loop stands still: it has not looked when the signal is sent.
        while state.read_text().rpartition(") ")[2][0] != "Z":
            time.sleep(0.001)
        worker.signal(0)
        look.set()
        return await worker.ended()

    monkeypatch.setattr(os, "waitpid", late)
    assert asyncio.run(signal_and_wait()) == 3
