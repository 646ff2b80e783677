"""The open connections of the whole cluster, a page at a time."""

from __future__ import annotations

import re

from wsgw.stores import values
from wsgw.stores.base import Page
from wsgw.stores.records import ConnectionRecord
from wsgw.stores.redis.counts import Counts
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.registry_scripts import SCAN

#: Redis looks at so many connections at once, and one page costs at most so many looks, however rare what it wants is.
_COUNT = 500
_LOOKS = 40
_CURSOR = re.compile(r"([0-9a-f]{4})-(\d{1,20})")


class Listing:
    """Pages through the books. A cursor says at which node we are, and where in its hash; any other means the start."""

    def __init__(self, link: Link, keys: Keys, counts: Counts) -> None:
        self._link = link
        self._keys = keys
        self._counts = counts

    async def page(self, cursor: str, limit: int, api_id: str | None, stage: str | None) -> Page:
        read = _CURSOR.fullmatch(cursor)
        first, at = (read[1], read[2]) if read else ("", "0")
        nodes = sorted(name.decode() for name in await self._link.send("HKEYS", self._keys.nodes) if len(name) == 4)
        records: dict[str, ConnectionRecord] = {}
        looks = 0
        for node in nodes:
            if node < first:
                continue
            place = at if node == first else "0"
            while True:
                if len(records) >= limit or looks == _LOOKS:
                    return Page(list(records.values()), f"{node}-{place}")
                looks += 1
                place = await self._look(node, place, min(limit - len(records), _COUNT), records, api_id, stage)
                if place == "0":
                    break
        return Page(list(records.values()), "")

    async def _look(
        self,
        node: str,
        place: str,
        count: int,
        records: dict[str, ConnectionRecord],
        api_id: str | None,
        stage: str | None,
    ) -> str:
        # Filtered, few of many are wanted: a small count would make it many small looks.
        count = count if api_id is None and stage is None else _COUNT
        found = await self._link.run(SCAN, [self._keys.open(node)], [place, max(count, 10), values.MOST_BYTES])
        self._counts.garbage += found[1]
        for at in range(2, len(found), 2):
            record = values.connection(found[at], found[at + 1])
            if record is None:
                self._counts.garbage += 1
            elif api_id in (None, record.api_id) and stage in (None, record.stage):
                records[record.id] = record
        next_place: bytes = found[0]
        return next_place.decode()
