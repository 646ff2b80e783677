"""What happened in a run of a cluster, as its clients, its callers and its backend saw it.

Times are seconds of one monotonic clock, that of the process that runs the test. A connection is known by its id, a
push by an id that its data carries. `check_history.py` judges it.
"""

from __future__ import annotations

from dataclasses import dataclass

ABNORMAL = 1006

#: Who began a close.
CLIENT, SERVER = "client", "server"


@dataclass(frozen=True, slots=True)
class Connected:
    """A client read its 101; `node` is where it had connected to."""

    at: float
    connection: str
    node: str


@dataclass(frozen=True, slots=True)
class Received:
    """A client read the message of a push."""

    at: float
    connection: str
    push: str


@dataclass(frozen=True, slots=True)
class Closed:
    """A client's stream has ended: it has read everything that there was, or dropped it itself.

    code: of the first close frame, the client's own (`by` CLIENT) or the server's; 1006 if the stream ended without one
    whole: the server's close frame was read: so was all that it sent before
    crossed: the code of the server's close frame, where that was no answer to the client's: both closed at once
    """

    at: float
    connection: str
    code: int
    by: str
    whole: bool = True
    crossed: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A caller began to POST to a connection at the node `via`. A caller waits for an answer before it asks again."""

    at: float
    push: str
    connection: str
    caller: str
    via: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The status of a push; 0 if the node that was asked went away without one."""

    at: float
    push: str
    status: int


@dataclass(frozen=True, slots=True)
class BackendConnect:
    """The backend got a `$connect`, and let the client in or did not."""

    at: float
    connection: str
    accepted: bool


@dataclass(frozen=True, slots=True)
class BackendDisconnect:
    """The backend got a `$disconnect`, for the first time or again."""

    at: float
    connection: str
    event: str
    code: int


@dataclass(frozen=True, slots=True)
class Sample:
    """All connections of the cluster, as a node listed them between `began` and `at`."""

    began: float
    at: float
    connections: frozenset[str]


@dataclass(frozen=True, slots=True)
class NodeLost:
    """A node was killed, or kept from the others until they had to take it for dead; the store was not away."""

    at: float
    node: str


@dataclass(frozen=True, slots=True)
class StoreAway:
    """What the nodes share was out of reach, for all of them or some, or was emptied (`at` = `until`)."""

    at: float
    until: float


Event = (
    Connected
    | Received
    | Closed
    | Asked
    | Answered
    | BackendConnect
    | BackendDisconnect
    | Sample
    | NodeLost
    | StoreAway
)
