"""What all nodes are told: one plain channel, also on a Redis Cluster, whose nodes pass it on to each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from wsgw.stores.redis.ear import Ear
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.wire import Announcement, Forged, Unreadable, Wire


class Announcements:
    """`on_topic(topic)` is called with each, and with "" when some may have been missed; it must not raise.

    on_refused(error): called for each message that cannot be used
    """

    def __init__(
        self,
        link: Link,
        keys: Keys,
        wire: Wire,
        on_topic: Callable[[str], None],
        on_refused: Callable[[Exception], None],
        every: float,
        now: Callable[[], float],
    ) -> None:
        self._link = link
        self._channel = keys.announcements
        self._wire = wire
        self._on_topic = on_topic
        self._on_refused = on_refused
        say = partial(self._send, Announcement(None))
        self._ear = Ear(link, self._channel, self._heard, partial(on_topic, ""), say, every=every, now=now, shared=True)
        self.open = self._ear.open
        self.close = self._ear.close
        self.tick = self._ear.tick

    @property
    def hears(self) -> bool:
        return self._ear.hears

    def announce(self, topic: str) -> None:
        """Tell all nodes, this one included."""
        self._send(Announcement(topic))

    def _send(self, announcement: Announcement) -> None:
        # Not through `publish`, which on a Redis Cluster keeps to one shard: this is for subscribers on any.
        self._link.send("PUBLISH", self._channel, self._wire.write(self._channel, announcement))

    def _heard(self, data: bytes) -> None:
        if not data:
            # A Link that opens says nothing, to see whether it may.
            return
        try:
            announcement = self._wire.read_announcement(self._channel, data)
        except (Unreadable, Forged) as error:
            self._on_refused(error)
            return
        if announcement.topic is not None:
            self._on_topic(announcement.topic)
