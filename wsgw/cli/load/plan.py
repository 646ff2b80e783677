"""What one run of the load generator is to do, and the messages that it sends."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import msgspec

Scenario = Literal["connect", "reconnect", "idle", "request-reply", "push", "fan-out", "http"]
Verification = Literal["id", "order"]

# An id names its connection and counts that connection's messages. The offset keeps all ids at 14 digits, so that all
# messages of a run have the same size; JavaScript and JSON parsers with doubles hold them exactly.
IDS_PER_CONNECTION = 1_000_000_000
_FIRST_OWNER = 10_000


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """AWS credentials that sign pushes (SigV4, service execute-api)."""

    access_key: str
    secret_key: str
    session_token: str = ""
    region: str = "us-east-1"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `rate` per second, None for a closed loop; `duration`, `warmup`, `heartbeat` and `grace` in seconds.

    `url` is ws:// or wss:// (http:// or https:// for the scenario http). `in_flight` bounds the handshakes and posts
    that wait for their answer. `first_index` numbers this process's connections among those of all processes. `verify`
    is `id` where replies repeat the message's id, `order` where they can only be counted.
    """

    url: str
    scenario: Scenario
    connections: int = 64
    rate: float | None = None
    duration: float = 10
    warmup: float = 0
    size: int = 111
    in_flight: int = 64
    action: str = "echo"
    verify: Verification = "id"
    headers: tuple[tuple[str, str], ...] = ()
    subprotocols: tuple[str, ...] = ()
    source_addresses: tuple[str, ...] = ()
    push_url: str = ""
    id_message: str = '{"action":"whoami"}'
    token: str = ""
    credentials: Credentials | None = None
    heartbeat: float = 0
    insecure: bool = False
    grace: float = 5
    first_index: int = 0

    def management_base(self) -> str:
        """Where pushes go: `push_url`, else the WebSocket URL itself over HTTP, as API Gateway has it."""
        if self.push_url:
            return self.push_url.rstrip("/")
        parts = urlsplit(self.url)
        return f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}{parts.path.rstrip('/')}"

    def split(self, processes: int) -> list[Plan]:
        """This plan as `processes` plans that together do the same; connections and rate are shared out evenly."""
        plans, first = [], self.first_index
        for number in range(processes):
            share = self.connections // processes + (number < self.connections % processes)
            rate = None if self.rate is None else self.rate * share / self.connections
            posts = max(1, self.in_flight // processes)
            plans.append(
                msgspec.structs.replace(self, connections=share, rate=rate, in_flight=posts, first_index=first)
            )
            first += share
        return [plan for plan in plans if plan.connections]


def message_id(index: int, number: int) -> int:
    """The id of the message `number` of the connection `index`."""
    return (index + _FIRST_OWNER) * IDS_PER_CONNECTION + number


class Messages:
    """Builds the messages of a run: `{"action":…,"id":…,"pad":…}` of `size` bytes, or as few as it takes."""

    def __init__(self, action: str, size: int) -> None:
        head = b'{"action":%b,"id":' % msgspec.json.encode(action) if action else b'{"id":'
        bare = len(head) + len(str(message_id(0, 0))) + len(b',"pad":""}')
        self._form = head.replace(b"%", b"%%") + b'%d,"pad":"' + b"x" * (size - bare) + b'"}'

    def build(self, id: int) -> bytes:
        """The message that carries `id`."""
        return self._form % id
