"""How long a connection lives: who says nothing, reads nothing or does not answer is asked, or closed.

One look at a connection gives the time of the next; the node's sweep does what is due.
"""

from __future__ import annotations

from wsgw.definitions.api import StageLimits
from wsgw.edge.connection import Connection
from wsgw.edge.frames import ABNORMAL, GOING_AWAY, TRY_AGAIN_LATER
from wsgw.edge.refreshes import expiry_due
from wsgw.observe.metrics import count

_NO_STAGE = StageLimits()


def due(connection: Connection, now: float) -> float:
    """Do what is due for `connection` at `now` (seconds of the node's clock); gives the next time to look."""
    settings = connection.node.settings
    if connection.close_code:
        end = connection.closing_since + settings.close_seconds
        if now >= end and connection.transport is not None:
            connection.transport.abort()
        return end if now < end else now + settings.close_seconds
    deadlines = []
    if connection.stalled_since:
        deadlines.append(connection.stalled_since + settings.stall_seconds)
        if now >= deadlines[-1]:
            count("slow_client_closed")
            connection.close(TRY_AGAIN_LATER, "Client reads too slowly")
            return now + settings.close_seconds
    if connection.partial_since:
        if connection.inbox:
            # Reading may be paused until earlier messages are answered: the time is ours, not the client's.
            connection.partial_since = now
        deadlines.append(connection.partial_since + settings.body_seconds)
        if now >= deadlines[-1]:
            connection.fail(GOING_AWAY, "Message not completed in time")
            return now + settings.close_seconds
    return min((*deadlines, *_of_its_stage(connection, now), now + 3600))


def _of_its_stage(connection: Connection, now: float) -> list[float]:
    """Idle time, duration, token and heartbeat; closes or pings where one has passed."""
    live = connection.slot.live
    # Where the stage is gone, API Gateway's own limits: its connections must not stay for ever.
    limits = _NO_STAGE if live is None else live.limits
    deadlines = []
    if limits.idle_seconds:
        deadlines.append(connection.last_active + limits.idle_seconds)
    if limits.duration_seconds:
        deadlines.append(connection.opened_at + limits.duration_seconds)
    if any(now >= deadline for deadline in deadlines):
        connection.close(GOING_AWAY, "Going away")
        return [now + connection.node.settings.close_seconds]
    if live is not None and live.token_expiry != "IGNORE":
        deadlines.append(expiry_due(connection, live, now))
    if live is not None and live.heartbeat and not connection.close_code:
        deadlines.append(_heartbeat(connection, now, live.heartbeat))
    return deadlines


def _heartbeat(connection: Connection, now: float, every: float) -> float:
    timeout = connection.node.settings.heartbeat_timeout_seconds
    if connection.inbox:
        # We are the ones who do not listen: reading may be paused until earlier messages are answered.
        connection.awaiting_pong = 0.0
        return now + every
    if connection.awaiting_pong and connection.heard_at > connection.awaiting_pong:
        connection.awaiting_pong = 0.0
    if connection.awaiting_pong:
        if now >= connection.awaiting_pong + timeout:
            connection.abort(ABNORMAL, "No answer to ping")
        # Looked at before, too: once the client has answered, the time to its next ping runs.
        return min(connection.awaiting_pong + timeout, now + every)
    if now >= connection.heard_at + every:
        connection.awaiting_pong = now
        connection.ping()
        return now + min(timeout, every)
    return connection.heard_at + every
