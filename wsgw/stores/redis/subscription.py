"""Listening to one channel: subscribed until closed, over a connection of its own, and frank about gaps."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Any

from redis.asyncio import Connection
from redis.exceptions import RedisError

from wsgw.errors import StoreUnavailable
from wsgw.stores.redis.backoff import Backoff
from wsgw.stores.redis.connect import CONNECT_SECONDS, Connector
from wsgw.stores.redis.wording import in_words
from wsgw.waiting import within

log = logging.getLogger("wsgw.redis")


class Subscription:
    """Calls `on_message(data)` for each message, `on_subscribed(first)` after each confirmation of Redis.

    `on_subscribed(False)`: there was a gap, messages may have been lost. Both are called within the reader's task and
    must return soon. Made by `Link.subscribe`.
    """

    def __init__(
        self,
        connector: Connector,
        channel: str,
        on_message: Callable[[bytes], None],
        on_subscribed: Callable[[bool], None],
        sharded: bool,
        backoff: Backoff,
    ) -> None:
        self.on_closed: Callable[[], None] = lambda: None
        self.reason = ""
        self._connector = connector
        self._channel = channel
        self._on_message = on_message
        self._on_subscribed = on_subscribed
        self._sharded = sharded
        self._backoff = backoff
        self._alive = False
        self._was_subscribed = False
        self._reader: asyncio.Task[None] | None = None
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    @property
    def alive(self) -> bool:
        """Redis has confirmed the subscription, and its connection has not ended since as far as we know."""
        return self._alive

    def drop(self) -> None:
        """Give the connection up and subscribe over another: for whoever hears nothing that should be heard."""
        self._alive = False
        if self._reader is not None:
            self._reader.cancel()

    async def close(self) -> None:
        self._alive = False
        self._keeper.cancel()
        await asyncio.wait([self._keeper])
        self.on_closed()

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._reader = loop.create_task(self._read())
            try:
                await asyncio.wait([self._reader])
            finally:
                self._alive = False
                self._reader.cancel()
                await asyncio.wait([self._reader])
            await asyncio.sleep(self._backoff.pause())

    async def _read(self) -> None:
        """Subscribe and read, until something goes wrong."""
        connection: Connection | None = None
        try:
            connection = await self._subscribed()
            while True:
                self._take(await connection.read_response(disable_decoding=True, timeout=math.inf))
        except (RedisError, OSError, StoreUnavailable, _Moved) as error:
            reason = in_words(error, ", ".join(map(str, self._connector.target.addresses)))
            if self._alive or reason != self.reason:
                log.warning("the subscription to %s ended: %s", self._channel, reason)
            self.reason = reason
        finally:
            if connection is not None:
                await connection.disconnect(nowait=True)

    async def _subscribed(self) -> Connection:
        connection = await self._connector.listener(self._channel, self._sharded)
        try:
            async with within(CONNECT_SECONDS):
                await connection.send_command("SSUBSCRIBE" if self._sharded else "SUBSCRIBE", self._channel)
                self._take(await connection.read_response(disable_decoding=True))
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    def _take(self, message: Any) -> None:
        kind = message[0]
        try:
            if kind in (b"message", b"smessage"):
                self._on_message(message[2])
            elif kind in (b"subscribe", b"ssubscribe"):
                first, self._was_subscribed = not self._was_subscribed, True
                self._alive = True
                self._backoff.works()
                self._on_subscribed(first)
        except Exception:
            log.exception("a message on %s could not be taken", self._channel)
        if kind == b"sunsubscribe":
            raise _Moved("its slot has moved to another node of the cluster")


class _Moved(Exception):
    pass
