"""How many entries of a list a caller of the control port asks for."""

from __future__ import annotations

from aiohttp import web

from wsgw.errors import BadRequest


def limit_in(request: web.Request, most: int) -> int:
    """What the query's `limit` says, `most` where it says nothing or more. Raises BadRequest."""
    try:
        limit = min(int(request.query.get("limit", most)), most)
    except ValueError:
        raise BadRequest("limit: expected a whole number") from None
    if limit < 1:
        raise BadRequest("limit: expected at least 1")
    return limit
