"""Making connections: to a Redis, to the master that Sentinels name, to the masters of a cluster.

A connection is redis-py's: it logs in, selects the database and reads replies. Its own retries and timeouts are off;
whoever uses it sets one deadline around all that it waits for, and throws it away when that has passed.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from redis.asyncio import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AuthenticationError, RedisError

from wsgw.errors import StoreUnavailable
from wsgw.settings import Settings
from wsgw.stores.redis.address import CLUSTER, SENTINEL, SINGLE, Address, Target, parse
from wsgw.stores.redis.names import Names
from wsgw.stores.redis.wording import in_words
from wsgw.waiting import within

OLDEST = (7, 0)

#: How long it may take to connect and log in; and to ask one Sentinel.
CONNECT_SECONDS = 1.0
SENTINEL_SECONDS = 0.4


class Servers(NamedTuple):
    """Connections to the masters. `slots[n]` is who serves slot n; not a cluster: one connection, no slots."""

    connections: dict[Address, Connection]
    slots: list[Address]

    async def close(self) -> None:
        for connection in self.connections.values():
            await connection.disconnect(nowait=True)


class Connector:
    """Makes connections as `settings` say."""

    def __init__(self, settings: Settings) -> None:
        try:
            self.target: Target = parse(settings.redis, settings.redis_password)
        except ValueError as error:
            raise StoreUnavailable(f"redis: {error}") from None
        self._ca = settings.redis_ca
        self._tls: Any = None
        self._known = list(self.target.addresses)
        self._names = Names()
        self.made = 0

    async def servers(self) -> Servers:
        """Connections for commands. Raises RedisError, OSError or StoreUnavailable."""
        if self.target.kind != CLUSTER:
            connection = await self._master()
            return Servers({_address_of(connection): connection}, [])
        slots, found = await self._slots()
        connections = {_address_of(found): found}
        try:
            for address in dict.fromkeys(slots):
                if address not in connections:
                    connections[address] = await self.connect(address, {b"master"})
            if _address_of(found) not in slots:  # a replica answered
                await connections.pop(_address_of(found)).disconnect(nowait=True)
        except BaseException:
            await Servers(connections, slots).close()
            raise
        return Servers(connections, slots)

    async def listener(self, channel: str, sharded: bool) -> Connection:
        """A connection for SUBSCRIBE; on a cluster, to the master of the channel's slot."""
        if self.target.kind != CLUSTER:
            return await self._master()
        slots, found = await self._slots()
        home = slots[key_slot(channel.encode())]
        if not sharded or _address_of(found) == home:
            return found
        await found.disconnect(nowait=True)
        return await self.connect(home, {b"master"})

    async def connect(self, address: Address, roles: set[bytes] | None = None) -> Connection:
        """A connection to one Redis, logged in. `roles`: what it must be, by its own word."""
        connection = self._prepared(address, login=True)
        try:
            self.made += 1
            async with within(CONNECT_SECONDS):
                await self._opened(connection)
                hello = _pairs(await ask(connection, "HELLO", "2"))
            self._check(address, hello, roles)
        except TimeoutError as error:
            await connection.disconnect(nowait=True)
            tls = "does it speak TLS" if self.target.tls else "or does it speak TLS (rediss://)"
            raise StoreUnavailable(f"Redis at {address} does not answer in time: is it running, and {tls}?") from error
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    def _prepared(self, address: Address, login: bool) -> Connection:
        options: dict[str, Any] = {
            "host": address.host,
            "port": address.port,
            "socket_timeout": None,
            "socket_connect_timeout": None,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "driver_info": None,  # else each connection asks for CLIENT SETINFO, which an ACL may refuse
        }
        if login:
            options |= {"username": self.target.user, "password": self.target.password, "db": self.target.db}
        if not self.target.tls:
            return Connection(**options)
        connection = SSLConnection(**options, ssl_ca_certs=self._ca or None, ssl_min_version=ssl.TLSVersion.TLSv1_2)
        # One context for all: reading the authorities takes 20 ms, too long for the loop of a live gateway.
        self._tls = self._tls or connection.ssl_context
        connection.ssl_context = self._tls
        return connection

    async def _opened(self, connection: Connection) -> None:
        await self._names.found(connection.host, connection.port)
        await connection.connect()  # type: ignore[no-untyped-call]

    def _check(self, address: Address, hello: dict[bytes, Any], roles: set[bytes] | None) -> None:
        version = hello.get(b"version", b"?").decode()
        mode = hello.get(b"mode", b"standalone").decode()
        if tuple(map(int, version.split(".")[:2])) < OLDEST:
            raise StoreUnavailable(f"Redis at {address} is version {version}; wsgw needs 7.0 or later, or Valkey")
        expected = CLUSTER if self.target.kind == CLUSTER else "standalone"
        if mode != expected:
            scheme = {SENTINEL: "redis+sentinel://", CLUSTER: "redis+cluster://"}.get(mode, "redis://")
            raise StoreUnavailable(f"what answers at {address} runs as {mode}; write {scheme}… in the setting redis")
        if roles and hello.get(b"role") not in roles:
            raise StoreUnavailable(f"Redis at {address} is a {hello.get(b'role', b'?').decode()}, not the master")

    async def _master(self) -> Connection:
        if self.target.kind == SINGLE:
            return await self.connect(self.target.addresses[0], {b"master"})
        return await self.connect(await self.named_master(), {b"master"})

    async def named_master(self) -> Address:
        """Where the master is, by Sentinel's word. The one that knew is asked first the next time.

        Raises StoreUnavailable.
        """
        problems = []
        for sentinel in list(self._known):
            try:
                found = await self._in_time(sentinel)
            except (RedisError, OSError) as error:
                problems.append(f"{sentinel}: {in_words(error, sentinel)}")
                continue
            if found is None:
                problems.append(f"{sentinel} knows no service {self.target.service!r}")
                continue
            self._known.remove(sentinel)
            self._known.insert(0, sentinel)
            return found
        raise StoreUnavailable(f"no Sentinel names a master of {self.target.service!r}: " + "; ".join(problems))

    async def successor(self, serving: Callable[[Address], bool]) -> Address | None:
        """The master that most Sentinels name now, if it is not one that is `serving`; None, too, where they disagree.

        For some seconds after a failover a Sentinel may still name the master before it, and one that is slow to answer
        lets another speak: the word of one is not enough to leave a Redis that answers. Raises RedisError, OSError or
        StoreUnavailable where the one they name is not a master that can be reached.
        """
        if serving(await self.named_master()):
            return None
        answers = await asyncio.gather(*map(self._in_time, self.target.addresses), return_exceptions=True)
        votes = Counter(answer for answer in answers if isinstance(answer, Address))
        named = next((address for address, count in votes.items() if 2 * count > votes.total()), None)
        if named is None or serving(named):
            return None
        await (await self.connect(named, {b"master"})).disconnect(nowait=True)
        return named

    async def _in_time(self, sentinel: Address) -> Address | None:
        async with within(SENTINEL_SECONDS):
            return await self._ask_sentinel(sentinel)

    async def _ask_sentinel(self, sentinel: Address) -> Address | None:
        command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.target.service)
        connection = self._prepared(sentinel, login=False)
        try:
            await self._opened(connection)
            try:
                found = await ask(connection, *command)
            except AuthenticationError:
                # Most Sentinels have no password; where they do, it is the same as that of Redis.
                await connection.disconnect(nowait=True)
                connection = self._prepared(sentinel, login=True)
                connection.db = 0
                await self._opened(connection)
                found = await ask(connection, *command)
        finally:
            await connection.disconnect(nowait=True)
        return Address(found[0].decode(), int(found[1])) if found else None

    async def _slots(self) -> tuple[list[Address], Connection]:
        """Who serves which slot, as one node of the cluster knows it, and the connection to that node."""
        last: Exception | None = None
        # In any order: one node cut off from the others must not be believed again and again.
        for address in random.sample(self._known, len(self._known)):
            try:
                connection = await self.connect(address)
            except (RedisError, OSError, StoreUnavailable) as error:
                last = error
                continue
            try:
                async with within(CONNECT_SECONDS):
                    slots = _slot_map(await ask(connection, "CLUSTER", "SLOTS"), address)
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
            self._known = list(dict.fromkeys((*slots, *self.target.addresses)))
            return slots, connection
        raise last or StoreUnavailable("no node of the cluster is known")


async def ask(connection: Connection, *command: str | bytes) -> Any:
    """The reply to one command."""
    await connection.send_command(*command)
    return await connection.read_response(disable_decoding=True)


def _address_of(connection: Connection) -> Address:
    return Address(connection.host, connection.port)


def _pairs(reply: list[Any]) -> dict[bytes, Any]:
    return dict(zip(reply[::2], reply[1::2], strict=False))


def _slot_map(reply: list[Any], asked: Address) -> list[Address]:
    """CLUSTER SLOTS as a list: slot → master. Raises StoreUnavailable while some slot has none."""
    slots: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
    for first, last, master, *_ in reply:
        # A node that does not know its own name gives none: it is the one that was asked.
        address = Address((master[0] or b"").decode() or asked.host, master[1])
        slots[first : last + 1] = [address] * (last + 1 - first)
    served = [slot for slot in slots if slot is not None]
    if len(served) < len(slots):
        raise StoreUnavailable(f"the cluster serves {len(served)} of {len(slots)} slots; `redis-cli --cluster check`")
    return served
