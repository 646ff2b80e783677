"""The bus over Redis's publish and subscribe: one channel for each node, and one for what all are told.

Redis forgets a message that nobody hears, and does not say when a connection ended with messages on their way. So each
question has an answer and a deadline; a publish that reaches nobody ends its questions at once; and when this node's
own subscription was interrupted all its questions end, for their answers may have been lost.

What a node carries out is never older than its asker's patience: a question is left alone if this node's own heartbeats
do not prove that it was published recently enough, such as those found in the socket after the process stood still.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from functools import partial

from wsgw.settings import Settings
from wsgw.stores.base import Answer, Question
from wsgw.stores.redis.absent import Absent
from wsgw.stores.redis.announcements import Announcements
from wsgw.stores.redis.complaints import Complaints
from wsgw.stores.redis.ear import Ear
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.outbox import Outbox, Parcel
from wsgw.stores.redis.pending import Pending, refuse
from wsgw.stores.redis.wire import MOST_BYTES, Batch, Forged, Senders, Unreadable, Wire

_VERBS = frozenset(("POST", "GET", "DELETE"))
#: What else stands in a message with a single question.
_FRAME = 4096


class RedisBus:
    """A `stores.base.Bus` of the node that `node()` names. Its owner calls `tick` some times a second.

    Counters, of this process: questions `asked`, `answered` (by others to us), `expired` (no answer in time),
    `unreachable` (nobody listened); `executed` and `stale` (by us for others; too old, out of order or said twice);
    `late` answers to nobody; `gaps` in what was heard; messages that were `garbage` or `forged`; `failed` handlers.
    """

    def __init__(
        self,
        link: Link,
        keys: Keys,
        settings: Settings,
        node: Callable[[], str],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.on_question: Callable[[Question, Callable[[Answer], None]], None] = lambda question, answer: None
        self.on_announcement: Callable[[str], None] = lambda topic: None
        self.asked = self.answered = self.expired = self.unreachable = self.executed = self.stale = self.late = 0
        self.gaps = self.garbage = self.forged = self.failed = 0
        self._link = link
        self._keys = keys
        self._node = node
        self._now = now
        self._seconds = settings.bus_seconds
        self._redis_seconds = settings.redis_seconds
        self._every = settings.bus_heartbeat_seconds
        self._wire = Wire(settings.cluster_secret)
        self._senders = Senders()
        self._nonce = secrets.randbits(62)
        self._sequence = 0
        self._complaints = Complaints(now)
        self._outbox = Outbox(self._send)
        self._pending = Pending(self._outbox.ask)
        self._absent = Absent(link, keys, settings.lease_seconds, now)
        self._announcements = Announcements(link, keys, self._wire, self._told, self._refused, self._every, now)
        self._name = ""
        self._own = self._new_ear()

    # ---- life

    async def open(self) -> None:
        """Listen. Raises StoreUnavailable."""
        self._absent.doubt()
        self._link.on_away.append(self._away)
        self._link.on_back.append(self._absent.doubt)
        try:
            await self._announcements.open()
            await self._listen()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop listening; what is pending fails. Again is nothing."""
        if self._away in self._link.on_away:
            self._link.on_away.remove(self._away)
            self._link.on_back.remove(self._absent.doubt)
        self._fail_all("the bus is closed")
        await self._own.close()
        await self._announcements.close()

    async def move(self) -> None:
        """`node()` gives another name now: listen there, and no longer under the old one.

        Raises StoreUnavailable: call it again, until then nothing is heard.
        """
        self._fail_all("this node has got another name")
        await self._own.close()
        await self._listen()

    def tick(self) -> None:
        """End what has waited too long, beat, notice silence. To be called some times a second."""
        now = self._now()
        self.expired += self._pending.expire(now)
        self._own.tick(now)
        self._announcements.tick(now)
        if self._pending and now >= self._pending.first_until - self._seconds + self._redis_seconds:
            # What was asked was published, but no answer comes. Is Redis still there? A command finds out.
            self._own.beat(now, self._redis_seconds)
        if self._pending and not self._own.hears:
            self._fail_all("the bus is not heard")

    @property
    def hears(self) -> bool:
        """Questions, answers and announcements reach this node."""
        return self._own.hears and self._announcements.hears

    def doubt(self) -> None:
        """Redis was found emptied: that it knows nothing of a node proves nothing for the next `lease_seconds`."""
        self._absent.doubt()

    # ---- asking

    def ask(self, node: str, question: Question) -> asyncio.Future[Answer]:
        """See `Bus.ask`. The deadline is that of the next `tick` after `bus_seconds`."""
        self.asked += 1
        refusal = self._refusal()
        if refusal or len(question.data) > MOST_BYTES - _FRAME:
            answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            if refusal:
                refuse(answer, refusal)
            else:
                answer.set_result(Answer(413))
            return answer
        return self._pending.ask(node, question, self._now() + self._seconds)

    def announce(self, topic: str) -> None:
        self._announcements.announce(topic)

    def _refusal(self) -> str:
        """Why nothing can be asked now, if so."""
        if self._link.away:
            return "Redis is away"
        if not self._own.hears:
            return "the bus is not heard"
        if self._pending.full:
            return "too many questions are waiting"
        return ""

    def _send(self, node: str, parcel: Parcel) -> None:
        self._sequence += 1
        now = self._now()
        seconds = self._seconds
        if parcel.questions:
            # The first has waited longest: here, if its node had been asked too much already.
            seconds = self._pending.until(parcel.questions[0][0], now) - now
        batch = Batch(self._name, self._nonce, self._sequence, now, seconds, parcel.questions, parcel.answers)
        channel = self._keys.channel(node)
        sent = self._link.publish(channel, self._wire.write(channel, batch))
        sent.add_done_callback(partial(self._sent, node, parcel))

    def _sent(self, node: str, parcel: Parcel, listeners: asyncio.Future[int]) -> None:
        if listeners.cancelled() or (error := listeners.exception()) is not None:
            reason = "Redis is away" if listeners.cancelled() else str(error)
            for number, _ in parcel.questions:
                self._pending.fail(number, reason)
        elif listeners.result() == 0 and parcel.questions:
            self.unreachable += len(parcel.questions)
            ids = {question.connection_id for _, question in parcel.questions}
            self._absent.find(node, list(ids), partial(self._not_heard, node, parcel))

    def _not_heard(self, node: str, parcel: Parcel, gone: set[str]) -> None:
        for number, question in parcel.questions:
            if question.connection_id in gone:
                self._pending.answer(number, Answer(410))
            else:
                self._pending.fail(number, f"node {node} does not listen")

    def _fail_all(self, reason: str) -> None:
        self._outbox.forget_questions()
        self._pending.fail_all(reason)

    def _away(self, reason: str) -> None:
        self._fail_all("Redis is away")

    # ---- hearing

    async def _listen(self) -> None:
        self._name = self._node()
        self._own = self._new_ear()
        await self._own.open()

    def _new_ear(self) -> Ear:
        channel = self._keys.channel(self._name)
        self._proof = self._now()
        return Ear(
            self._link, channel, partial(self._heard, channel), self._lost, self._beat, every=self._every, now=self._now
        )

    def _beat(self) -> None:
        self._send(self._name, Parcel())

    def _lost(self) -> None:
        self.gaps += 1
        self._absent.doubt()
        # What is published from here on comes over the new subscription.
        self._proof = self._now()
        self._fail_all("the bus was interrupted")

    def _heard(self, channel: str, data: bytes) -> None:
        try:
            batch = self._wire.read_batch(channel, data)
        except (Unreadable, Forged) as error:
            self._refused(error)
            return
        if not self._senders.is_new(batch.nonce, batch.sequence):
            self.stale += len(batch.questions)
            return
        now = self._now()
        if batch.nonce == self._nonce:
            self._proof = batch.sent
        for number, answer in batch.answers:
            if self._pending.answer(number, answer):
                self.answered += 1
            else:
                self.late += 1
        # Whatever arrives was published after the last heartbeat that arrived.
        if now - self._proof > max(batch.seconds, 2 * self._every):
            self.stale += len(batch.questions)
            return
        for number, question in batch.questions:
            self._carry_out(batch.sender, number, question)

    def _carry_out(self, asker: str, number: int, question: Question) -> None:
        if question.verb not in _VERBS:
            self.garbage += 1
            self._complaints.log("verb", "a question on the bus has an unknown verb")
            return
        self.executed += 1
        try:
            self.on_question(question, partial(self._outbox.answer, asker, number))
        except Exception:
            self.failed += 1
            self._complaints.log("failed", "a question over the bus failed", with_traceback=True)

    def _refused(self, error: Exception) -> None:
        if isinstance(error, Forged):
            self.forged += 1
            self._complaints.log("forged", "a message on the bus is not signed with this cluster's secret")
        else:
            self.garbage += 1
            self._complaints.log("garbage", f"a message on the bus cannot be read: {error}")

    def _told(self, topic: str) -> None:
        if not topic:
            self.gaps += 1
        try:
            self.on_announcement(topic)
        except Exception:
            self.failed += 1
            self._complaints.log("announcement", "an announcement could not be followed", with_traceback=True)
