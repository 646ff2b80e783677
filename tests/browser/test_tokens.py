"""What a page can do without headers: a token as subprotocol, in a cookie, in the query, a connect ticket. S-10."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.staying import allowed, serve, ticket_for

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
#: Connects, asks who it is, and says what came of it: the answer, the subprotocol that was chosen, the close code.
CONNECT = """([url, protocols]) => new Promise(resolve => {
  const socket = new WebSocket(url, protocols);
  socket.onopen = () => socket.send(JSON.stringify({action: "who"}));
  socket.onmessage = event => resolve({said: JSON.parse(event.data), protocol: socket.protocol});
  socket.onclose = event => resolve({closed: event.code});
})"""
#: As above, and answers when it is asked for another token; says which frames it got, and how it ended.
STAY = """([url, token]) => new Promise(resolve => {
  const socket = new WebSocket(url), got = [];
  socket.onopen = () => { document.title = "open"; };
  socket.onmessage = event => {
    const frame = JSON.parse(event.data);
    got.push(frame.event);
    if (frame.event === "wsgw.refresh" && token) socket.send(JSON.stringify({event: "wsgw.refresh", token}));
    if (frame.event === "wsgw.refreshed") resolve({got});
  };
  socket.onclose = event => resolve({got, code: event.code, reason: event.reason});
})"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"),
]


@pytest.fixture
async def context() -> AsyncIterator[BrowserContext]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield await browser.new_context()
        await browser.close()


@pytest.fixture
async def page(context: BrowserContext, backend: Backend) -> Page:
    """A page of another origin than the gateway."""
    backend.on("/page", 200, "<title>page</title>", {"Content-Type": "text/html"})
    one = await context.new_page()
    await one.goto(f"{backend.url}/page")
    return one


async def connect(page: Page, url: str, *protocols: str) -> Any:
    return await page.evaluate(CONNECT, [url, list(protocols)])


async def test_a_subprotocol(gateway: TestGateway, page: Page):
    serve(gateway, subprotocols=("chat",))
    came = await connect(page, f"{gateway.ws_url}/prod", "chat", "wsgw.auth.good")
    assert came == {"said": {"who": "ada"}, "protocol": "chat"}
    assert await connect(page, f"{gateway.ws_url}/prod", "chat", "wsgw.auth.bad") == {"closed": 1006}


async def test_a_parameter_and_a_ticket(gateway: TestGateway, page: Page):
    serve(gateway)
    came = await connect(page, f"{gateway.ws_url}/prod?token=good")
    assert came["said"] == {"who": "ada"}
    ticket = await ticket_for(gateway, "grace")
    came = await connect(page, f"{gateway.ws_url}/prod?ticket={ticket}")
    assert came["said"] == {"who": "grace"}
    assert await connect(page, f"{gateway.ws_url}/prod?ticket={ticket}") == {"closed": 1006}


async def test_a_cookie_which_a_foreign_page_sends_in_vain(
    gateway: TestGateway, context: BrowserContext, page: Page, backend: Backend
):
    """S-10. Cookies know no ports: the browser sends it from the foreign page, too, and only its Origin tells."""
    authority = serve(gateway)
    await context.add_cookies([{"name": "session", "value": "good", "domain": "127.0.0.1", "path": "/"}])
    assert await connect(page, f"{gateway.ws_url}/prod") == {"closed": 1006}
    assert authority.asked == []
    # Where the operator has named the page's origin, it may.
    serve(gateway, allowed_origins=(backend.url,))
    came = await connect(page, f"{gateway.ws_url}/prod")
    assert came["said"] == {"who": "ada"}


async def test_a_page_that_answers_stays_connected_and_one_that_does_not_is_closed(gateway: TestGateway, page: Page):
    authority = serve(gateway, token_expiry="REFRESH")
    for token, outcome in (
        ("new", {"got": ["wsgw.refresh", "wsgw.refreshed"]}),
        ("", {"got": ["wsgw.refresh"], "code": 4401, "reason": "Token expired"}),
    ):
        now = gateway.clock.wall_ms() / 1000
        authority.tokens["good"] = allowed("ada", expiresAt=now + 100)
        authority.tokens["new"] = allowed("ada", expiresAt=now + 500)
        await page.evaluate("document.title = 'page'")
        url = f"{gateway.ws_url}/prod?token=good"
        await page.evaluate(f"args => {{ window.staying = ({STAY})(args); }}", [url, token])
        await page.wait_for_function("document.title === 'open'")
        gateway.advance(50)
        if not token:
            gateway.advance(51)
        assert await page.evaluate("window.staying") == outcome
