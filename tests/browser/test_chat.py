"""The chat's page in a real browser, against `wsgw demo` as people start it."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from zlib import crc32

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from tests.harness.demo import Demo, running_demo
from tests.harness.pace import SLOWER

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
]
PHONE = {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"),
]


class Tabs:
    """Opens tabs, each a visitor of its own; `complaints` is what a developer would see in red."""

    def __init__(self, browser: Browser, demo: Demo, room: str) -> None:
        self._browser = browser
        self._demo = demo
        self._room = room
        self.complaints: list[str] = []

    async def open(self, path: str = "", **options: Any) -> Page:
        context = await self._browser.new_context(**options)
        context.set_default_timeout(10_000 * SLOWER)
        page = await context.new_page()
        page.on("console", lambda said: self._note(said.type in ("error", "warning"), f"console: {said.text}"))
        page.on("pageerror", lambda error: self._note(True, f"script: {error}"))
        page.on("response", lambda answer: self._note(answer.status >= 400, f"{answer.status} {answer.url}"))
        page.on("requestfailed", lambda request: self._note(True, f"failed: {request.url}"))
        await page.goto(self._demo.page + path)
        await expect(page.locator("#state-text")).to_have_text("Connected")
        return page

    async def join(self, name: str, room: str = "", **options: Any) -> Page:
        page = await self.open(**options)
        await page.get_by_label("Your name").fill(name)
        await page.get_by_label("Room", exact=True).fill(room or self._room)
        await page.get_by_role("button", name="Join").click()
        await expect(page.get_by_label("Message", exact=True)).to_be_focused()
        return page

    async def close(self) -> None:
        for context in self._browser.contexts:
            await context.close()

    def _note(self, bad: bool, text: str) -> None:
        if bad:
            self.complaints.append(text)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def demo_and_browser() -> AsyncIterator[tuple[Demo, Browser]]:
    """One of each for all tests here: both take their time to start."""
    async with running_demo() as demo, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield demo, browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def tabs(demo_and_browser: tuple[Demo, Browser], request: pytest.FixtureRequest) -> AsyncIterator[Tabs]:
    """Tabs in a room of this test's own; whatever the test does, no page complains."""
    demo, browser = demo_and_browser
    one = Tabs(browser, demo, f"room {crc32(request.node.nodeid.encode())}")
    yield one
    await one.close()
    assert one.complaints == []


async def say(page: Page, text: str) -> None:
    await page.get_by_label("Message", exact=True).fill(text)
    await page.keyboard.press("Enter")


def texts(page: Page) -> Locator:
    """What was said, as the page shows it."""
    return page.locator(".message .text")


def people(page: Page) -> Locator:
    return page.locator("#people li")


async def command(page: Page, which: str) -> str:
    """The address in one of the commands that the page offers."""
    shown = await page.locator(which).text_content()
    assert shown is not None
    return shown.split()[-1]


async def width_that_scrolls(page: Page) -> int:
    return await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


async def test_two_tabs_chat_with_each_other(tabs: Tabs, tmp_path: Path):
    ada, grace = await tabs.join("Ada"), await tabs.join("Grace")
    await expect(people(ada)).to_have_text([re.compile("Ada.*you"), re.compile("Grace")])
    await expect(people(grace)).to_have_text([re.compile("Ada"), re.compile("Grace.*you")])
    await expect(ada.get_by_text("Grace joined")).to_be_visible()
    await say(ada, "Hello, Grace")
    await say(grace, "Hello, Ada")
    for page in (ada, grace):
        await expect(texts(page)).to_have_text(["Hello, Grace", "Hello, Ada"])
        await expect(page.locator(".message time")).to_have_count(2)
    await expect(grace.locator(".message").first.locator(".by b")).to_have_text("Ada")
    await ada.screenshot(path=tmp_path / "chat.png")


async def test_what_others_write_is_text_and_never_markup(tabs: Tabs):
    evil = "<img src=x onerror=\"document.title='owned'\"><b>bold</b>"
    ada, grace = await tabs.join("Ada"), await tabs.join("<i>Mallory</i>")
    await say(grace, evil)
    await expect(texts(ada)).to_have_text([evil])
    await expect(people(ada)).to_have_text([re.compile("<i>Mallory</i>"), re.compile("Ada")])
    assert await ada.locator("main img, main .text b, #people i").count() == 0
    assert "owned" not in await ada.title()


async def test_whoever_comes_late_reads_what_was_said_and_whoever_goes_is_no_longer_listed(tabs: Tabs):
    ada = await tabs.join("Ada")
    await say(ada, "first")
    await say(ada, "second")
    await expect(texts(ada)).to_have_count(2)
    grace = await tabs.join("Grace")
    await expect(texts(grace)).to_have_text(["first", "second"])
    await expect(people(ada)).to_have_count(2)
    await grace.close()
    await expect(ada.get_by_text("Grace left")).to_be_visible()
    await expect(people(ada)).to_have_text([re.compile("Ada")])
    await expect(ada.locator("#room-count")).to_have_text("only you")


async def test_a_page_whose_connection_the_gateway_closes_says_why_and_comes_back(tabs: Tabs):
    ada, grace = await tabs.join("Ada"), await tabs.join("Grace")
    before = await ada.locator("#connection-id").text_content()
    async with aiohttp.ClientSession() as session:
        await (await session.post(await command(ada, "#try-post"), data="from a terminal")).read()
        await expect(ada.get_by_text("Pushed: from a terminal")).to_be_visible()
        answer = await session.delete(await command(ada, "#try-delete"))
        assert answer.status == 204
    await expect(ada.get_by_text("The connection was closed: 1000 Connection Closed Normally")).to_be_visible()
    await expect(ada.locator("#last-close")).to_contain_text("1000 Connection Closed Normally")
    await expect(grace.get_by_text("Ada left")).to_be_visible()
    await expect(grace.get_by_text("Ada joined")).to_be_visible()
    await expect(ada.locator("#state-text")).to_have_text("Connected")
    await expect(ada.locator("#connection-id")).not_to_have_text(before or "")
    await say(ada, "back again")
    await expect(texts(grace)).to_have_text(["back again"])


async def test_what_was_said_while_a_page_was_away_is_shown_when_it_is_back(tabs: Tabs):
    ada, grace = await tabs.join("Ada"), await tabs.join("Grace")
    await say(grace, "before")
    await expect(texts(ada)).to_have_text(["before"])
    # Hold the page where it is, so that it is away for as long as the test needs.
    await ada.evaluate("connection.open = () => {}")
    async with aiohttp.ClientSession() as session:
        await session.delete(await command(ada, "#try-delete"))
    await expect(ada.locator("#state-text")).to_have_text("Not connected")
    await expect(ada.get_by_role("button", name="Send")).to_be_disabled()
    await expect(grace.get_by_text("Ada left")).to_be_visible()
    await say(grace, "meanwhile")
    await expect(texts(grace)).to_have_count(2)
    await ada.evaluate("delete connection.open")
    await ada.evaluate("connection.hurry()")
    await expect(texts(ada)).to_have_text(["before", "meanwhile"])


async def test_waits_grow_and_differ(tabs: Tabs):
    page = await tabs.open()
    waits = await page.evaluate(
        """() => {
            const now = Date.now();
            Date.now = () => now;
            connection.open = () => {};
            return [0, 1, 2, 3, 20, 20, 20].map((failures) => {
                connection.failures = failures;
                connection.closed(1006, "");
                return connection.opensAt - Date.now();
            });
        }"""
    )
    most = [500, 1000, 2000, 4000, 30_000, 30_000, 30_000]
    assert all(limit / 2 <= wait <= limit for wait, limit in zip(waits, most, strict=True)), waits
    assert len(set(waits[4:])) > 1


async def test_a_reload_keeps_name_and_room_and_a_link_names_the_room(tabs: Tabs):
    ada = await tabs.join("Ada", "compilers")
    await say(ada, "still here")
    assert ada.url.endswith("#compilers")
    await ada.reload()
    await expect(ada.get_by_role("heading", name="# compilers")).to_be_visible()
    await expect(texts(ada)).to_have_text(["still here"])
    await expect(people(ada)).to_have_text([re.compile("Ada.*you")])
    other = await tabs.open("#compilers")
    await expect(other.get_by_label("Room", exact=True)).to_have_value("compilers")


async def test_names_and_rooms_change_from_the_keyboard(tabs: Tabs):
    ada, grace = await tabs.join("Ada"), await tabs.join("Grace", "compilers")
    await ada.get_by_label("Another name for you").press_sequentially("Lovelace")
    await ada.keyboard.press("Enter")
    await expect(people(ada)).to_have_text([re.compile("Lovelace.*you")])
    room = ada.get_by_role("button", name=re.compile("# compilers"))
    await room.focus()
    await ada.keyboard.press("Enter")
    await expect(ada.get_by_role("heading", name="# compilers")).to_be_visible()
    await expect(grace.get_by_text("Lovelace joined")).to_be_visible()
    await expect(people(grace)).to_have_count(2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_a_phone(tabs: Tabs, scheme: str, tmp_path: Path):
    page = await tabs.join("Grace Hopper of the Navy", color_scheme=scheme, **PHONE)
    await say(page, "a_word_that_is_much_longer_than_any_phone_is_wide_" * 3)
    await expect(texts(page)).to_have_count(1)
    assert await width_that_scrolls(page) <= 0
    await page.screenshot(path=tmp_path / "chat.png")
    await expect(people(page)).not_to_be_visible()
    details = page.get_by_role("button", name="Details")
    await details.click()
    await expect(people(page)).to_be_visible()
    assert await width_that_scrolls(page) <= 0
    await page.screenshot(path=tmp_path / "details.png")
    await page.keyboard.press("Escape")
    await expect(people(page)).not_to_be_visible()
    await page.evaluate("connection.open = () => {}")
    async with aiohttp.ClientSession() as session:
        await session.delete(await command(page, "#try-delete"))
    await expect(page.get_by_role("button", name="Retry")).to_be_visible()
    await page.set_viewport_size({"width": 360, "height": 640})
    assert await width_that_scrolls(page) <= 0
    await page.screenshot(path=tmp_path / "away.png")


async def test_every_control_has_a_name_and_the_page_is_styled(tabs: Tabs):
    page = await tabs.join("Ada")
    nameless = await page.evaluate(
        """() => [...document.querySelectorAll("button, input, textarea")].filter(
            (one) => !(one.labels?.length || one.textContent.trim() || one.ariaLabel)
        ).map((one) => one.outerHTML)"""
    )
    assert nameless == []
    # A policy that is too strict would show as a page without colours, and without a word in the log of a test.
    assert await page.locator("#send").evaluate("(one) => getComputedStyle(one).backgroundColor") == "rgb(15, 118, 110)"
