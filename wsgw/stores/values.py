"""Records as stores hold them: MessagePack arrays, and what to do with values that are none.

A store may hold what an older, newer or hostile program wrote. A value that does not decode is garbage: skipped and
counted by whoever reads it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from wsgw.stores.records import ConnectionRecord, Departure

#: Larger values are neither written nor read: a registry full of them would hold up everybody.
MOST_BYTES = 262_144

_encoder = msgspec.msgpack.Encoder()
_connections = msgspec.msgpack.Decoder(ConnectionRecord)
_departures = msgspec.msgpack.Decoder(Departure)


def encoded(value: ConnectionRecord | Departure) -> bytes:
    """`value` in at most MOST_BYTES; one that is too large goes without its principal."""
    try:
        data = _encoder.encode(value)
    except UnicodeEncodeError:
        # Header values may carry bytes that are no UTF-8, as lone surrogates.
        data = _encoder.encode(_printable(msgspec.to_builtins(value)))
    if len(data) <= MOST_BYTES:
        return data
    if isinstance(value, Departure):
        return encoded(msgspec.structs.replace(value, connection=_shortened(value.connection), reason=""))
    return encoded(_shortened(value))


def connection(id: bytes, data: bytes) -> ConnectionRecord | None:
    """The open connection that the field `id` describes; None if it is garbage."""
    try:
        record = _connections.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return record if record.id.encode() == id else None


def departure(id: bytes, data: bytes) -> Departure | None:
    """The departure that the field `id` describes; None if it is garbage."""
    try:
        owed = _departures.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return owed if owed.connection.id.encode() == id else None


def _shortened(record: ConnectionRecord) -> ConnectionRecord:
    return msgspec.structs.replace(record, principal=None, user_agent=(record.user_agent or "")[:1024])


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_printable(part) for part in value]
    if isinstance(value, dict):
        return {_printable(name): _printable(part) for name, part in value.items()}
    return value
