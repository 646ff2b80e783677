from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from wsgw.cli.load.page import chart, html
from wsgw.cli.load.plan import Credentials, Plan
from wsgw.cli.load.report import progress, result, rows
from wsgw.cli.load.tally import Second, Tally

SECRETS = ("query-secret", "url-password", "header-secret", "token-secret", "key-secret")


@pytest.fixture
def outcome() -> dict[str, Any]:
    plan = Plan(
        url="ws://user:url-password@example.test:8080/prod?token=query-secret",
        scenario="push",
        rate=50.0,
        headers=(("Cookie", "header-secret"),),
        token="token-secret",
        credentials=Credentials(access_key="AKID", secret_key="key-secret"),
    )
    tally = Tally(opened=64, sent=101, done=100, errors=1, window=2.0, cpu=1.9)
    tally.seconds = [Second(open=64, sent=50, done=50), Second(open=64, sent=51, done=50)]
    for milliseconds in range(1, 101):
        tally.latency.add(milliseconds / 1000)
    tally.faults = {"answered <script>alert(1)</script>": 1}
    return result(plan, tally, 1, 1_800_000_000.5)


def test_the_result_gives_rate_quantiles_and_verdict(outcome: dict[str, Any]) -> None:
    assert outcome["per_second"] == 50
    assert outcome["passed"] is False
    assert outcome["latency_ms"]["p50"] == pytest.approx(50, rel=0.01)
    assert outcome["latency_ms"]["p99"] == pytest.approx(99, rel=0.01)
    assert outcome["latency_ms"]["max"] == 100
    assert outcome["answer_ms"] is None
    assert outcome["ended_at"] == "2027-01-15T08:00:00Z"
    assert len(outcome["timeline"]) == 2


def test_nothing_secret_is_written(outcome: dict[str, Any]) -> None:
    written = msgspec.json.encode(outcome).decode() + html(outcome) + str(rows(outcome))
    assert not [secret for secret in SECRETS if secret in written]
    assert json.loads(msgspec.json.encode(outcome))["url"] == "ws://example.test:8080/prod"


def test_the_table_warns_when_the_generator_was_the_limit(outcome: dict[str, Any]) -> None:
    assert "the generator is the limit" in dict(rows(outcome))["generator busy"]
    outcome["generator"]["busy"] = 0.5
    assert dict(rows(outcome))["generator busy"] == "50%"


def test_the_page_loads_nothing_and_escapes_what_servers_said(outcome: dict[str, Any]) -> None:
    page = html(outcome)
    tags: list[tuple[str, dict[str, str | None]]] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append((tag, dict(attrs)))

    Tags().feed(page)
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in tags}
    assert not any({"src", "href"} & set(attributes) for _, attributes in tags)
    assert "url(" not in page
    assert "&lt;script&gt;" in page
    assert [tag for tag, _ in tags].count("svg") == 4


def points(svg: str) -> list[list[tuple[float, float]]]:
    """The coordinates of every line of a chart."""
    return [
        [(float(x), float(y)) for x, y in (point.split(",") for point in line.split())]
        for line in re.findall(r"points='([^']*)'", svg)
    ]


def test_a_chart_draws_larger_values_higher_and_all_inside() -> None:
    (line,) = points(chart("t", "second", ["1", "2", "3"], [("a", [0, 50, 100])]))
    assert [x for x, _ in line] == sorted(x for x, _ in line)
    assert line[0][1] > line[1][1] > line[2][1] >= 0
    assert all(0 <= x <= 720 and 0 <= y <= 220 for x, y in line)


@pytest.mark.parametrize("values", [[0.0, 0.0], [0.001, 1000.0], [5.0, 5.0]])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_a_chart_can_draw_any_values(values: list[float], logarithmic: bool) -> None:
    (line,) = points(chart("t", "x", ["a", "b"], [("", values)], logarithmic))
    assert all(0 <= y <= 220 for _, y in line)


def test_a_chart_of_one_second_is_a_line_across() -> None:
    (line,) = points(chart("t", "second", ["1"], [("a", [7])]))
    assert len(line) == 2


def test_a_run_without_seconds_has_no_charts_over_time() -> None:
    assert chart("t", "second", [], []) == ""


def test_progress_says_how_it_goes() -> None:
    tally = Tally(connected=3, refused=1)
    assert progress(tally, 0) == "opening: 3 connected, 1 failed"
    tally.seconds.append(Second(open=3, done=40))
    assert progress(tally, 9) == "   9 s left: 3 connected, 40/s, p50 0 ms, p99 0 ms, 1 failed"
