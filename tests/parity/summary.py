"""Passed of total by topic, at the end of a run that had recorded cases in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

KEY = "parity"


def lines(stats: Mapping[str, Iterable[Any]]) -> list[str]:
    """What to print for the terminal reporter's `stats`; nothing where no recorded case ran."""
    total: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in stats.get(outcome, ()):
            topic = dict(getattr(report, "user_properties", ())).get(KEY)
            # A test that is set up and torn down well reports these, too.
            if topic is None or (report.when != "call" and outcome == "passed"):
                continue
            total[topic] += 1
            passed[topic] += outcome == "passed"
            waiting[topic] += outcome == "skipped"
    if not total:
        return []
    told = [
        f"{passed[topic]:>4} of {total[topic] - waiting[topic]:<4}"
        f"{f'({waiting[topic]} wait for later features) ' if waiting[topic] else ''}{topic}"
        for topic in sorted(total)
    ]
    together = f"{passed.total()} of {total.total() - waiting.total()}, {waiting.total()} wait for later features"
    return ["recorded cases passed, by topic:", *told, together]
