"""Messages that are JSON at its limits, or none: routed or refused in bounded time, and the connection stays.

Check S-28. What the gateway cannot read as JSON takes `$default`, as any other text does. Source: AWS WebSocket
developer guide, "Routes": a message that is not JSON goes to `$default`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, api, http, mock, route
from tests.harness.pace import SLOWER
from tests.harness.raw_websocket import CLOSE, TEXT, RawWebSocket
from wsgw.definitions.model import Model
from wsgw.definitions.route import Integration, IntegrationResponse

pytestmark = pytest.mark.asyncio(loop_scope="module")


def deep(levels: int, inside: bytes = b"") -> bytes:
    return b"[" * levels + inside + b"]" * levels


SEND, DEFAULT = "send", "$default"
MESSAGES: list[tuple[str, bytes, str]] = [
    ("plain", b'{"action":"send"}', SEND),
    ("empty", b"", DEFAULT),
    ("blanks", b" \r\n\t ", DEFAULT),
    ("blanks-around", b' \r\n{"action":"send"}\t ', SEND),
    ("depth-60000", deep(60_000), DEFAULT),
    ("depth-60000-of-objects", b'{"a":' * 20_000 + b"1" + b"}" * 20_000, DEFAULT),
    ("depth-60000-behind-the-action", b'{"action":"send","x":' + deep(60_000) + b"}", DEFAULT),
    ("depth-60000-without-end", b"[" * 120_000, DEFAULT),
    ("depth-1000-behind-the-action", b'{"action":"send","x":' + deep(1000) + b"}", SEND),
    ("depth-1000-in-the-action", b'{"action":' + deep(1000) + b"}", DEFAULT),
    ("depth-100-in-the-action", b'{"action":' + deep(100) + b"}", DEFAULT),
    ("ten-thousand-keys", b'{"action":"send"' + b"".join(b',"k%d":0' % n for n in range(10_000)) + b"}", SEND),
    ("keys-that-begin-alike", b'{"action":"send"' + b"".join(b',"actio%d":0' % n for n in range(8_000)) + b"}", SEND),
    ("sixty-thousand-items", b'{"action":"send","x":[' + b"0," * 60_000 + b"0]}", SEND),
    ("long-key", b'{"action":"send","' + b"k" * 120_000 + b'":0}', SEND),
    ("long-string", b'{"action":"send","x":"' + b"x" * 120_000 + b'"}', SEND),
    ("long-action", b'{"action":"' + b"send" * 30_000 + b'"}', DEFAULT),
    ("escapes-throughout", b'{"action":"send","x":"' + b"\\u0041" * 20_000 + b'"}', SEND),
    ("escaped-action", b'{"\\u0061ction":"\\u0073end"}', SEND),
    ("integer-beyond-64-bits", b'{"action":"send","n":18446744073709551616}', SEND),
    ("integer-of-100000-digits", b'{"action":"send","n":' + b"9" * 100_000 + b"}", DEFAULT),
    ("fraction-of-100000-digits", b'{"action":"send","n":0.' + b"9" * 100_000 + b"}", SEND),
    ("exponent-too-large", b'{"action":"send","n":1e999}', DEFAULT),
    ("exponent-too-small", b'{"action":"send","n":1e-999}', SEND),
    ("minus-zero", b'{"action":"send","n":-0.0}', SEND),
    ("leading-zero", b'{"action":"send","n":01}', DEFAULT),
    ("plus-sign", b'{"action":"send","n":+1}', DEFAULT),
    ("hexadecimal", b'{"action":"send","n":0x10}', DEFAULT),
    ("nan", b'{"action":"send","n":NaN}', DEFAULT),
    ("infinity", b'{"action":"send","n":-Infinity}', DEFAULT),
    ("duplicate-keys-last-sends", b'{"action":"other","action":"send"}', SEND),
    ("duplicate-keys-last-is-other", b'{"action":"send","action":"other"}', DEFAULT),
    ("duplicate-keys-one-escaped", b'{"action":"send","\\u0061ction":"other"}', DEFAULT),
    ("lone-high-surrogate", b'{"action":"send","x":"\\ud800"}', DEFAULT),
    ("lone-low-surrogate", b'{"action":"send","x":"\\udc00"}', DEFAULT),
    ("surrogates-in-the-wrong-order", b'{"action":"send","x":"\\udc00\\ud800"}', DEFAULT),
    ("surrogate-pair", b'{"action":"send","x":"\\ud83d\\ude00"}', SEND),
    ("byte-order-mark", b'\xef\xbb\xbf{"action":"send"}', DEFAULT),
    ("escaped-nul-in-the-action", b'{"action":"send\\u0000"}', DEFAULT),
    ("nul-in-a-string", b'{"action":"send","x":"\x00"}', DEFAULT),
    ("line-end-in-a-string", b'{"action":"send","x":"\n"}', DEFAULT),
    ("line-end-in-the-action", b'{"action":"send\\r\\nX-Bad: 1"}', DEFAULT),
    ("single-quotes", b"{'action':'send'}", DEFAULT),
    ("comment", b'{"action":"send"/* ! */}', DEFAULT),
    ("trailing-comma", b'{"action":"send",}', DEFAULT),
    ("two-documents", b'{"action":"send"}{"action":"send"}', DEFAULT),
    ("cut-off", b'{"action":"send"', DEFAULT),
    ("array", b'[{"action":"send"}]', DEFAULT),
    ("string", b'"send"', DEFAULT),
    ("null", b"null", DEFAULT),
    ("action-is-null", b'{"action":null}', DEFAULT),
    ("action-is-an-object", b'{"action":{"action":"send"}}', DEFAULT),
    ("action-in-other-case", b'{"Action":"send"}', DEFAULT),
    ("action-is-connect", b'{"action":"$connect"}', DEFAULT),
    ("action-is-disconnect", b'{"action":"$disconnect"}', DEFAULT),
    ("action-is-default", b'{"action":"$default"}', DEFAULT),
    ("action-is-an-attribute", b'{"action":"__class__"}', DEFAULT),
]
BOTH = [pytest.param(message, key, id=name) for name, message, key in MESSAGES]
ONE = [pytest.param(message, id=name) for name, message, _ in MESSAGES]

NUMBERS = Model(name="numbers", schema={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_backend() -> AsyncIterator[Backend]:
    one = Backend()
    await one.start()
    one.echo("/any")
    yield one
    await one.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[True, False], ids=["lanes", "aiohttp"])
async def gateway(request: pytest.FixtureRequest, shared_backend: Backend) -> AsyncIterator[TestGateway]:
    """One gateway with four APIs, each with a `send` and a `$default`."""
    one = await TestGateway(request.param).start()
    any_url = f"{shared_backend.url}/any"
    texts = "$input.path('$.x') $input.json('$') $input.body $util.escapeJavaScript($input.body)"
    templated = Integration(
        type="HTTP",
        uri=any_url,
        request_templates={"$default": texts},
        responses=(IntegrationResponse(key="$default", response_templates={"$default": "seen $input.path('$')"}),),
    )
    checked = {"model_selection_expression": "$request.body.kind", "request_models": {"$default": "numbers"}}
    one.deploy(
        api(route(SEND, http(any_url), two_way=True), route(DEFAULT, http(any_url), two_way=True)),
        api(route(SEND, templated, two_way=True), route(DEFAULT, templated, two_way=True), id="template"),
        api(
            route(SEND, mock("valid"), two_way=True, **checked),
            route(DEFAULT, mock("valid"), two_way=True, **checked),
            id="model",
            models={"numbers": NUMBERS},
        ),
        api(
            route("send/one", mock("sent"), two_way=True),
            route(DEFAULT, mock("default"), two_way=True),
            id="mixed",
            route_selection_expression="${request.body.action}/${request.body.x}",
        ),
    )
    yield one
    await one.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(gateway: TestGateway) -> RawWebSocket:
    return await gateway.connect("/chat/prod")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def template_client(gateway: TestGateway) -> RawWebSocket:
    return await gateway.connect("/template/prod")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model_client(gateway: TestGateway) -> RawWebSocket:
    return await gateway.connect("/model/prod")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mixed_client(gateway: TestGateway) -> RawWebSocket:
    return await gateway.connect("/mixed/prod")


async def send(client: RawWebSocket, message: bytes) -> None:
    """`message` in frames that are small enough."""
    pieces = [message[at : at + 30_000] for at in range(0, len(message), 30_000)] or [b""]
    for number, piece in enumerate(pieces):
        await client.send_frame(TEXT if number == 0 else 0, piece, fin=number == len(pieces) - 1)


@pytest.mark.parametrize(("message", "key"), BOTH)
async def test_every_text_takes_a_route_with_its_bytes_unchanged(
    client: RawWebSocket, shared_backend: Backend, message: bytes, key: str
):
    shared_backend.requests.clear()
    began = time.perf_counter()
    await send(client, message)
    if message:
        assert await client.receive() == message
    else:
        # An empty answer is no message: what was asked of the backend tells.
        await shared_backend.wait_for("/any")
    assert time.perf_counter() - began < 0.5 * SLOWER
    assert [received.header("wsgw-route-key") for received in shared_backend.got("/any")] == [key]
    assert shared_backend.got("/any")[0].body == message


@pytest.mark.parametrize("message", ONE)
async def test_templates_get_through_every_text(
    template_client: RawWebSocket, message: bytes, caplog: pytest.LogCaptureFixture
):
    began = time.perf_counter()
    await send(template_client, message)
    frame = await template_client.receive_frame()
    assert time.perf_counter() - began < 1 * SLOWER
    assert frame is not None
    assert frame.opcode != CLOSE
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("message", [*ONE, pytest.param(b'{"action":"send","x":"one"}', id="one")])
async def test_an_expression_of_two_variables_gets_through_every_text(mixed_client: RawWebSocket, message: bytes):
    began = time.perf_counter()
    await send(mixed_client, message)
    assert await mixed_client.receive() == (b"sent" if message.endswith(b'"one"}') else b"default")
    assert time.perf_counter() - began < 0.5 * SLOWER


@pytest.mark.parametrize(("message", "key"), BOTH)
async def test_a_model_refuses_every_text_without_its_number(
    model_client: RawWebSocket, message: bytes, key: str, caplog: pytest.LogCaptureFixture
):
    began = time.perf_counter()
    await send(model_client, message)
    refusal = await model_client.receive()
    assert time.perf_counter() - began < 0.5 * SLOWER
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    if b'"n":' in message and key == SEND:
        return  # A number of some kind: what it is, the next test says.
    assert b"Bad request body" in refusal


SAME_PARSE = [
    ("the-last-of-duplicates-is-good", b'{"action":"send","n":"x","n":1}', True),
    ("the-last-of-duplicates-is-bad", b'{"action":"send","n":1,"n":"x"}', False),
    ("one-of-duplicates-is-escaped", b'{"action":"send","n":1,"\\u006e":"x"}', False),
    ("whole-as-a-fraction", b'{"action":"send","n":1.0}', False),
    ("fraction", b'{"action":"send","n":1.5}', False),
    ("not-json", b'{"action":"send","n":1', False),
    ("number-in-a-string", b'{"action":"send","n":"1"}', False),
    ("boolean", b'{"action":"send","n":true}', False),
]


@pytest.mark.parametrize(
    ("message", "valid"), [pytest.param(message, valid, id=name) for name, message, valid in SAME_PARSE]
)
async def test_validation_sees_what_routing_sees(model_client: RawWebSocket, message: bytes, valid: bool):
    await send(model_client, message)
    answer = await model_client.receive()
    assert answer == b"valid" if valid else b"Bad request body" in answer
