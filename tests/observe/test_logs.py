"""Logs and access logs."""

from __future__ import annotations

import io
import json
import logging
import threading
from pathlib import Path

import pytest

from wsgw.observe import logs
from wsgw.observe.logs import AccessLog, JsonFormatter, Reasons
from wsgw.observe.metrics import Metrics

NOTHING = None


def counted(event: str) -> float:
    for line in Metrics().exposition().decode().splitlines():
        if line.startswith(f'wsgw_events_total{{event="{event}"}}'):
            return float(line.rpartition(" ")[2])
    return 0.0


def record(message: str, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, None) if error is not None else None
    return logging.LogRecord("wsgw.x", logging.WARNING, __file__, 1, message, (), info)


def test_a_log_line_is_one_json_object_whatever_the_message():
    text = JsonFormatter().format(record('a "quoted"\nsecond line\x00'))
    assert "\n" not in text
    entry = json.loads(text)
    assert entry["message"] == 'a "quoted"\nsecond line\x00'
    assert (entry["level"], entry["logger"]) == ("warning", "wsgw.x")


def test_an_exception_is_part_of_its_line():
    entry = json.loads(JsonFormatter().format(record("failed", ValueError("why"))))
    assert "ValueError: why" in entry["traceback"]


def test_a_level_that_does_not_exist_is_refused_by_name():
    with pytest.raises(ValueError, match="'loud' is none of debug, info, warning, error"):
        logs.configure("loud")


def test_a_reason_without_ids_ends_where_it_ends(caplog: pytest.LogCaptureFixture):
    Reasons().say("no_stage", api="")
    assert caplog.messages == ["no_stage"]


def test_a_reason_is_said_a_few_times_then_once_a_second_with_how_often_it_was_held_back(
    caplog: pytest.LogCaptureFixture,
):
    now = [100.0]
    reasons = Reasons(most=3, now=lambda: now[0])
    with caplog.at_level(logging.WARNING, "wsgw.reasons"):
        for _ in range(10):
            reasons.say("backend_down", api="chat")
        assert len(caplog.messages) == 3
        now[0] += 1
        reasons.say("backend_down", api="chat")
        reasons.say("backend_down", api="chat")
        assert caplog.messages[3:] == ["backend_down api=chat held_back=7"]
        now[0] += 60
        for _ in range(10):
            reasons.say("backend_down", api="chat")
    assert caplog.messages[4:] == ["backend_down api=chat held_back=1", *2 * ["backend_down api=chat"]]


def test_ever_new_reasons_do_not_flood_the_log(caplog: pytest.LogCaptureFixture):
    """A reason may be worded by what a client sent: another name in every body."""
    now = [0.0]
    reasons = Reasons(most=2, now=lambda: now[0])
    with caplog.at_level(logging.WARNING, "wsgw.reasons"):
        for number in range(5_000):
            reasons.say(f"fault {number}")
        assert len(caplog.messages) == 60
        now[0] += 3
        for number in range(5_000):
            reasons.say(f"fault {number}")
    assert len(caplog.messages) == 66
    assert len(reasons._seen) <= 1_001


async def test_lines_arrive_in_order_and_none_is_lost_at_the_end():
    stream = io.BytesIO()
    log = AccessLog(stream, every=60)
    for number in range(1000):
        log.add(lambda _invocation, number=number: f"line {number}", NOTHING)
    log.close()
    assert stream.getvalue().decode().splitlines() == [f"line {number}" for number in range(1000)]


async def test_without_a_stream_no_line_is_even_made():
    log = AccessLog(None)
    log.add(lambda _invocation: pytest.fail("formatted"), NOTHING)
    log.close()


async def test_a_full_disk_costs_lines_and_nothing_else():
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    before = counted("access_log_dropped")
    log = AccessLog(Full())
    for _ in range(5):
        log.add(lambda _invocation: "line", NOTHING)
    log.close()
    assert counted("access_log_dropped") == before + 5


async def test_a_disk_that_hangs_costs_lines_rather_than_memory():
    release = threading.Event()

    class Hanging(io.BytesIO):
        def write(self, data: object) -> int:
            release.wait(10)
            return 0

    before = counted("access_log_dropped")
    log = AccessLog(Hanging(), most=100)
    for _ in range(10):
        for _ in range(50):
            log.add(lambda _invocation: "line", NOTHING)
        log.flush()
    assert counted("access_log_dropped") == before + 6 * 50
    release.set()
    log.close()


async def test_lines_after_a_rotation_are_in_the_new_file_and_none_is_lost(tmp_path: Path):
    old, new = (tmp_path / "old").open("wb"), (tmp_path / "new").open("wb")
    log = AccessLog(old, every=60)
    log.add(lambda _invocation: "before", NOTHING)
    log.replace(new)
    log.add(lambda _invocation: "after", NOTHING)
    log.close()
    new.close()
    assert old.closed
    assert (tmp_path / "old").read_text() == "before\n"
    assert (tmp_path / "new").read_text() == "after\n"
