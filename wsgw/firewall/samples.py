"""What operators look at: how often each rule has matched, and some of the requests that it has.

A sample holds no secrets: of headers only those that never carry any have a value, of the query only its names.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from wsgw.definitions.firewall import Action
from wsgw.firewall.inspected import Inspected
from wsgw.mapping.times import iso_ms

#: Samples that a rule keeps, and the milliseconds between two of them at least.
MOST_SAMPLES: Final = 100
SAMPLE_MS: Final = 50
_MOST_HEADERS: Final = 50
_MOST_TEXT: Final = 256
_REDACTED: Final = "REDACTED"
#: Headers whose values are shown. Of all others, known or not, only the name is.
_SHOWN: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "origin",
        "sec-websocket-version",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-forwarded-for",
        "x-forwarded-port",
        "x-forwarded-proto",
    }
)


class Sample(NamedTuple):
    """One request that a rule has matched. `at`: epoch ms; `arguments`: names in the query."""

    action: Action
    at: int
    request_id: str
    client_ip: str
    method: str
    path: str
    arguments: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]


class Tally:
    """What one rule of one stage has done since the process started."""

    __slots__ = ("allowed", "api_id", "blocked", "counted", "next_sample", "rule", "samples", "stage")

    def __init__(self, api_id: str, stage: str, rule: str) -> None:
        self.api_id = api_id
        self.stage = stage
        self.rule = rule
        self.allowed = 0
        self.blocked = 0
        self.counted = 0
        self.samples: deque[Sample] = deque(maxlen=MOST_SAMPLES)
        self.next_sample = 0

    def add(self, action: Action, inspected: Inspected, *, sampled: bool) -> None:
        """Count what `action` was done to, and keep it as a sample, now and then."""
        if action == "BLOCK":
            self.blocked += 1
        elif action == "COUNT":
            self.counted += 1
        else:
            self.allowed += 1
        at = inspected.invocation.request_time
        # The clock may have been set back.
        if sampled and (at >= self.next_sample or at < self.next_sample - SAMPLE_MS):
            self.next_sample = at + SAMPLE_MS
            self.samples.append(_sample(action, inspected))

    def shown(self) -> list[dict[str, Any]]:
        """The samples, as the control port tells them."""
        return [
            {
                "rule": self.rule,
                "action": one.action,
                "timestamp": iso_ms(one.at),
                "requestId": one.request_id,
                "request": {
                    "clientIP": one.client_ip,
                    "method": one.method,
                    "uri": one.path,
                    "queryArguments": list(one.arguments),
                    "headers": [{"name": name, "value": value} for name, value in one.headers],
                },
                "labels": list(one.labels),
            }
            for one in self.samples
        ]


def _argument_names(query: str) -> Iterator[str]:
    for part in query.split("&", _MOST_HEADERS)[:_MOST_HEADERS]:
        name, equals, _ = part.partition("=")
        if part:
            # What has no name may be a token.
            yield name[:_MOST_TEXT] if equals else _REDACTED


def _sample(action: Action, inspected: Inspected) -> Sample:
    invocation = inspected.invocation
    return Sample(
        action,
        invocation.request_time,
        invocation.request_id,
        invocation.caller.source_ip,
        inspected.method,
        inspected.path[:_MOST_TEXT],
        tuple(_argument_names(inspected.query)),
        tuple(
            (name[:_MOST_TEXT], value[:_MOST_TEXT] if name.lower() in _SHOWN else _REDACTED)
            for name, value in inspected.lines[:_MOST_HEADERS]
        ),
        tuple(sorted(inspected.labels)),
    )
