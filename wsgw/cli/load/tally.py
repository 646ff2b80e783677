"""What a run has counted so far, second by second; the tallies of several processes add up."""

from __future__ import annotations

import re

import msgspec

from wsgw.cli.load.histogram import Histogram

_KINDS_OF_FAULT = 20
_UNIQUE = re.compile(r"(?=[\w=/+-]*[\d=])[\w=/+-]{12,}")


class Second(msgspec.Struct):
    """One second of a run: what was sent and done in it, and the clients connected at its end."""

    open: int = 0
    sent: int = 0
    done: int = 0
    failed: int = 0
    latency: Histogram = msgspec.field(default_factory=Histogram)


class Tally(msgspec.Struct):
    """The counts of a run; `seconds` is its timeline.

    done: answers and deliveries that were right          lost: expected, and never came
    errors: refusals, and answers that carry no id         duplicated: came a second time
    dropped: connections that the other side ended         wrong: belongs to another connection, or to nothing sent
    refused: handshakes that failed                        misordered: right, but before an earlier one

    `latency` counts from when a message was due, `answers` is the same for the HTTP answers to pushes, `rounds` until
    the last client of a fan-out has its push, `late` how far the generator itself was behind its timetable.
    """

    connected: int = 0
    opened: int = 0
    refused: int = 0
    dropped: int = 0
    sent: int = 0
    done: int = 0
    errors: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    misordered: int = 0
    pings: int = 0
    waiting: int = 0
    window: float = 0.0
    cpu: float = 0.0
    handshakes: Histogram = msgspec.field(default_factory=Histogram)
    latency: Histogram = msgspec.field(default_factory=Histogram)
    answers: Histogram = msgspec.field(default_factory=Histogram)
    rounds: Histogram = msgspec.field(default_factory=Histogram)
    late: Histogram = msgspec.field(default_factory=Histogram)
    now: Second = msgspec.field(default_factory=Second)
    seconds: list[Second] = []
    faults: dict[str, int] = {}

    def finish(self, due: float, at: float) -> None:
        """Count an answer that was right: due at `due`, here at `at`."""
        self.done += 1
        self.now.done += 1
        self.now.latency.add(at - due)

    def fault(self, text: str) -> None:
        """Note what went wrong, for the report; only so many kinds are kept."""
        self.now.failed += 1
        if text in self.faults or len(self.faults) < _KINDS_OF_FAULT:
            self.faults[text] = self.faults.get(text, 0) + 1

    def tick(self) -> None:
        """A second has passed."""
        self.now.open = self.connected
        self.latency.merge([self.now.latency])
        self.seconds.append(self.now)
        self.now = Second()

    def begin(self) -> None:
        """The warm-up is over: forget its figures, but none of its faults."""
        self.sent, self.done = self.waiting, 0
        self.latency, self.answers, self.rounds, self.late = Histogram(), Histogram(), Histogram(), Histogram()
        self.now, self.seconds = Second(), []

    def failures(self) -> int:
        """How much was not as it should be; a run with none has passed."""
        return self.refused + self.dropped + self.errors + self.lost + self.duplicated + self.wrong + self.misordered

    def rate(self) -> float:
        """Done per second of the measured window; what came after its end is not counted."""
        return sum(second.done for second in self.seconds) / self.window if self.window else 0.0


def excerpt(payload: bytes) -> str:
    """The beginning of a message for `fault`, without ids: they would make every message a fault of its own kind."""
    return _UNIQUE.sub("…", payload[:200].decode("utf-8", "replace"))[:100]


_ADDED = (
    *("connected", "opened", "refused", "dropped", "sent", "done", "errors", "lost", "duplicated", "wrong"),
    *("misordered", "pings", "waiting", "cpu"),
)
_HISTOGRAMS = ("handshakes", "latency", "answers", "rounds", "late")


def merged(tallies: list[Tally]) -> Tally:
    """The tallies of several processes as one; their seconds are taken to be the same."""
    whole = Tally(window=max((tally.window for tally in tallies), default=0.0))
    for name in _ADDED:
        setattr(whole, name, sum(getattr(tally, name) for tally in tallies))
    for name in _HISTOGRAMS:
        getattr(whole, name).merge(getattr(tally, name) for tally in tallies)
    for tally in tallies:
        for text, count in tally.faults.items():
            whole.faults[text] = whole.faults.get(text, 0) + count
        for number, second in enumerate(tally.seconds):
            if number == len(whole.seconds):
                whole.seconds.append(Second())
            into = whole.seconds[number]
            into.open += second.open
            into.sent += second.sent
            into.done += second.done
            into.failed += second.failed
            into.latency.merge([second.latency])
    return whole
