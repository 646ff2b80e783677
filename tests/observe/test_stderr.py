"""What is said on standard error while nothing can be written there."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

from wsgw.observe.metrics import Metrics
from wsgw.observe.stderr import Lossy, never_fails

_SAYS = """
import sys
import click
from wsgw.observe.stderr import never_fails
never_fails()
for number in range(3):
    click.echo(f"line {number} \\u00e4", err=True)
sys.stderr.buffer.write(b"bytes\\n")
"""


def lost() -> float:
    for line in Metrics().exposition().decode().splitlines():
        if line.startswith('wsgw_events_total{event="log_lines_lost"}'):
            return float(line.rpartition(" ")[2])
    return 0


def test_lines_for_a_full_disk_are_lost_and_counted():
    before = lost()
    number = os.open("/dev/full", os.O_WRONLY)
    try:
        stream = io.TextIOWrapper(io.BufferedWriter(Lossy(number)), line_buffering=True)
        for _ in range(2):
            print("a line", file=stream)
        stream.buffer.write(b"three\nlines\nat once\n")
        stream.close()
        assert lost() - before == 5
        os.fstat(number)  # It stays open.
    finally:
        os.close(number)


def test_what_a_disk_takes_arrives_and_the_exit_code_is_the_programs_own(tmp_path: Path):
    with (tmp_path / "log").open("wb") as log:
        assert subprocess.run([sys.executable, "-c", _SAYS], stderr=log, check=False).returncode == 0
    assert (tmp_path / "log").read_text(encoding="utf-8") == "line 0 ä\nline 1 ä\nline 2 ä\nbytes\n"
    with Path("/dev/full").open("wb", buffering=0) as log:
        assert subprocess.run([sys.executable, "-c", _SAYS], stderr=log, check=False).returncode == 0


def test_where_standard_error_is_somebody_elses_it_stays_so(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stderr", stream)
    never_fails()
    assert sys.stderr is stream
