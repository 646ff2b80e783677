"""Whether an answer is what a case expects of it: each member of `expected` by its own rule."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.harness.backend import Received
from tests.parity.client import Answer
from wsgw.mapping.jsonpath import compile_path

#: Words about the recorded account that another cannot have.
_PRESENT = "<present>"


def check_answer(expected: Mapping[str, Any], answer: Answer) -> None:
    """Raises AssertionError for the first thing that differs."""
    assert answer.status == expected.get("status", answer.status), answer
    if "status_class" in expected:
        assert f"{answer.status // 100}xx" == expected["status_class"]
    for key, check in _BODIES.items():
        if key in expected:
            check(expected[key], answer.body)
    _check_headers(expected, answer)


def _check_headers(expected: Mapping[str, Any], answer: Answer) -> None:
    for name, value in expected.get("headers", {}).items():
        # The client that the cases were recorded with joins what is repeated.
        assert ", ".join(answer.values(name)) == value, (name, answer.headers)
    for name in expected.get("headers_present", ()):
        assert answer.values(name), (name, answer.headers)
    for name in expected.get("headers_absent", ()):
        assert not answer.values(name), (name, answer.headers)
    for name, value in expected.get("headers_exact_name", {}).items():
        assert ", ".join(found for key, found in answer.headers if key == name) == value, answer.headers
    for name, value in expected.get("header_contains", {}).items():
        assert any(value in one for one in answer.values(name)), (name, answer.headers)
    for name, pattern in expected.get("header_regex", {}).items():
        assert any(re.search(pattern, one) for one in answer.values(name)), (name, answer.headers)
    if "set_cookie" in expected:
        assert answer.values("set-cookie") == expected["set_cookie"]


def _text(expected: str, body: bytes) -> None:
    assert body.decode() == expected


def _normalized(expected: str, body: bytes) -> None:
    assert " ".join(body.decode().split()) == expected


def _json(expected: Any, body: bytes) -> None:
    assert json.loads(body) == expected


def _subset(expected: Mapping[str, Any], body: bytes) -> None:
    document = json.loads(body)
    assert {key: document.get(key) for key in expected} == expected


def _fields(expected: Mapping[str, Any], body: bytes) -> None:
    document = json.loads(body)
    found = {path: _at(document, path) for path in expected}
    assert found == expected


def _at(document: Any, path: str) -> Any:
    """The value at a dotted path; a key may hold dots itself. A member that is not there is None."""
    if not isinstance(document, dict):
        return None
    if path in document:
        return document[path]
    for at in (index for index, character in enumerate(path) if character == "."):
        if path[:at] in document:
            return _at(document[path[:at]], path[at + 1 :])
    return None


def _paths(expected: Mapping[str, Any], body: bytes) -> None:
    document = json.loads(body)
    assert {path: compile_path(path).get(document) for path in expected} == expected


def _bytes(expected: str, body: bytes) -> None:
    assert body == base64.b64decode(expected)


_BODIES: Mapping[str, Callable[[Any, bytes], None]] = {
    "body": _text,
    "body_whitespace_normalized": _normalized,
    "body_json": _json,
    "body_json_subset": _subset,
    "body_json_fields": _fields,
    "body_json_path": _paths,
    "body_base64": _bytes,
}
KNOWN = frozenset(_BODIES) | {
    "status",
    "status_class",
    "headers",
    "headers_present",
    "headers_absent",
    "headers_exact_name",
    "header_contains",
    "header_regex",
    "set_cookie",
}


def check_backend(expected: Mapping[str, Any], requests: Sequence[Received]) -> None:
    """What the backend has received; one request, where anything is expected of it."""
    if "backend_calls" in expected:
        assert len(requests) == expected["backend_calls"]
    wanted = {key: value for key, value in expected.items() if key in BACKEND}
    if not wanted:
        return
    assert len(requests) == 1, requests
    for key, value in wanted.items():
        BACKEND[key](value, requests[0])


def _received(expected: Mapping[str, str], request: Received) -> None:
    for name, value in expected.items():
        found = request.header(name)
        assert found is not None if value == _PRESENT else found == value, (name, request.headers)


def _absent(expected: Sequence[str], request: Received) -> None:
    for name in expected:
        assert request.header(name) is None, (name, request.headers)


def _query(expected: Mapping[str, Sequence[str]], request: Received) -> None:
    found: dict[str, list[str]] = {}
    for pair in request.query.split("&"):
        name, _, value = pair.partition("=")
        found.setdefault(name, []).append(value)
    assert found == expected


def _equal(read: Callable[[Received], Any]) -> Callable[[Any, Received], None]:
    def check(expected: Any, request: Received) -> None:
        assert read(request) == expected

    return check


def _matching(expected: Mapping[str, str], request: Received) -> None:
    for name, pattern in expected.items():
        found = request.header(name)
        assert re.search(pattern, found or ""), (name, request.headers)


BACKEND: Mapping[str, Callable[[Any, Received], None]] = {
    "backend_received_headers": _received,
    "backend_absent_headers": _absent,
    "backend_received_headers_regex": _matching,
    "backend_received_method": _equal(lambda request: request.method),
    "backend_received_path": _equal(lambda request: request.path),
    "backend_received_query": _query,
    "backend_received_body": _equal(lambda request: request.text),
    "backend_received_body_base64": lambda expected, request: _bytes(expected, request.body),
    "backend_received_body_json": lambda expected, request: _json(expected, request.body),
    "backend_received_body_json_subset": lambda expected, request: _subset(expected, request.body),
}
