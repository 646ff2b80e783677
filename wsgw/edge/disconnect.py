"""`$disconnect`: one attempt to tell its route that a connection has ended. When, and how often, departures.py says."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from wsgw import ids
from wsgw.caller import ConnectionFacts
from wsgw.edge.node import Node
from wsgw.edge.reports import Reports, measure
from wsgw.errors import ApiConfigurationError, GatewayError
from wsgw.invocation import Invocation
from wsgw.live.route_table import LiveSocketStage


class Outcome(Enum):
    """What became of one delivery."""

    TAKEN = 1
    #: The backend could not be asked, or failed: it may take it later.
    FAILED = 2
    #: It would fail in the same way for ever.
    HOPELESS = 3


class Ending(NamedTuple):
    """How a connection ended: what its `$disconnect` says, and since when it is owed (epoch ms)."""

    code: int
    reason: str
    ended_at: int


class Disconnects:
    """Runs `$disconnect` routes for a node."""

    def __init__(self, node: Node, reports: Reports) -> None:
        self._node = node
        self._reports = reports

    async def tell(self, connection: ConnectionFacts, live: LiveSocketStage, ending: Ending) -> Outcome:
        """Run the `$disconnect` route for `connection`, which has ended: one attempt. Raises nothing of its own."""
        invocation = Invocation(live, "DISCONNECT", "$disconnect", connection, ids.request_id(), self._node.wall_ms())
        invocation.disconnect_code = ending.code
        invocation.disconnect_reason = ending.reason
        invocation.headers = (
            ("Host", connection.domain_name),
            ("x-api-key", ""),
            ("X-Forwarded-For", ""),
            ("x-restapi", ""),
        )
        outcome = Outcome.TAKEN
        route = live.disconnect
        if route is not None:
            try:
                await route.run(invocation)
            except GatewayError as error:
                # What is wrong with the definition, rather than with a backend, time alone does not put right.
                hopeless = error.status < 500 or isinstance(error, ApiConfigurationError)
                outcome = Outcome.HOPELESS if hopeless else Outcome.FAILED
                invocation.status = error.status
                self._reports.failed(invocation, error, route.metrics)
            else:
                measure(invocation, route.metrics)
                # A backend that is overloaded, or fails, has not taken it; what it refuses, it would refuse again.
                if invocation.integration_status >= 500 or invocation.integration_status == 429:
                    outcome = Outcome.FAILED
        self._reports.log(invocation)
        return outcome
