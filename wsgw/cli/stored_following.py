"""What `wsgw import` has stored, for a gateway that serves it: read at the start, and again whenever it changes."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable

from wsgw.cli.stored_definitions import TOPIC, StoredDefinitions
from wsgw.errors import StoreUnavailable
from wsgw.formats.parse import Parsed
from wsgw.settings import Settings
from wsgw.stores.base import Documents
from wsgw.stores.document_store import document_store, place_of
from wsgw.waiting import set_within

log = logging.getLogger("wsgw")

#: How often the revision is looked at, seconds: an announcement may be lost, and a data directory has none.
_EVERY = 2.0


class Stored:
    """What is stored where `settings` say, as it was read last in `parsed`; empty where they name no store."""

    def __init__(self, settings: Settings) -> None:
        self.parsed = Parsed()
        self._settings = settings
        self._definitions: StoredDefinitions | None = None
        self._hint = asyncio.Event()
        self._told = False

    async def begin(self) -> None:
        """Read it for the first time, over a connection of its own. Raises StoreUnavailable."""
        if place_of(self._settings):
            async with document_store(self._settings) as store:
                self._definitions = StoredDefinitions(store.documents, store.place)
                self.parsed = await self._definitions.read(os.environ)

    def announced(self, topic: str) -> None:
        """A node has said that `topic` changed; "": something may have been missed."""
        if topic in ("", TOPIC):
            self._told |= topic == TOPIC
            self._hint.set()

    async def follow(self, documents: Documents, changed: Callable[[], object]) -> None:
        """Call `changed` each time that `parsed` is another; `documents` is the gateway's own store."""
        if self._definitions is None:
            return
        self._definitions.documents = documents
        unread = ""
        while True:
            await set_within(self._hint, _EVERY)
            told, self._told = self._told, False
            try:
                another = await self._definitions.changed(told)
                if another:
                    before, self.parsed = self.parsed, await self._definitions.read(os.environ)
                    # What else is stored counts the revision up, too, such as what is revoked.
                    another = self.parsed != before
                unread = ""
            except StoreUnavailable as error:
                # What is served stays. Why is said once, not every two seconds.
                if str(error) != unread:
                    log.warning("what is stored cannot be read: %s", error)
                unread = str(error)
                self._told |= told
                continue
            except Exception:
                log.exception("what is stored could not be read")
                continue
            if another:
                changed()
