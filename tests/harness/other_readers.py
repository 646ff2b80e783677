"""What others read in the bytes that a backend gets: llhttp, which is Node's, and aiohttp's parser."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import httptools
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser


class Read(NamedTuple):
    """One request, as a reader takes it."""

    method: str
    target: str
    body: bytes


class _Collected:
    """llhttp's callbacks."""

    def __init__(self) -> None:
        self.requests: list[Read] = []
        self._target = self._body = b""
        self.parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        self._target = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self.requests.append(Read(self.parser.get_method().decode(), self._target.decode("latin-1"), self._body))


def read_by_llhttp(data: bytes) -> list[Read]:
    """Raises httptools.HttpParserError for what it does not take."""
    collected = _Collected()
    collected.parser.feed_data(data)
    return collected.requests


async def read_by_aiohttp(data: bytes) -> list[Read]:
    """Raises aiohttp's BadHttpMessage for what it does not take."""
    loop = asyncio.get_running_loop()
    parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16)
    messages, _, tail = parser.feed_data(data)
    assert not tail
    return [Read(message.method, message.path, await payload.read()) for message, payload in messages]
