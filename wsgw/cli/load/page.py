"""The result of a run as one HTML page with charts; it loads nothing from anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from wsgw.cli.load.report import rows

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 720, 220, 64, 28, 12
_COLOURS = ("var(--first)", "var(--second)")

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --paper: #fff; --line: #d5dae3; --first: #1f6feb; --second: #d1570b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #dfe5ee; --paper: #12161d; --line: #333c4a; --first: #6cb0ff; --second: #ff9d5c; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 780px;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1.05rem; margin: 2rem 0 .3rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 500; white-space: nowrap; } td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
svg { width: 100%; height: auto; } text { font-size: 11px; fill: var(--ink); } .grid { stroke: var(--line); }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
"""

Series = tuple[str, Sequence[float]]


def html(outcome: dict[str, Any]) -> str:
    """The page for what `report.result` gives."""
    table = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows(outcome)
    )
    timeline = outcome["timeline"]
    seconds = [str(number + 1) for number in range(len(timeline))]

    def over_time(title: str, *columns: tuple[str, str]) -> str:
        series = [(label, [second[key] for second in timeline]) for label, key in columns]
        return chart(title, "second", seconds, series)

    charts = [
        over_time("Per second", ("done", "done"), ("failed", "failed")),
        over_time("Latency, ms", ("p50", "p50_ms"), ("p99", "p99_ms")),
        over_time("Connections", ("open", "open")),
    ]
    if outcome["latency_ms"]:
        labels = [f"{fraction:.2%}".replace(".00%", "%") for fraction, _ in outcome["distribution"]]
        values = [value for _, value in outcome["distribution"]]
        charts.append(chart("Latency by share of messages, ms (logarithmic)", "share", labels, [("", values)], True))
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Load test: {escape(outcome['scenario'])}</title><style>{_STYLE}</style>"
        f"<h1>{escape(outcome['url'])}</h1><p>{escape(outcome['ended_at'])}</p><table>{table}</table>{''.join(charts)}</html>"
    )


def chart(title: str, axis: str, labels: Sequence[str], series: Sequence[Series], logarithmic: bool = False) -> str:
    """A line chart as inline SVG: `labels` along the bottom, one line per series of as many values."""
    if not labels:
        return ""
    highest = max((value for _, values in series for value in values), default=0)
    lowest = min((value for _, values in series for value in values if value > 0), default=0.001)
    scale, marks = _logarithmic(lowest, highest) if logarithmic else _linear(highest)
    step = (_WIDTH - _LEFT - 10) / max(1, len(labels) - 1)
    inner = _HEIGHT - _BOTTOM - _TOP

    def y(value: float) -> float:
        return round(_TOP + inner * (1 - scale(value)), 1)

    parts = [
        f"<line class=grid x1={_LEFT} x2={_WIDTH - 10} y1={y(mark)} y2={y(mark)} />"
        f"<text x={_LEFT - 6} y={y(mark) + 4} text-anchor=end>{mark:,g}</text>"
        for mark in marks
    ]
    every = math.ceil(len(labels) / 10) if not logarithmic else 1
    parts += [
        f"<text x={_LEFT + index * step:.1f} y={_HEIGHT - 8} text-anchor=middle>{escape(labels[index])}</text>"
        for index in range(0, len(labels), every)
    ]
    for number, (label, values) in enumerate(series):
        points = " ".join(f"{_LEFT + index * step:.1f},{y(value)}" for index, value in enumerate(values))
        if len(values) == 1:
            points += f" {_WIDTH - 10},{y(values[0])}"
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(f"<polyline points='{points}' style='stroke:{colour}' />")
        parts.append(f"<text x={_LEFT + 8 + 60 * number} y={_TOP + 8} style='fill:{colour}'>{escape(label)}</text>")
    picture = (
        f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role=img aria-label='{escape(title)}, by {axis}'>{''.join(parts)}</svg>"
    )
    return f"<h2>{escape(title)}</h2>{picture}"


def _linear(highest: float) -> tuple[Callable[[float], float], list[float]]:
    top = _round_up(highest)
    return (lambda value: value / top), [top * part / 4 for part in range(5)]


def _logarithmic(lowest: float, highest: float) -> tuple[Callable[[float], float], list[float]]:
    first = math.floor(math.log10(lowest))
    last = max(first + 1, math.ceil(math.log10(max(highest, lowest))))

    def scale(value: float) -> float:
        return (math.log10(max(value, 10.0**first)) - first) / (last - first)

    return scale, [10.0**exponent for exponent in range(first, last + 1)]


def _round_up(value: float) -> float:
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * factor for factor in (1, 2, 4, 5, 8, 10) if unit * factor >= value)
