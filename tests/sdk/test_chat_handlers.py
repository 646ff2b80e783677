"""T-09: the tutorial's chat runs unmodified, its call-back address built from the event, and forgets who has gone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.harness.gateway import TestGateway, api, route
from tests.harness.until import until
from tests.sdk.conftest import Authority, Guarded, connected, over_tls
from wsgw.definitions.route import Integration

#: As the tutorial writes it, the address begins with https.
pytestmark = over_tls


def python(name: str) -> Integration:
    return Integration(type="PYTHON", uri=f"chat_handlers:{name}")


async def chat(make_guarded: Guarded, send: str, *, tells_of_disconnects: bool = True) -> TestGateway:
    gateway = await make_guarded()
    routes = [route("$connect", python("connect")), route("sendmessage", python(send))]
    if tells_of_disconnects:
        routes.append(route("$disconnect", python("disconnect")))
    gateway.deploy(api(*routes), base=Path(__file__).parent)
    table().clear()
    return gateway


def table() -> dict[str, dict[str, str]]:
    """The handlers' table, once they are loaded."""
    found: dict[str, dict[str, str]] = sys.modules["chat_handlers"].table
    return found


@pytest.fixture(params=["send", "send_async"], ids=["boto3", "context.connections"])
def send(
    request: pytest.FixtureRequest, in_environment: None, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> str:
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.file)
    return str(request.param)


async def test_everybody_is_told_what_one_says(make_guarded: Guarded, authority: Authority, send: str):
    gateway = await chat(make_guarded, send)
    clients = [(await connected(gateway, authority))[0] for _ in range(3)]
    assert set(table()) == {connection.id for connection in gateway.connections}
    for number, client in enumerate(clients):
        await client.send_json({"action": "sendmessage", "data": f"hello from {number}"})
        assert [await other.receive_text() for other in clients] == [f"hello from {number}"] * 3


async def test_who_has_gone_without_a_word_is_forgotten_with_the_next_message(
    make_guarded: Guarded, authority: Authority, send: str
):
    gateway = await chat(make_guarded, send, tells_of_disconnects=False)
    gone, gone_id = await connected(gateway, authority)
    stays, stays_id = await connected(gateway, authority)
    await gone.close()
    assert set(table()) == {gone_id, stays_id}
    await stays.send_json({"action": "sendmessage", "data": "anybody there?"})
    assert await stays.receive_text() == "anybody there?"
    # The handler is through with everybody when the same client's next message is answered.
    await stays.send_json({"action": "sendmessage", "data": "again"})
    assert await stays.receive_text() == "again"
    assert set(table()) == {stays_id}


async def test_who_says_good_bye_leaves_the_table(make_guarded: Guarded, authority: Authority, send: str):
    gateway = await chat(make_guarded, send)
    leaves, leaves_id = await connected(gateway, authority)
    _, stays_id = await connected(gateway, authority)
    assert set(table()) == {leaves_id, stays_id}
    await leaves.close()
    await until(lambda: set(table()) == {stays_id})
