"""What `open` says to whoever runs the gateway: what is wrong, and the remedy; never a password."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from redis.asyncio import Connection

from tests.harness.ports import free_port
from tests.harness.redis_server import RedisServer
from tests.stores.redis.links import opened
from wsgw.errors import StoreUnavailable
from wsgw.settings import Settings
from wsgw.stores.redis.link import Link


async def refusal(url: str, **settings: str) -> str:
    link = Link(Settings(redis=url, **settings))
    with pytest.raises(StoreUnavailable) as caught:
        await link.open()
    return str(caught.value)


async def test_nobody_listens():
    text = await refusal(f"redis://:secret@127.0.0.1:{free_port()}")
    assert "cannot be reached" in text
    assert "is the address right?" in text
    assert "secret" not in text


async def test_a_host_that_does_not_exist():
    assert "no-such-host.invalid" in await refusal("redis://no-such-host.invalid:6379")


async def test_a_loop_that_is_held_up_while_it_connects_does_not_blame_redis(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
):
    async def held_up(connection: Connection, *command: str | bytes) -> Any:
        await connection.send_command(*command)
        time.sleep(0.4)
        return await connection.read_response(disable_decoding=True)

    monkeypatch.setattr("wsgw.stores.redis.link.ask", held_up)
    async with opened(redis.url, redis_seconds=0.25) as link:
        assert await link.send("PING") == b"PONG"


async def test_passwords():
    async with RedisServer(password="right") as redis:
        for text in (await refusal(redis.url_without_password), await refusal(f"redis://:wrong@{redis.address}")):
            assert "refuses the login" in text
            assert "redis_password" in text
            assert "wrong" not in text
        async with opened(redis.url_without_password, redis_password="right") as link:
            assert await link.send("PING") == b"PONG"


async def test_an_acl_user_and_a_database(redis: RedisServer):
    await redis.cli("ACL", "SETUSER", "gate:way", "reset", "on", ">p@ss/:word", "~*", "&*", "+@all")
    async with opened(f"redis://gate%3Away:p%40ss%2F%3Aword@{redis.address}/3") as link:
        assert b" db=3 " in await link.send("CLIENT", "INFO")
        assert b" user=gate:way " in await link.send("CLIENT", "INFO")
    assert "refuses the login" in await refusal(f"redis://gate%3Away:other@{redis.address}")


@pytest.mark.parametrize(
    ("rules", "missing"),
    [
        (["~*", "&*", "+@all", "-eval"], "eval"),
        (["~other:*", "&*", "+@all"], "key"),
        (["~*", "&other:*", "+@all"], "channel"),
    ],
)
async def test_an_acl_user_who_may_too_little(redis: RedisServer, rules: list[str], missing: str):
    await redis.cli("ACL", "SETUSER", "poor", "reset", "on", ">pw", *rules)
    text = await refusal(f"redis://poor:pw@{redis.address}")
    assert "ACL" in text
    assert missing in text


async def test_an_acl_user_who_may_just_what_is_needed(redis: RedisServer):
    rules = ["~wsgw:*", "&wsgw:*", "+@read", "+@write", "+@pubsub", "+@scripting", "+@connection", "-@dangerous"]
    await redis.cli("ACL", "SETUSER", "modest", "reset", "on", ">pw", *rules)
    async with opened(f"redis://modest:pw@{redis.address}") as link:
        assert await link.send("SET", "wsgw:1:key", "value") == b"OK"


async def test_tls():
    async with RedisServer(tls=True) as redis:
        async with opened(redis.url, redis_ca=redis.ca) as link:
            assert await link.send("PING") == b"PONG"
        text = await refusal(redis.url)
        assert "certificate" in text
        assert "redis_ca" in text
        assert "rediss://" in await refusal(f"redis://{redis.address}")


async def test_tls_with_a_redis_that_has_none(redis: RedisServer):
    assert "TLS" in await refusal(f"rediss://{redis.address}")


async def test_a_certificate_for_another_host():
    async with RedisServer(tls=True) as redis:
        text = await refusal(f"rediss://127.0.0.2:{redis.port}", redis_ca=redis.ca)
        assert "cannot be reached" in text or "certificate" in text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b"*6\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n6.2.14\r\n$4\r\nrole\r\n$6\r\nmaster\r\n",
            "7.0",
        ),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "rotocol"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "loading"),
        (b"-ERR max number of clients reached\r\n", "clients"),
    ],
)
async def test_something_else_answers(answer: bytes, words: str):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert words in await refusal(f"redis://127.0.0.1:{port}")
    server.close()
    await server.wait_closed()


async def test_a_server_that_says_nothing_is_given_up():
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert "does not answer in time" in await refusal(f"redis://127.0.0.1:{port}")
    server.close()
    await server.wait_closed()
