"""The stores' protocols: what callers may rely on, whichever store is behind.

A store that cannot answer in time raises StoreUnavailable; no other exception of a store's library gets out. Nothing
here waits longer than the settings allow, and whatever does not say `async` returns at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from wsgw.definitions.access import ThrottleSettings
from wsgw.stores.records import ConnectionRecord, Departure


class Throttle(Protocol):
    """Token buckets, one per key, full when first used."""

    async def take(self, key: str, limit: ThrottleSettings) -> bool:
        """Take one token from the bucket `key`; False if it has none left.

        limit: `rate_limit` tokens come back a second, `burst_limit` is the most that a bucket holds.
        Raises StoreUnavailable. Source: developer guide, "Throttle requests to your REST APIs".
        """
        ...

    async def take_each(self, wanted: Sequence[tuple[str, ThrottleSettings]]) -> int:
        """Take one token from each bucket, in order, up to the first that has none; its index, or how many there are.

        What was taken before that one stays taken. Raises StoreUnavailable.
        """
        ...


class Book(Protocol):
    """What one node holds: its open connections, and the `$disconnect`s that it still owes.

    A connection is entered before its client reads the 101, and leaves when its `$disconnect` has been delivered, so
    that whoever finds the book of a dead node knows whom to tell what. Writes of a book take effect in the order of the
    calls.
    """

    node: str
    #: Another node has taken this book over, or it is closed: nothing is written to it any more.
    lost: bool

    def enter(self, record: ConnectionRecord) -> Awaitable[bool]:
        """Write down an open connection. True: it is written. False: the store is away (it will be when it is back)."""
        ...

    def leave(self, connection_id: str) -> None:
        """Forget a connection: nothing is owed for it. Again, or of one that is not there, is nothing."""
        ...

    def defer(self, departure: Departure) -> None:
        """Write down that a connection has ended and its `$disconnect` is owed, in place of the open connection."""
        ...

    def departures(self) -> AsyncIterator[Departure]:
        """Everything in a book that was taken over: deferred ones as they are, open connections as 1006.

        Raises StoreUnavailable.
        """
        ...

    async def close(self) -> None:
        """Let go of it: the node has ended, or all that a dead node owed is done. What is left in it is for others."""
        ...


class Page(NamedTuple):
    """Some connections of the cluster; `next` asks for those after them, "" when there are no more."""

    records: list[ConnectionRecord]
    next: str


class Connections(Protocol):
    """The registry: the books of all nodes. Raises StoreUnavailable only where it says so.

    `on_orphaned(book)` is called with the book of a dead node, now this node's to work through and `close`.
    `on_fenced()` is called when others hold this node for dead: it must close what it holds; `own` is lost by then, and
    a new book, with a new node name, once `rejoin` returned. `held` gives what this node holds, to write it down anew
    after a loss.
    """

    on_orphaned: Callable[[Book], None]
    on_fenced: Callable[[], None]
    held: Callable[[], Iterable[ConnectionRecord]]

    @property
    def own(self) -> Book:
        """This node's book, once it has joined."""
        ...

    async def join(self) -> str:
        """Begin to belong to the cluster; gives this node's name. Raises StoreUnavailable."""
        ...

    async def rejoin(self) -> str:
        """Begin anew under another name, after `on_fenced`. Raises StoreUnavailable."""
        ...

    async def page(self, cursor: str, limit: int, api_id: str | None = None, stage: str | None = None) -> Page:
        """About `limit` open connections of the cluster, from `cursor` on ("": the beginning). Raises StoreUnavailable.

        Each connection that is open throughout is given at least once over all pages.
        """
        ...

    async def close(self) -> None:
        """Leave the cluster. What is still owed stays in the own book, for another node, or for the next start."""
        ...


class Question(NamedTuple):
    """What one node asks another of a connection: `verb` is POST, GET or DELETE.

    api_id: the API that the connection must belong to, "" for any.
    """

    verb: str
    connection_id: str
    api_id: str = ""
    data: bytes = b""
    binary: bool = False


class Answer(NamedTuple):
    """What happened at the owner: 200, 204, 410, 413 or 429; `data` is what GET answers, JSON."""

    status: int
    data: bytes = b""


class Bus(Protocol):
    """How nodes talk. A question is answered by the node it names, or by nobody: no answer raises StoreUnavailable.

    `on_question(question, answer)` is called at the owner, which calls `answer` once, then or later.
    `on_announcement(topic)` is called on every node, the announcing one included, and whenever announcements may have
    been missed (topic "").
    """

    on_question: Callable[[Question, Callable[[Answer], None]], None]
    on_announcement: Callable[[str], None]

    async def open(self) -> None:
        """Begin to listen. Raises StoreUnavailable."""
        ...

    async def move(self) -> None:
        """Listen as the node's name now is: it has another one. Raises StoreUnavailable."""
        ...

    async def close(self) -> None:
        """Listen no more; questions that wait for an answer fail."""
        ...

    def tick(self) -> None:
        """End what took too long, and look whether the bus still carries. Called some times a second."""
        ...

    def ask(self, node: str, question: Question) -> Awaitable[Answer]:
        """Ask `node`. 410 if there is certainly no such node any more. Raises StoreUnavailable within `bus_seconds`.

        Questions from here to one node arrive in the order of the calls, or not at all.
        """
        ...

    def announce(self, topic: str) -> None:
        """Tell all nodes that `topic` has changed, for example "definitions". May be lost: see `on_announcement`."""
        ...


class Documents(Protocol):
    """What was stored over the command line or the control plane, by kind and name: definitions and keys, as JSON."""

    async def all(self, kind: str) -> dict[str, bytes]:
        """Every document of `kind` ("api", "accessKey", …), by name. Raises StoreUnavailable."""
        ...

    async def write(self, kind: str, documents: Mapping[str, bytes | None]) -> int:
        """Store these, all or none; None deletes. Gives the revision that this made. Raises StoreUnavailable."""
        ...

    async def revision(self) -> int:
        """A number that grows with each `write`; 0 where nothing was stored. Raises StoreUnavailable."""
        ...


class Cache(Protocol):
    """Values that may be forgotten at any time and are for ever after their time: an authorizer's results, tickets.

    Entries stand in groups (an API's stage, for example), which can be emptied as a whole. Every method raises
    StoreUnavailable.
    """

    async def get(self, group: str, key: str) -> bytes | None:
        """What was put there, None if it was not, or its time is over."""
        ...

    async def put(self, group: str, key: str, value: bytes, seconds: float) -> None:
        """Keep `value` for `seconds`."""
        ...

    async def take(self, group: str, key: str) -> bytes | None:
        """As `get`, and forget it: of several who take the same at once, one gets it."""
        ...

    async def flush(self, group: str) -> None:
        """Forget all of `group`."""
        ...


class Quota(Protocol):
    """Counters over a period, such as the requests of an API key this month. They survive a restart."""

    async def add(self, key: str, period: str, amount: int, expires: float, *, once: str = "") -> int:
        """Count `amount` more; gives the sum so far over all nodes.

        period: the period's own name, such as 2026-11; expires: epoch seconds after which it may be forgotten.
        once: a name for this very addition. Made again within a day, because nobody knows whether it was made, it
        counts nothing.
        Raises StoreUnavailable.
        """
        ...

    async def used(self, keys: Iterable[str], period: str) -> dict[str, int]:
        """The sums of `keys` in `period`, 0 where nothing was counted. Raises StoreUnavailable."""
        ...
