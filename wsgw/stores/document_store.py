"""The documents that the settings name, alone: for a command that stores something and ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from wsgw.settings import Settings, without_password
from wsgw.stores.base import Documents


class DocumentStore(NamedTuple):
    """`place` is where the documents are, for messages; `announce` tells nodes of a topic, as `Bus.announce` does."""

    documents: Documents
    place: str
    announce: Callable[[str], Awaitable[None]]


@asynccontextmanager
async def document_store(settings: Settings) -> AsyncIterator[DocumentStore]:
    """What `redis` or, without it, `data` names. Raises StoreUnavailable with what is wrong and the remedy."""
    async with _in_redis(settings) if settings.redis else _in_directory(settings) as store:
        yield store


def would_be_made(settings: Settings) -> bool:
    """Whether `document_store` would make a new, empty store: nobody has stored anything in the directory."""
    from wsgw.stores.sqlite.database import FILE

    return not settings.redis and not (Path(settings.data) / FILE).exists()


def place_of(settings: Settings) -> str:
    """Where documents are stored, as messages say it; "" where nothing is."""
    return without_password(settings.redis) if settings.redis else settings.data


@asynccontextmanager
async def _in_directory(settings: Settings) -> AsyncIterator[DocumentStore]:
    from wsgw.stores.sqlite.database import Database
    from wsgw.stores.sqlite.documents import SqliteDocuments

    async def announce(topic: str) -> None:
        """Nobody listens: who serves from the directory looks at the revision."""

    database = Database(settings.data, serving=False)
    await database.open()
    try:
        yield DocumentStore(SqliteDocuments(database), place_of(settings), announce)
    finally:
        await database.close()


@asynccontextmanager
async def _in_redis(settings: Settings) -> AsyncIterator[DocumentStore]:
    from wsgw.stores.redis.documents import RedisDocuments
    from wsgw.stores.redis.keys import Keys
    from wsgw.stores.redis.link import Link
    from wsgw.stores.redis.wire import Announcement, Wire

    keys = Keys(settings.redis_prefix)
    wire = Wire(settings.cluster_secret)
    link = Link(settings)

    async def announce(topic: str) -> None:
        await link.send("PUBLISH", keys.announcements, wire.write(keys.announcements, Announcement(topic)))

    await link.open()
    try:
        yield DocumentStore(RedisDocuments(link, keys), place_of(settings), announce)
    finally:
        await link.close()
