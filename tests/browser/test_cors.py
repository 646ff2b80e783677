"""CORS of an HTTP API as a real browser takes it: preflights, allowed and other origins, credentials, refusals."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, http, route
from wsgw.definitions.access import Cors
from wsgw.definitions.api import Api, Stage

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ASK = """async ([url, options]) => {
  try {
    const answer = await fetch(url, options);
    return {status: answer.status, text: await answer.text(), made: answer.headers.get("x-made"),
            hidden: answer.headers.get("x-hidden")};
  } catch (error) {
    return {failed: true};
  }
}"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"),
]


@pytest.fixture
async def page(backend: Backend) -> AsyncIterator[Page]:
    """A page that the backend itself serves: of another origin than the gateway."""
    backend.on("/page", 200, "<title>page</title>", {"Content-Type": "text/html"})
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        one = await browser.new_page()
        await one.goto(f"{backend.url}/page")
        yield one
        await browser.close()


def serve(gateway: TestGateway, backend: Backend, **members: Any) -> str:
    cors = Cors(
        allow_methods=("GET", "PUT"), allow_headers=("x-mine", "content-type"), expose_headers=("x-made",), **members
    )
    backend.on(
        "/pets", 200, "pets", {"X-Made": "1", "X-Hidden": "2", "Access-Control-Allow-Origin": "http://evil.example"}
    )
    one = route("ANY /pets", http(f"{backend.url}/pets", method="ANY"))
    stage = Stage(name="$default")
    gateway.deploy(
        Api(id="web", name="web", protocol="HTTP", routes={one.key: one}, stages={"$default": stage}, cors=cors)
    )
    return gateway.url.replace("127.0.0.1", "web.localhost")


@pytest.mark.slow
async def test_a_page_reads_what_it_is_allowed_to(gateway: TestGateway, backend: Backend, page: Page):
    url = serve(gateway, backend, allow_origins=(backend.url,), allow_credentials=True, max_age=60)

    async def ask(path: str, **options: Any) -> Any:
        return await page.evaluate(ASK, [url + path, options])

    got = {"status": 200, "text": "pets", "made": "1", "hidden": None}
    assert await ask("/pets") == got
    assert await ask("/pets", method="PUT", headers={"X-Mine": "1"}, body="x", credentials="include") == got
    assert await ask("/pets", headers={"X-Other": "1"}) == {"failed": True}
    assert await ask("/pets", method="DELETE") == {"failed": True}
    # A refusal of the gateway's own is for the page to read, too.
    assert (await ask("/nowhere"))["text"] == '{"message":"Not Found"}'
    assert [one.method for one in backend.got("/pets")] == ["GET", "PUT"]


@pytest.mark.slow
async def test_a_page_of_another_origin_reads_nothing(gateway: TestGateway, backend: Backend, page: Page):
    url = serve(gateway, backend, allow_origins=("https://www.example.com",))
    assert await page.evaluate(ASK, [f"{url}/pets", {}]) == {"failed": True}
