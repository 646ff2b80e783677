"""The chat's page over two nodes, as `make cluster` starts them: a tab on each, while one node is restarted."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.harness.cluster_command import ClusterCommand, running_cluster
from tests.harness.pace import SLOWER

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"),
]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        one = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"],
        )
        yield one
        await one.close()


@pytest.fixture
async def cluster() -> AsyncIterator[ClusterCommand]:
    async with running_cluster() as one:
        yield one


async def join(browser: Browser, address: str, name: str) -> Page:
    """A tab of its own visitor, which has joined the lobby."""
    context = await browser.new_context()
    context.set_default_timeout(20_000 * SLOWER)
    page = await context.new_page()
    await page.goto(address)
    await expect(page.locator("#state-text")).to_have_text("Connected")
    await page.get_by_label("Your name").fill(name)
    await page.get_by_role("button", name="Join").click()
    await expect(page.get_by_label("Message", exact=True)).to_be_focused()
    return page


async def say(page: Page, text: str) -> None:
    await page.get_by_label("Message", exact=True).fill(text)
    await page.keyboard.press("Enter")


async def reads(page: Page, *texts: str) -> None:
    """The page shows exactly this conversation; it has as long as a node takes to come back."""
    await expect(page.locator(".message .text")).to_have_text([*texts], timeout=20_000 * SLOWER)


async def test_a_tab_on_each_node_talk_to_each_other_while_one_node_is_restarted(
    cluster: ClusterCommand, browser: Browser
):
    one, two = cluster.nodes
    assert one.node != two.node
    ada, grace = await join(browser, one.page, "Ada"), await join(browser, two.page, "Grace")
    for page in (ada, grace):
        await expect(page.locator("#people li")).to_have_text([re.compile("Ada"), re.compile("Grace")])
    await say(ada, "Hello over there")
    await reads(grace, "Hello over there")
    await say(grace, "Hello yourself")
    await reads(ada, "Hello over there", "Hello yourself")
    before = await grace.locator("#connection-id").text_content()

    cluster.end_node(2)
    await expect(ada.get_by_text("Grace left")).to_be_visible()
    await say(ada, "Are you there?")
    await cluster.says("node 2 is back")

    # The page comes back by itself, to the node that was started anew, and has missed nothing.
    await expect(grace.locator("#state-text")).to_have_text("Connected", timeout=20_000 * SLOWER)
    await expect(grace.locator("#connection-id")).not_to_have_text(before or "")
    await reads(grace, "Hello over there", "Hello yourself", "Are you there?")
    await say(grace, "Here I am")
    await reads(ada, "Hello over there", "Hello yourself", "Are you there?", "Here I am")
    await expect(ada.locator("#last-close")).not_to_contain_text("100")
