"""S-11: a canary in every place that a token can stand in, and then a look at everything that the gateway has said."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway
from tests.harness.raw_websocket import HandshakeRefused
from tests.harness.staying import ROUTES, Authority, allowed, bearer, guarded, order, ticket_for

CANARY = "cAnArY0123456789"
#: Whatever an access log can say of a handshake.
FORMAT = " ".join(
    f"$context.{name}"
    for name in (
        "requestId",
        "routeKey",
        "connectionId",
        "identity.sourceIp",
        "identity.userAgent",
        "authorizer.principalId",
        "authorizer.error",
        "authorizer.status",
        "authorize.error",
        "authenticate.error",
        "error.message",
        "error.messageString",
        "error.responseType",
        "integrationErrorMessage",
        "status",
    )
)

PLACES = [
    pytest.param("/prod", [("Sec-WebSocket-Protocol", f"chat, wsgw.auth.{CANARY}")], id="subprotocol"),
    pytest.param(f"/prod?a=b&token={CANARY}", [], id="query"),
    pytest.param("/prod", [("Cookie", f"session={CANARY}")], id="cookie"),
    pytest.param("/prod", bearer(CANARY), id="header"),
    pytest.param(f"/prod?ticket={CANARY}", [], id="ticket"),
    pytest.param(f"/prod?token={CANARY}&token=other", [], id="two-that-disagree"),
    pytest.param(f"/prod?token={CANARY}%0d%0a", [], id="malformed"),
]


class Said:
    """Everything that a gateway says."""

    def __init__(self, gateway: TestGateway, log: Path, caplog: pytest.LogCaptureFixture, authority: Authority) -> None:
        self.gateway, self.log, self.caplog, self.authority = gateway, log, caplog, authority
        self.answers: list[str] = []

    async def everything(self) -> str:
        self.gateway.app.access_log.flush(last=True)
        self.gateway.app.access_log._writer.submit(lambda: None).result()
        async with aiohttp.request("GET", f"{self.gateway.control}/metrics") as answer:
            metrics = await answer.text()
        async with aiohttp.request("GET", f"{self.gateway.control}/connections") as answer:
            listed = await answer.text()
        records = "\n".join(f"{record.getMessage()} {record.exc_text or ''}" for record in self.caplog.records)
        access = self.log.read_text()
        assert "$connect" in access
        return "\n".join([access, metrics, listed, records, json.dumps(self.authority.events), *self.answers])


async def begin(make_gateway: MakeGateway, tmp_path: Path, caplog: pytest.LogCaptureFixture, **stage: Any) -> Said:
    caplog.set_level(logging.DEBUG)
    gateway = await make_gateway(access_log=str(tmp_path / "access.log"), log_level="debug")
    authority = Authority()
    stage = {"access_log_format": FORMAT, "subprotocols": ("chat",), **stage}
    gateway.deploy(guarded(*ROUTES, **stage), handlers=authority.handlers)
    return Said(gateway, tmp_path / "access.log", caplog, authority)


@pytest.mark.parametrize(("path", "headers"), PLACES)
@pytest.mark.parametrize("good", [True, False], ids=["let-in", "refused"])
async def test_a_token_is_in_nothing_that_the_gateway_says(
    make_gateway: MakeGateway,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    path: str,
    headers: list[tuple[str, str]],
    good: bool,
):
    said = await begin(make_gateway, tmp_path, caplog)
    gateway = said.gateway
    if good:
        said.authority.tokens[CANARY] = allowed("ada")
    try:
        client = await gateway.connect(path, headers=[*headers, ("Origin", gateway.url)])
        said.answers.append(repr(client.response))
        await client.send_text("hello")
        said.answers.append(await client.receive_text())
        await client.close()
    except HandshakeRefused as refusal:
        said.answers.append(repr(refusal.response))
    everything = await said.everything()
    if good and headers == bearer(CANARY):
        # A header is passed on as the client sent it, as on the service; no log says it.
        said.authority.events.clear()
        everything = await said.everything()
    assert CANARY not in everything


async def test_a_token_that_its_authorizer_fails_over_is_not_repeated(
    make_gateway: MakeGateway, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    said = await begin(make_gateway, tmp_path, caplog)
    said.authority.tokens[CANARY] = {"raises": "no database"}
    with pytest.raises(HandshakeRefused) as refusal:
        await said.gateway.connect(f"/prod?token={CANARY}")
    assert refusal.value.response.status == 500
    said.answers.append(repr(refusal.value.response))
    assert CANARY not in await said.everything()


@pytest.mark.parametrize("good", [True, False], ids=["taken", "refused"])
async def test_a_refreshed_token_is_in_nothing_that_the_gateway_says(
    make_gateway: MakeGateway, tmp_path: Path, caplog: pytest.LogCaptureFixture, good: bool
):
    said = await begin(make_gateway, tmp_path, caplog, token_expiry="REFRESH")
    gateway = said.gateway
    now = gateway.clock.wall_ms() / 1000
    said.authority.tokens["good"] = allowed("ada", expiresAt=now + 100)
    if good:
        said.authority.tokens[CANARY] = allowed("ada", expiresAt=now + 500)
    client = await gateway.connect("/prod?token=good")
    gateway.advance(50)
    await client.receive()
    await client.send_json({"event": "wsgw.refresh", "token": CANARY})
    said.answers.append(await client.receive_text() if good else repr(await client.receive_close()))
    assert CANARY not in await said.everything()


async def test_a_ticket_that_was_issued_is_in_nothing_else_that_the_gateway_says(
    make_gateway: MakeGateway, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    said = await begin(make_gateway, tmp_path, caplog)
    gateway = said.gateway
    ticket = await ticket_for(gateway, "grace", context={"a": CANARY})
    bad = await order(gateway, {"principalId": 7, "context": {"a": CANARY}})
    said.answers.append(repr(bad))
    await (await gateway.connect(f"/prod?ticket={ticket}")).close()
    with pytest.raises(HandshakeRefused) as refusal:
        await gateway.connect(f"/prod?ticket={ticket}")
    said.answers.append(repr(refusal.value.response))
    # The context is for events.
    said.authority.events.clear()
    everything = await said.everything()
    assert ticket not in everything
    assert CANARY not in everything
