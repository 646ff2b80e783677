"""Usage plans on the control port: what they are, what their keys have used, more of a quota, and a CSV for bills.

| | |
|---|---|
| `GET /usageplans` | the plans in force, in API Gateway's shape |
| `GET /usageplans/{id}/usage?startDate&endDate&keyId&limit&position` | `items{keyId: [[used, remaining], …]}` |
| `PATCH /usageplans/{id}/keys/{keyId}/usage` | UpdateUsage: replaces `/remaining` |
| `GET /usageplans/{id}/usage.csv?startDate&endDate&keyId` | a line for each key and day |
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import date

import orjson
from aiohttp import web

from wsgw.authorizers.access import Access
from wsgw.authorizers.quota_period import day_at, days
from wsgw.authorizers.usage_report import extend, flushed, range_of, usage_of
from wsgw.control.guard import json_response
from wsgw.control.paging import limit_in
from wsgw.definitions.usage import UsagePlan
from wsgw.definitions.usage_documents import usage_plan_document
from wsgw.errors import BadRequest, NotFound, StoreUnavailable
from wsgw.formats.api_key_csv import csv_text

COLUMNS = ("key", "name", "plan", "customer", "date", "used", "remaining")
_PAGE = 500
_MOST_REMAINING = 2**53
_Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class UsageEndpoint:
    """Answers for the plans that `access` knows now."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/usageplans", _answered(self.plans))
        router.add_get("/usageplans/{id}/usage", _answered(self.usage))
        router.add_get("/usageplans/{id}/usage.csv", _answered(self.csv))
        router.add_patch("/usageplans/{id}/keys/{keyId}/usage", _answered(self.update))

    async def plans(self, request: web.Request) -> web.StreamResponse:
        """Every plan, its keys by their ids."""
        return json_response(200, {"items": list(map(usage_plan_document, self._access.usage_plans.values()))})

    async def usage(self, request: web.Request) -> web.StreamResponse:
        """A page of keys with their days. Query: startDate, endDate (today), keyId, limit (≤ 500), position."""
        plan = self._plan(request)
        keys = self._keys(request, plan)
        first, last = self._range(request)
        start = _position(request)
        some = keys[start : start + limit_in(request, _PAGE)]
        await flushed(self._access)
        document = {
            "usagePlanId": plan.id,
            "startDate": first.isoformat(),
            "endDate": last.isoformat(),
            "items": await usage_of(self._access, plan, some, first, last),
        }
        if start + len(some) < len(keys):
            document["position"] = str(start + len(some))
        return json_response(200, document)

    async def csv(self, request: web.Request) -> web.StreamResponse:
        """Lines of `COLUMNS`, in the order of keys and days; remaining is empty where the plan has no quota."""
        plan = self._plan(request)
        keys = self._keys(request, plan)
        first, last = self._range(request)
        await flushed(self._access)
        # The first page before the first byte: if the store is away, that is what is answered.
        page = await self._lines(plan, keys[:_PAGE], first, last)
        response = web.StreamResponse(headers={"Content-Type": "text/csv; charset=utf-8"})
        await response.prepare(request)
        await response.write((csv_text([COLUMNS]) + page).encode())
        for start in range(_PAGE, len(keys), _PAGE):
            await response.write((await self._lines(plan, keys[start : start + _PAGE], first, last)).encode())
        await response.write_eof()
        return response

    async def _lines(self, plan: UsagePlan, key_ids: list[str], first: date, last: date) -> str:
        report = await usage_of(self._access, plan, key_ids, first, last)
        rows: list[tuple[str | int | None, ...]] = []
        for key_id, by_day in report.items():
            key = self._access.api_keys.get(key_id)
            name, customer = ("", "") if key is None else (key.name, key.customer_id)
            for day, (used, left) in zip(days(first, last), by_day, strict=True):
                rows.append((key_id, name, plan.id, customer, day.isoformat(), used, left))
        return csv_text(rows)

    async def update(self, request: web.Request) -> web.StreamResponse:
        """What is left of the current period: a patch of `/remaining`, as UpdateUsage takes it."""
        plan = self._plan(request)
        key_id = request.match_info["keyId"]
        if key_id not in plan.keys:
            raise NotFound(f"Invalid API Key identifier specified: the usage plan {plan.id} has no such key")
        remaining = _remaining(await request.read())
        try:
            used, left = await extend(self._access, plan, key_id, remaining)
        except ValueError as error:
            raise BadRequest(str(error)) from error
        today = day_at(self._access.now()).isoformat()
        items = {key_id: [[used, left]]}
        return json_response(200, {"usagePlanId": plan.id, "startDate": today, "endDate": today, "items": items})

    def _plan(self, request: web.Request) -> UsagePlan:
        plan = self._access.usage_plans.get(request.match_info["id"])
        if plan is None:
            raise NotFound("Invalid Usage Plan ID specified")
        return plan

    @staticmethod
    def _keys(request: web.Request, plan: UsagePlan) -> list[str]:
        """The plan's keys; or the one that is asked for, which may have been in the plan once."""
        wanted = request.query.get("keyId")
        return list(plan.keys) if wanted is None else [wanted]

    def _range(self, request: web.Request) -> tuple[date, date]:
        query = request.query
        try:
            return range_of(query.get("startDate", ""), query.get("endDate", ""), day_at(self._access.now()))
        except ValueError as error:
            raise BadRequest(str(error)) from error


def _answered(handler: _Answer) -> _Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except StoreUnavailable as error:
            return json_response(503, {"message": f"Usage cannot be told now: {error}"})

    return answer


def _position(request: web.Request) -> int:
    """Which key a page begins with, as the page before said it."""
    text = request.query.get("position", "0")
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise BadRequest("position: expected what `position` of another page said")
    return int(text)


def _remaining(body: bytes) -> int:
    """The number that the patch in `body` asks for."""
    try:
        operations = orjson.loads(body)["patchOperations"]
        ((op, path, value),) = [(one["op"], one["path"], one["value"]) for one in operations]
        number = int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}", value) else -1
    except (ValueError, TypeError, LookupError):
        raise BadRequest(
            'expected {"patchOperations": [{"op": "replace", "path": "/remaining", "value": "N"}]}'
        ) from None
    if (op, path) != ("replace", "/remaining"):
        message = f"Invalid patch path  '{path}' specified for op '{op}'. Must be one of: [/remaining]"
        raise BadRequest(message)
    if not 0 <= number <= _MOST_REMAINING:
        raise BadRequest("/remaining: expected a whole number, as text")
    return number
