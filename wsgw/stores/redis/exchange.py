"""One batch of commands and its replies, over one connection, or over those to the masters of a cluster."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

from redis.asyncio import Connection
from redis.exceptions import AskError as Ask
from redis.exceptions import (
    ClusterDownError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from wsgw.errors import StoreUnavailable
from wsgw.stores.redis.address import Address
from wsgw.stores.redis.command import Command, Script
from wsgw.stores.redis.connect import Connector, Servers

#: Replies that mean: not this Redis, or not now. MASTERDOWN is a ClusterDownError to redis-py, LOADING a
#: ConnectionError; redis-py raises that one by itself.
ELSEWHERE = (ReadOnlyError, ClusterDownError, TryAgainError)

#: How often a cluster may send a command on.
TURNS = 5


class Exchange:
    """Sends batches to `servers` and hands out the replies. Errors of Redis are counted in `refused`."""

    def __init__(self, connector: Connector, servers: Servers, refused: Counter[str]) -> None:
        self._connector = connector
        self._servers = servers
        self._refused = refused
        self._seen: dict[Address, set[Script]] = {address: set() for address in servers.connections}

    def serves(self, address: Address) -> bool:
        """One of the connections is to `address`."""
        return address in self._servers.connections

    async def close(self) -> None:
        await self._servers.close()

    async def run(self, batch: list[Command]) -> None:
        """Answer all of `batch`. Raises what makes the connections useless: RedisError, OSError."""
        for _ in range(TURNS):
            groups = self._grouped(batch)
            again: list[Command] = []
            if len(groups) == 1:
                ((address, commands),) = groups.items()
                await self._turn(address, commands, again)
            else:
                try:
                    async with asyncio.TaskGroup() as group:
                        for address, commands in groups.items():
                            group.create_task(self._turn(address, commands, again))
                except BaseExceptionGroup as errors:
                    raise errors.exceptions[0] from None
            if not again:
                return
            batch = again
        for command in batch:
            command.fail(StoreUnavailable("the cluster sends the command round in circles"))

    def _grouped(self, batch: list[Command]) -> dict[Address, list[Command]]:
        slots = self._servers.slots
        if not slots:
            return {next(iter(self._servers.connections)): batch}
        groups: dict[Address, list[Command]] = {}
        for command in batch:
            address = Address(*command.asking) if command.asking else slots[command.slot]
            groups.setdefault(address, []).append(command)
        return groups

    async def _turn(self, address: Address, commands: list[Command], again: list[Command]) -> None:
        """Send `commands` to one server and read as many replies; those to be sent once more go to `again`."""
        connection = await self._connection(address)
        seen = self._seen[address]
        for command in commands:
            if command.script is not None and command.script not in seen:
                # Not EVALSHA and then, refused, EVAL: that would let later commands of the batch overtake this one.
                command.whole = True
                seen.add(command.script)
        await connection.send_packed_command([command.wire() for command in commands], check_health=False)
        for command in commands:
            if command.asking:
                await _reply(connection)  # refused or not: the command's own reply tells
                command.asking = None
            reply = await _reply(connection)
            if isinstance(reply, ResponseError):
                self._failed(address, command, reply, again)
            else:
                command.answer(reply)

    async def _connection(self, address: Address) -> Connection:
        connection = self._servers.connections.get(address)
        if connection is None:
            connection = await self._connector.connect(address)
            self._servers.connections[address] = connection
            self._seen[address] = set()
        if not connection.is_connected:
            raise RedisConnectionError("connection closed")  # redis-py would connect again, to who knows what
        return connection

    def _failed(self, address: Address, command: Command, error: ResponseError, again: list[Command]) -> None:
        if isinstance(error, ELSEWHERE):
            raise error
        if isinstance(error, NoScriptError) and not command.whole:
            command.whole = True  # somebody emptied Redis's store of scripts
            again.append(command)
        elif isinstance(error, Ask) and self._servers.slots:
            home = Address(error.host or address.host, error.port)
            if isinstance(error, MovedError):
                self._servers.slots[error.slot_id] = home
            else:
                command.asking = home
            command.whole = command.script is not None
            again.append(command)
        else:
            text = str(error)
            code = getattr(error, "status_code", None)  # redis-py takes those that it knows off the text
            word, text = (code, f"{code} {text}") if code else (text.partition(" ")[0], text)
            self._refused[word if re.fullmatch(r"[A-Z]{2,20}", word) else "ERR"] += 1
            refusal = StoreUnavailable(f"Redis refuses: {text}")
            refusal.__cause__ = error
            command.fail(refusal)


async def _reply(connection: Connection) -> Any:
    """The next reply; an error of Redis is one too."""
    try:
        return await connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error
