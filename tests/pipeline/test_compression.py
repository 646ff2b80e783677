"""Content codings in both directions: each row of the table, and bodies that mean harm. Source: developer guide."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.http_api import Pieces
from tests.mapping.request_samples import request
from wsgw.errors import BadRequest, RequestTooLarge, UnsupportedMediaType
from wsgw.invocation import Reply
from wsgw.pipeline.compression import compressor, decode_body, decoded, encoded, preferred_coding

MOST = 10_000
BODY = b'{"pet": "cat"}' * 20
BARE = zlib.compress(BODY)[2:-4]


async def received(body, *codings, most=MOST):
    invocation = request("POST", headers=[("Content-Encoding", coding) for coding in codings], body=body)
    await decode_body(most)(invocation)
    return invocation.body


@pytest.mark.parametrize(
    ("codings", "body"),
    [
        ((), BODY),
        (("identity",), BODY),
        (("gzip",), gzip.compress(BODY)),
        (("GZIP",), gzip.compress(BODY)),
        (("x-gzip",), gzip.compress(BODY)),
        (("gzip",), gzip.compress(BODY[:7]) + gzip.compress(BODY[7:])),
        (("deflate",), zlib.compress(BODY)),
        (("deflate",), BARE),
        (("deflate, gzip",), gzip.compress(zlib.compress(BODY))),
        (("deflate", "gzip"), gzip.compress(zlib.compress(BODY))),
    ],
    # Not the bytes: gzip writes the time into them, and test processes must agree on names.
    ids=["none", "identity", "gzip", "capitals", "x-gzip", "members", "deflate", "bare", "one-header", "two-headers"],
)
async def test_a_body_is_decoded_as_content_encoding_says(codings, body):
    assert await received(body, *codings) == BODY


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, br", "gzip, gzip, gzip"])
async def test_another_coding_is_an_unsupported_media_type(coding):
    with pytest.raises(UnsupportedMediaType):
        await received(BODY, coding)


@pytest.mark.parametrize(
    "body",
    [b"no gzip", gzip.compress(BODY)[:-9], gzip.compress(BODY) + b"tail", gzip.compress(b"") * 65],
    ids=["other bytes", "cut short", "more behind", "too many members"],
)
async def test_a_body_that_is_not_in_its_coding_is_a_bad_request(body):
    with pytest.raises(BadRequest):
        await received(body, "gzip")


@pytest.mark.parametrize(
    ("coding", "bomb"),
    [
        ("gzip", gzip.compress(b"\0" * 50_000_000)),
        ("gzip", gzip.compress(b"\0" * 9_000) * 3),
        ("deflate", zlib.compress(b"\0" * 50_000_000)),
        ("gzip, gzip", gzip.compress(gzip.compress(b"\0" * 50_000_000))),
    ],
    ids=["one member", "many members", "deflate", "twice"],
)
async def test_what_comes_out_of_a_body_is_bounded(coding, bomb):
    """S-24"""
    with pytest.raises(RequestTooLarge):
        await received(bomb, coding)


async def test_a_body_of_exactly_the_most_bytes_passes():
    assert len(await received(gzip.compress(b"x" * MOST), "gzip")) == MOST


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("deflate, gzip", "gzip"),
        ("gzip;q=0.5, deflate;q=0.8", "deflate"),
        ("GZIP; Q=1.0", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0, deflate", "deflate"),
        ("gzip;q=x", None),
        ("*", None),
        ("br", None),
        ("identity", None),
        ("", None),
    ],
)
def test_the_clients_order_picks_the_coding(accepted, coding):
    assert preferred_coding(accepted) == coding


def settled(minimum, accepted, reply):
    return compressor(minimum)(reply, request(headers=[("Accept-Encoding", accepted)] if accepted else []))


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_an_answer_is_compressed(coding):
    reply = settled(0, coding, Reply(200, BODY, [("X-A", "1")]))
    assert reply.headers == [("X-A", "1"), ("Vary", "Accept-Encoding"), ("Content-Encoding", coding)]
    assert decoded(reply.body, coding, MOST) == BODY


class Endless:
    length = None

    def __aiter__(self):
        raise AssertionError("nobody reads it here")

    def cancel(self) -> None: ...


@pytest.mark.parametrize(
    ("minimum", "accepted", "reply"),
    [
        (len(BODY) + 1, "gzip", Reply(200, BODY)),
        (0, "gzip", Reply(200, b"")),
        (0, "gzip", Reply(204, b"")),
        (0, "gzip", Reply(206, BODY, [("Content-Range", "bytes 0-9/99")])),
        (0, "gzip", Reply(200, BODY, [("content-encoding", "br")])),
        (0, "gzip", Reply(200, BODY, stream=Endless())),
        (0, "gzip", Reply(200, BODY, [("Cache-Control", "public, No-Transform")])),
    ],
    ids=[
        "below the minimum",
        "empty",
        "no content",
        "a part of the whole",
        "encoded already",
        "unknown length",
        "not to be transformed",
    ],
)
def test_an_answer_is_left_as_it_is(minimum, accepted, reply):
    assert settled(minimum, accepted, reply) is reply


@pytest.mark.parametrize("accepted", ["*", ""])
def test_a_client_that_takes_no_coding_gets_the_body_and_caches_are_told(accepted):
    reply = settled(0, accepted, Reply(200, BODY))
    assert (reply.body, reply.headers) == (BODY, [("Vary", "Accept-Encoding")])


def test_caches_are_not_told_twice():
    reply = settled(0, "gzip", Reply(200, BODY, [("vary", "Origin, Accept-Encoding")]))
    assert reply.headers == [("vary", "Origin, Accept-Encoding"), ("Content-Encoding", "gzip")]


@pytest.mark.parametrize(("tag", "told"), [('"abc"', 'W/"abc"'), ('W/"abc"', 'W/"abc"')])
def test_an_etag_of_other_bytes_is_a_weak_one(tag, told):
    """RFC 9110 section 8.8.3.3"""
    assert settled(0, "gzip", Reply(200, BODY, [("ETag", tag)])).header("etag") == told
    assert settled(0, "br", Reply(200, BODY, [("ETag", tag)])).header("etag") == tag


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_stream_of_known_length_is_compressed_as_it_comes(coding):
    stream = Pieces(BODY, BODY, length=3 * len(BODY))
    reply = settled(0, coding, Reply(200, BODY, stream=stream))
    assert (reply.body, reply.stream.length) == (b"", None)
    assert decoded(b"".join([piece async for piece in reply.stream]), coding, MOST) == 3 * BODY
    reply.stream.cancel()
    assert stream.cancelled


def test_an_answer_of_the_minimum_is_compressed():
    assert settled(len(BODY), "gzip", Reply(200, BODY)).header("content-encoding") == "gzip"


@given(st.binary(max_size=2_000), st.sampled_from(["gzip", "deflate"]))
def test_what_is_encoded_can_be_decoded(body, coding):
    assert decoded(encoded(body, coding), coding, 2_000) == body


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate"]))
def test_no_body_breaks_the_decoding(body, coding):
    try:
        assert len(decoded(body, coding, 100)) <= 100
    except (BadRequest, RequestTooLarge):
        pass
