"""One request on its way through the pool, and what its answer may be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from wsgw.errors import GatewayError
from wsgw.integrations.drive import Parked
from wsgw.integrations.http_stream import AnswerStream
from wsgw.integrations.http_upload import Upload
from wsgw.invocation import Reply

if TYPE_CHECKING:
    from wsgw.integrations.http_connection import Connection


class Bounds(NamedTuple):
    """What an answer may be: bytes of a whole one, bytes of one that is passed on, its seconds of silence."""

    whole: int
    stream: int
    silence: float


class Call:
    """One request on its way: queued while `connection` is None. `future` gets the Reply or a GatewayError.

    `upload` writes the body's rest. `streams`: the answer may be passed on as it comes, and is, once `answer` is there.
    """

    __slots__ = (
        "answer",
        "connection",
        "deadline",
        "future",
        "is_head",
        "payload",
        "repeatable",
        "retried",
        "streams",
        "upload",
    )

    def __init__(
        self,
        payload: bytes,
        is_head: bool,
        repeatable: bool,
        deadline: float,
        future: asyncio.Future[Reply] | Parked[Reply],
        streams: bool = False,
        upload: Upload | None = None,
    ) -> None:
        self.payload = payload
        self.is_head = is_head
        self.repeatable = repeatable
        self.deadline = deadline
        self.future = future
        self.retried = False
        self.connection: Connection | None = None
        self.streams = streams
        self.upload = upload
        self.answer: AnswerStream | None = None

    def fail(self, error: GatewayError) -> None:
        if self.answer is not None:
            self.answer.fail(error)
        elif not self.future.done():
            self.future.set_exception(error)
