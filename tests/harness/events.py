"""A handler in this process that records the events it gets, as a Lambda function would get them."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.harness.gateway import TestGateway
from wsgw.definitions.route import Integration, Route

RECORDER = Integration(type="PYTHON", uri="recorder")


class Recorder:
    """Answers 200 to everything. Routes with the integration RECORDER come here; see `serve`."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._arrived = asyncio.Condition()

    def serve(self, gateway: TestGateway, *routes: Route, **members: Any) -> None:
        """Deploy an API with these routes on `gateway`, as its own `serve` does."""
        gateway.serve(*routes, handlers={RECORDER.uri: self}, **members)

    async def __call__(self, event: dict[str, Any], context: object) -> dict[str, Any]:
        async with self._arrived:
            self.events.append(event)
            self._arrived.notify_all()
        return {"statusCode": 200}

    def of_type(self, event_type: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["requestContext"]["eventType"] == event_type]

    async def wait_for(self, event_type: str, count: int = 1, timeout: float = 10) -> list[dict[str, Any]]:
        """The events of this type, as soon as there are `count`."""
        async with asyncio.timeout(timeout), self._arrived:
            await self._arrived.wait_for(lambda: len(self.of_type(event_type)) >= count)
        return self.of_type(event_type)

    async def wait_for_endings(self, count: int = 1) -> list[tuple[int, str]]:
        """Code and reason of the `$disconnect` events, as soon as there are `count`."""
        contexts = [event["requestContext"] for event in await self.wait_for("DISCONNECT", count)]
        return [(context["disconnectStatusCode"], context["disconnectReason"]) for context in contexts]
