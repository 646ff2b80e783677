"""Answers of HTTP APIs: what is kept of a backend's, and what its mapping makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.mapping.request_samples import request
from wsgw.errors import ApiConfigurationError
from wsgw.header_fields import SharedHeaders
from wsgw.invocation import Reply
from wsgw.mapping.http_parameters import compile_response_mappings
from wsgw.pipeline.http_answer import kept_headers, map_answer

OF_ONE_HOP = ("Connection", "keep-alive", "Proxy-Authenticate", "TE", "Trailer", "Transfer-Encoding", "UPGRADE")


class Body:
    """A body that is still coming."""

    length = None
    cancelled = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"more"

    def cancel(self) -> None:
        self.cancelled = True


@pytest.mark.parametrize(
    "name",
    [*OF_ONE_HOP, "Content-Length", "Date", "apigw-requestid"],
)
def test_what_belongs_to_one_hop_or_is_ours_is_left_out(name: str):
    assert kept_headers([("A", "1"), (name, "x"), ("a", "2")]) == [("A", "1"), ("a", "2")]


def test_what_connection_names_is_left_out_too():
    headers = [("X-Hop", "1"), ("Connection", "close, x-hop"), ("Set-Cookie", "a"), ("Set-Cookie", "b")]
    assert kept_headers(headers) == [("Set-Cookie", "a"), ("Set-Cookie", "b")]
    assert kept_headers([("close", "kept"), ("connection", "close")]) == [("close", "kept")]


def test_headers_that_come_again_are_looked_at_once():
    shared = SharedHeaders([("A", "1"), ("Date", "x")])
    assert list(kept_headers(shared)) == [("A", "1")]
    assert kept_headers(shared) is kept_headers(shared)


async def test_a_status_without_an_entry_is_untouched():
    step = map_answer(compile_response_mappings({"404": {"overwrite:statuscode": "200"}}))
    invocation = request()
    invocation.reply = Reply(500, b"x", [("A", "1")])
    await step(invocation)
    assert (invocation.reply.status, invocation.reply.headers) == (500, [("A", "1")])


async def test_a_body_that_is_still_coming_passes_a_mapping_that_does_not_read_it():
    step = map_answer(compile_response_mappings({"200": {"append:header.a": "1"}}))
    invocation = request()
    body = Body()
    invocation.reply = Reply(200, b"first", [], body)
    await step(invocation)
    assert (invocation.reply.stream, invocation.reply.headers) == (body, [("a", "1")])
    assert not body.cancelled


async def test_a_body_that_nobody_will_read_is_let_go():
    step = map_answer(compile_response_mappings({"200": {"overwrite:statuscode": "$response.header.status"}}))
    invocation = request()
    body = Body()
    invocation.reply = Reply(200, b"", [("status", "none")], body)
    with pytest.raises(ApiConfigurationError):
        await step(invocation)
    assert body.cancelled
