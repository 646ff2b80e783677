"""The keys of an issuer: discovery, rotation, floods of unknown kids, and every way in which an issuer can fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
from aiohttp import web

from tests.harness.token_issuer import DISCOVERY, JWKS, TokenIssuer, jwk, redirect, rsa_key
from wsgw.authorizers import jwks_source
from wsgw.authorizers.jwks_source import IssuerKeys, KeysPlace
from wsgw.errors import AuthorizerFailure
from wsgw.integrations.http_pool import HttpPool
from wsgw.live.guard_jwt import _fetch


class World:
    """An issuer, its keys as a gateway has them, and the time."""

    def __init__(self, issuer: TokenIssuer, pool: HttpPool) -> None:
        self.issuer = issuer
        self.pool = pool
        self.now = 1_700_000_000.0
        self.tasks: set[asyncio.Task[None]] = set()
        self.keys = self.of(KeysPlace(issuer.url))

    def of(self, place: KeysPlace) -> IssuerKeys:
        return IssuerKeys(
            place, _fetch(self.pool), self.begin, lambda: self.now, algorithms=("RS256",), refresh=7_200.0
        )

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def settled(self) -> None:
        """What runs in the background has ended."""
        while self.tasks:
            await asyncio.gather(*self.tasks)

    async def known(self, kid: str) -> bool:
        return await self.keys.asked(kid, again=True) is not None


@pytest.fixture
async def world() -> AsyncIterator[World]:
    issuer = await TokenIssuer(lambda: 1_700_000_000).start()
    pool = HttpPool(circuit_failures=0)
    one = World(issuer, pool)
    yield one
    for task in one.tasks:
        task.cancel()
    await pool.close()
    await issuer.stop()


async def test_many_who_need_the_keys_wait_for_one_fetch(world: World) -> None:
    found = await asyncio.gather(*(world.known("first") for _ in range(100)))
    assert all(found)
    assert (world.issuer.asked(DISCOVERY), world.issuer.asked()) == (1, 1)


async def test_the_set_is_kept_for_its_time_and_then_refreshed_beside_the_request(world: World) -> None:
    assert await world.known("first")
    world.now += 7_199
    assert world.keys.find("first")
    await world.settled()
    assert world.issuer.asked() == 1
    world.now += 1
    assert world.keys.find("first")  # the old set answers at once
    await world.settled()
    assert world.issuer.asked() == 2


async def test_a_new_kid_is_found_as_soon_as_a_token_names_it(world: World) -> None:
    """S-14: rotation."""
    assert await world.known("first")
    world.issuer.rotate("second")
    assert await world.known("second")
    assert not await world.known("first")  # withdrawn


async def test_a_key_that_did_not_change_is_the_same_object_after_a_refresh(world: World) -> None:
    assert await world.known("first")
    before = world.keys.find("first")
    world.issuer.serve(jwk(rsa_key("first"), "first", alg="RS256"), jwk(rsa_key("second"), "second"))
    assert await world.known("second")
    assert world.keys.find("first") is before
    world.issuer.serve(jwk(rsa_key("third"), "first"))
    world.now += 7_200
    world.keys.find("first")
    await world.settled()
    assert world.keys.find("first") is not before


async def test_a_flood_of_unknown_kids_asks_the_issuer_once_a_minute(world: World) -> None:
    """S-14: at most one refresh per interval."""
    assert await world.known("first")
    for number in range(500):
        assert not await world.known(f"unknown-{number}")
        world.now += 0.1
    assert world.issuer.asked() == 2
    assert not any(await asyncio.gather(*(world.known(f"more-{number}") for number in range(500))))
    assert world.issuer.asked() == 2
    world.now += 60
    assert not any(await asyncio.gather(*(world.known(f"later-{number}") for number in range(500))))
    assert world.issuer.asked() == 3


async def test_known_kids_do_not_wait_for_a_question_about_another(world: World) -> None:
    assert await world.known("first")
    waits = asyncio.Event()

    async def slow(_request: Any) -> web.Response:
        await waits.wait()
        return web.Response(text=json.dumps({"keys": []}))

    world.issuer.answer(JWKS, slow)
    asking = asyncio.ensure_future(world.known("unknown"))
    await world.issuer.backend.wait_for(JWKS, 2)
    assert world.keys.find("first")
    waits.set()
    assert not await asking


async def test_a_token_that_would_be_refused_anyway_is_not_worth_a_question(world: World) -> None:
    assert await world.known("first")
    assert await world.keys.asked("unknown", again=False) is None
    assert world.issuer.asked() == 1


async def test_who_gives_up_waiting_does_not_end_the_fetch_for_others(world: World) -> None:
    impatient = asyncio.ensure_future(world.known("first"))
    patient = asyncio.ensure_future(world.known("first"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient


# ---- how an issuer fails


def slow(_request: Any) -> Any:
    async def wait() -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    return wait()


async def dripping(request: Any) -> web.StreamResponse:
    """A body that never ends, a byte at a time."""
    return web.Response(body=_drip())


async def _drip() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0.05)


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield b" " * 65_536


def text(body: str, status: int = 200) -> Any:
    return lambda _request: web.Response(text=body, status=status)


LATE = "did not answer within"
FAILURES: list[tuple[str, str, Any, str]] = [
    ("discovery answers 500", DISCOVERY, text("", 500), "answered 500"),
    ("discovery is not there", DISCOVERY, text("", 404), "answered 404"),
    ("discovery is no JSON", DISCOVERY, text("<html>"), "is no JSON"),
    ("discovery is a list", DISCOVERY, text("[]"), "is not of this issuer"),
    ("discovery of another issuer", DISCOVERY, text('{"issuer": "https://evil.example"}'), "is not of this issuer"),
    ("discovery without an issuer", DISCOVERY, text('{"jwks_uri": "https://a/"}'), "is not of this issuer"),
    ("discovery redirects", DISCOVERY, redirect("/evil"), "answered 302"),
    ("keys redirect", JWKS, redirect("/evil"), "answered 302"),
    ("keys are slow", JWKS, slow, LATE),
    ("keys drip", JWKS, dripping, LATE),
    ("keys are too many bytes", JWKS, text(json.dumps({"keys": [], "x": "x" * 150_000})), "more than 150000 bytes"),
    ("keys never end", JWKS, lambda _request: web.Response(body=_endless()), "more than 150000 bytes"),
    ("keys are no JSON", JWKS, text("keys"), "that is no JSON"),
    ("keys are none", JWKS, text('{"keys": []}'), "it is empty"),
    ("keys are no list", JWKS, text('{"keys": {}}'), "no list of keys"),
    ("keys are all symmetric", JWKS, text('{"keys": [{"kty": "oct", "kid": "first", "k": "AA"}]}'), "only keys of kty"),
]


@pytest.mark.parametrize(("path", "answer", "said"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES])
async def test_an_issuer_that_fails_leaves_no_keys_at_first_and_the_old_ones_later(
    world: World, path: str, answer: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-14: slow, huge and invalid sets, redirects: stale while error, within time and size."""
    patience = 0.4 if said == LATE else 20
    monkeypatch.setattr(jwks_source, "FETCH_SECONDS", patience)
    world.issuer.answer(path, answer)
    with pytest.raises(AuthorizerFailure) as failure:
        await world.known("first")
    assert said in failure.value.detail
    requests = world.issuer.requests
    with pytest.raises(AuthorizerFailure):
        await world.known("first")
    assert world.issuer.requests == requests  # left alone for a while
    world.issuer.serve()
    world.now += 5
    monkeypatch.setattr(jwks_source, "FETCH_SECONDS", 20)
    assert await world.known("first")

    monkeypatch.setattr(jwks_source, "FETCH_SECONDS", patience)
    world.issuer.answer(path, answer)
    world.now += 7_200
    assert world.keys.find("first")
    await world.settled()
    assert world.keys.find("first")
    assert world.issuer.asked("/evil") == 0
    requests = world.issuer.requests
    for _ in range(50):
        world.keys.find("first")
    await world.settled()
    assert world.issuer.requests == requests  # and not asked with every request
    monkeypatch.setattr(jwks_source, "FETCH_SECONDS", 20)
    world.issuer.rotate("second")
    world.now += 60
    world.keys.find("first")
    await world.settled()
    assert world.keys.find("second")


async def test_an_issuer_that_is_not_there_is_a_failure(world: World) -> None:
    await world.issuer.stop()
    with pytest.raises(AuthorizerFailure, match="connection_refused"):
        await world.known("first")


async def test_an_unknown_kid_while_the_issuer_is_down_is_unknown_and_no_failure(world: World) -> None:
    assert await world.known("first")
    world.issuer.fail()
    assert not await world.known("unknown")
    assert await world.known("first")


async def test_the_file_is_read_again_when_its_time_has_come(world: World, tmp_path: Any) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [jwk(rsa_key("first"), "first")]}))
    world.keys = world.of(KeysPlace("https://issuer.example", file=file))
    world.keys.read_file()
    assert world.keys.find("first")
    file.write_text(json.dumps({"keys": [jwk(rsa_key("second"), "second")]}))
    assert await world.known("second")
    file.unlink()
    world.now += 7_200
    assert await world.known("second")
    await world.settled()
    assert await world.known("second")
    assert world.issuer.requests == 0


async def test_the_keys_of_a_https_issuer_are_not_taken_over_http(world: World) -> None:
    asked: list[str] = []

    async def fetch(url: str) -> Any:
        asked.append(url)
        return await _fetch(world.pool)(world.issuer.url + DISCOVERY)

    world.issuer.serve(issuer="https://issuer.example")
    keys = IssuerKeys(
        KeysPlace("https://issuer.example"), fetch, world.begin, lambda: 0.0, algorithms=("RS256",), refresh=60
    )
    with pytest.raises(AuthorizerFailure, match="begins with https://"):
        await keys.asked("first", again=True)
    assert asked == ["https://issuer.example" + DISCOVERY]


async def test_a_clock_that_is_set_back_does_not_keep_a_set_for_ever(world: World) -> None:
    assert await world.known("first")
    world.now -= 1_000_000
    assert world.keys.find("first")
    await world.settled()
    assert world.issuer.asked() == 2
