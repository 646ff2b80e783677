"""The result of a run: as JSON, as a table, as the line of progress while it runs."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from wsgw.cli.load.histogram import Histogram
from wsgw.cli.load.plan import Plan
from wsgw.cli.load.tally import Tally

_COUNTS = (
    "opened",
    "refused",
    "dropped",
    "sent",
    "done",
    "errors",
    "lost",
    "duplicated",
    "wrong",
    "misordered",
    "pings",
)
_SETTINGS = ("connections", "rate", "duration", "warmup", "size", "in_flight", "heartbeat", "verify")
# Above this the figures are the generator's own as much as the server's.
BUSY = 0.9


def result(plan: Plan, tally: Tally, processes: int, ended_at: float) -> dict[str, Any]:
    """What `--json` writes. Milliseconds in `…_ms`; `ended_at` comes as epoch seconds. No query, token or key."""
    parts = urlsplit(plan.url)
    return {
        "scenario": plan.scenario,
        "url": f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}",
        "ended_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ended_at)),
        "passed": tally.failures() == 0,
        "settings": {**{name: getattr(plan, name) for name in _SETTINGS}, "processes": processes},
        "seconds": round(tally.window, 3),
        "per_second": round(tally.rate(), 1),
        **{name: getattr(tally, name) for name in _COUNTS},
        "latency_ms": _quantiles(tally.latency),
        "answer_ms": _quantiles(tally.answers),
        "round_ms": _quantiles(tally.rounds),
        "handshake_ms": _quantiles(tally.handshakes),
        "generator": {"busy": round(_busy(tally, processes), 3), "late_ms": _quantiles(tally.late)},
        "faults": tally.faults,
        "timeline": [
            {
                "open": second.open,
                "sent": second.sent,
                "done": second.done,
                "failed": second.failed,
                "p50_ms": _ms(second.latency.quantile(0.5)),
                "p99_ms": _ms(second.latency.quantile(0.99)),
            }
            for second in tally.seconds
        ],
        "distribution": [[fraction, _ms(tally.latency.quantile(fraction))] for fraction in _FRACTIONS],
    }


_FRACTIONS = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 1)


def _busy(tally: Tally, processes: int) -> float:
    return tally.cpu / tally.window / processes if tally.window else 0.0


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _quantiles(histogram: Histogram) -> dict[str, float] | None:
    if not histogram.count:
        return None
    named = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
    return {
        "count": histogram.count,
        "mean": _ms(histogram.mean()),
        **{name: _ms(histogram.quantile(fraction)) for name, fraction in named.items()},
        "max": _ms(histogram.longest / 1e6),
    }


def rows(outcome: dict[str, Any]) -> list[tuple[str, str]]:
    """The result as lines of a table: what, and how much."""
    settings = outcome["settings"]
    pace = f"{settings['rate']:g}/s" if settings["rate"] is not None else "as fast as they are answered"
    if outcome["scenario"] == "idle":
        pace = f"a ping every {settings['heartbeat']:g} s" if settings["heartbeat"] else "none"
    lines = [
        ("scenario", f"{outcome['scenario']}, {settings['connections']} connections"),
        ("pace", pace),
        ("per second", f"{outcome['per_second']:,.1f} over {outcome['seconds']:g} s"),
    ]
    names = (
        ("latency_ms", "latency"),
        ("answer_ms", "answer to the post"),
        ("round_ms", "all clients reached"),
        ("handshake_ms", "handshake"),
    )
    for key, label in names:
        found = outcome[key]
        if found:
            text = "  ".join(f"{name} {found[name]:g}" for name in ("p50", "p90", "p99", "p99.9", "max"))
            lines.append((label, f"{text} ms"))
    lines += [(name, f"{outcome[name]:,}") for name in _COUNTS if outcome[name] or name in ("sent", "done")]
    lines.append(("generator busy", f"{outcome['generator']['busy']:.0%}{_warning(outcome)}"))
    lines += [("fault", f"{count:,} × {text}") for text, count in outcome["faults"].items()]
    lines.append(("passed", "yes" if outcome["passed"] else "no"))
    return lines


def _warning(outcome: dict[str, Any]) -> str:
    if outcome["generator"]["busy"] < BUSY:
        return ""
    return ": the generator is the limit; add --processes, or lower --rate"


def print_table(outcome: dict[str, Any], terminal: bool) -> None:
    """Print `rows`: drawn by rich on a terminal, plain otherwise."""
    if not terminal:
        for name, value in rows(outcome):
            print(f"{name + ':':<22}{value}")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=outcome["url"], show_header=False)
    for name, value in rows(outcome):
        style = "red" if name == "fault" or (name == "passed" and value == "no") else ""
        table.add_row(name, Text(value, style=style))
    Console().print(table)


def progress(tally: Tally, left: float) -> str:
    """One line on how the run goes."""
    if not tally.seconds:
        return f"opening: {tally.connected} connected, {tally.failures()} failed"
    last = tally.seconds[-1]
    return (
        f"{left:4.0f} s left: {last.open} connected, {last.done}/s, p50 {_ms(last.latency.quantile(0.5)):g} ms, "
        f"p99 {_ms(last.latency.quantile(0.99)):g} ms, {tally.failures()} failed"
    )
