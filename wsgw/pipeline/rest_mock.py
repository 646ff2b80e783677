"""MOCK integrations of REST APIs: the request template says a status, the integration responses do the rest.

Source: developer guide, "Set up mock integrations in API Gateway"; what else than JSON is read was recorded on the
service.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import orjson

from wsgw.errors import ApiConfigurationError
from wsgw.invocation import HttpInvocation, Invocation, Reply
from wsgw.pipeline.rest_templates import RestTemplate
from wsgw.pipeline.run import Step

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<sign>[{}\[\]:,])|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<bare>[^\s{}\[\]:,"']+))""",
    re.DOTALL,
)
_NUMBER: Final = re.compile(r"-?[0-9]+")
_NESTING: Final = 100
#: Longer texts must be JSON: a client may send them, and reading them leniently takes a second for 10 MB.
_LONGEST: Final = 65_536


def mock_status(text: str) -> int | None:
    """The statusCode of a mock object, a whole number; None where there is none, or `text` is no object.

    Names without quotes, single quotes and commas at the end are taken, as by the service.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        document = _lenient(text) if len(text) <= _LONGEST else None
    status = document.get("statusCode") if isinstance(document, dict) else None
    if isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 599:
        return status
    return None


class _Malformed(Exception):
    pass


def _lenient(text: str) -> Any:
    try:
        tokens = _tokens(text)
        value, at = _value(tokens, 0, 0)
    except (_Malformed, IndexError):
        return None
    return value if at == len(tokens) else None


def _tokens(text: str) -> list[tuple[str, str]]:
    found = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _Malformed
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _value(tokens: list[tuple[str, str]], at: int, depth: int) -> tuple[Any, int]:
    """The value that begins at `at`, and where it ends."""
    kind, text = tokens[at]
    if kind in ("double", "single"):
        return text, at + 1
    if kind == "bare":
        return (int(text) if _NUMBER.fullmatch(text) and len(text) < 10 else text), at + 1
    if depth == _NESTING or text not in "{[":
        raise _Malformed
    end = "}" if text == "{" else "]"
    members: dict[str, Any] = {}
    at += 1
    while tokens[at] != ("sign", end):
        name = ""
        if end == "}":
            if tokens[at][0] == "sign" or tokens[at + 1] != ("sign", ":"):
                raise _Malformed
            name = tokens[at][1]
            at += 2
        members[name], at = _value(tokens, at, depth + 1)
        if tokens[at] == ("sign", ","):
            at += 1
        elif tokens[at] != ("sign", end):
            raise _Malformed
    # A list's values are of no interest here.
    return (members if end == "}" else []), at + 1


def mock(
    chosen: Callable[[HttpInvocation], RestTemplate | None],
    body_of: Callable[[HttpInvocation, Callable[[str], str] | None], bytes],
    respond: Callable[[HttpInvocation, Reply, str], Reply],
    *,
    constant_bodies: bool,
) -> Step:
    """Answers without a backend.

    chosen: gives the request template; body_of: the body through a template; respond: the integration responses.
    constant_bodies: whether a template without variables gives its text whatever the body is (nothing is binary).
    """
    known: dict[str, int | None] = {}

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        template = chosen(invocation)
        if constant_bodies and template is not None and template.constant is not None:
            # There are as many of these texts as templates.
            text = template.constant
            status = known[text] if text in known else known.setdefault(text, mock_status(text))
        else:
            body = body_of(invocation, None if template is None else partial(template.render, invocation))
            status = mock_status(body.decode("utf-8", "replace"))
        if status is None:
            raise ApiConfigurationError(detail="mock: the request template gives no object with a whole statusCode")
        invocation.integration_status = status
        invocation.reply = respond(invocation, Reply(status), str(status))

    return step
