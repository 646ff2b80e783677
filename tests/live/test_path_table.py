"""Which route a method and a path take, by the rules of REST APIs and of HTTP APIs.

Source: developer guide, "Routing API requests" (HTTP APIs) and "Set up a proxy resource" (REST APIs); routing recorded
on the service.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wsgw.live.path_table import PathTable
from wsgw.live.route_table import LiveRoute
from wsgw.observe.metrics import RouteMetrics


def table(*keys: str, rest: bool) -> PathTable:
    return PathTable([LiveRoute(key, (), RouteMetrics("a", "s", key)) for key in keys], rest=rest)


def served(found: PathTable, request: str) -> str | None:
    method, _, path = request.partition(" ")
    match = found.find(method, path)
    return None if match is None else match.route.key


# ---- REST

SIBLING = ("POST /test", "ANY /{proxy+}")
PARTS = ("GET /part1", "GET /part1/hardcoded-value", "GET /{param+}")
EXISTING = ("GET /existing",)
SHOP = (
    "GET /",
    "GET /pets",
    "ANY /pets",
    "GET /pets/{id}",
    "GET /pets/dog",
    "PUT /pets/{id}",
    "GET /pets/{id}/{part+}",
)

REST = [
    # The examples of the routing table, row by row.
    pytest.param(SIBLING, "OPTIONS /test", "ANY /{proxy+}", id="greedy-sibling-has-the-verb"),
    pytest.param(SIBLING, "POST /test", "POST /test", id="static"),
    pytest.param(SIBLING, "GET /test/any", "ANY /{proxy+}", id="below-the-static-one"),
    pytest.param(PARTS, "GET /part1/random-value", "GET /{param+}", id="fallback-to-a-greedy-child-of-an-ancestor"),
    pytest.param(PARTS, "GET /part1/hardcoded-value", "GET /part1/hardcoded-value", id="literal-below"),
    pytest.param(PARTS, "GET /part1", "GET /part1", id="literal"),
    pytest.param(EXISTING, "POST /existing", None, id="only-get"),
    pytest.param(EXISTING, "HEAD /existing", None, id="head-is-not-derived-from-get"),
    # Precedence: literal, {var}, {var+}; an explicit verb before ANY.
    pytest.param(SHOP, "GET /pets/dog", "GET /pets/dog", id="literal-before-variable"),
    pytest.param(SHOP, "GET /pets/cat", "GET /pets/{id}", id="variable"),
    pytest.param(SHOP, "PUT /pets/dog", "PUT /pets/{id}", id="variable-where-the-literal-lacks-the-verb"),
    pytest.param(SHOP, "GET /pets/dog/tail/tip", "GET /pets/{id}/{part+}", id="greedy-below-a-variable"),
    pytest.param(SHOP, "GET /pets", "GET /pets", id="explicit-verb-before-any"),
    pytest.param(SHOP, "DELETE /pets", "ANY /pets", id="any"),
    pytest.param(SHOP, "TRACE /pets", None, id="any-stands-for-seven-verbs"),
    pytest.param(SHOP, "GET /", "GET /", id="root"),
    pytest.param(SHOP, "GET /pets/", "GET /pets", id="a-trailing-slash-is-ignored"),
    pytest.param(SHOP, "GET /pets/cat//", "GET /pets/{id}", id="several-are"),
    pytest.param(SHOP, "GET /Pets", None, id="paths-have-a-case"),
    pytest.param(SHOP, "GET /pets/%64og", "GET /pets/{id}", id="undecoded"),
    pytest.param(("GET /{proxy+}",), "GET /", None, id="a-greedy-variable-needs-a-segment"),
]


@pytest.mark.parametrize(("keys", "request_line", "key"), REST)
def test_a_rest_api_serves(keys: tuple[str, ...], request_line: str, key: str | None):
    assert served(table(*keys, rest=True), request_line) == key


VALUES = [
    pytest.param("GET /a/{x}", "/a/b%2Fc", {"x": "b%2Fc"}, id="raw-segment"),
    pytest.param("GET /{x+}", "/a/b/c", {"x": "a/b/c"}, id="rest-of-the-path"),
    pytest.param("GET /{x+}", "/a//b", {"x": "a//b"}, id="inner-slashes-are-kept"),
    pytest.param("GET /{x+}", "/a/b/", {"x": "a/b"}, id="trailing-slash-is-removed"),
    pytest.param("GET /{x}/y/{z+}", "/1/y/2/3", {"x": "1", "z": "2/3"}, id="several"),
]


@pytest.mark.parametrize("rest", [True, False], ids=["REST", "HTTP"])
@pytest.mark.parametrize(("key", "path", "values"), VALUES)
def test_path_variables_have_the_raw_text(key: str, path: str, values: dict[str, str], rest: bool):
    match = table(key, rest=rest).find("GET", path)
    assert match is not None
    assert match.parameters == values


# ---- HTTP

DOCUMENTED = ("GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}")
HTTP = [
    # The developer guide's example, row by row; what is None goes to $default.
    pytest.param(DOCUMENTED, "GET /pets/dog/1", "GET /pets/dog/1", id="full-match"),
    pytest.param(DOCUMENTED, "GET /pets/dog/2", "GET /pets/dog/{id}", id="variable"),
    pytest.param(DOCUMENTED, "GET /pets/cat/1", "GET /pets/{proxy+}", id="longer-literal-prefix-of-two-greedy"),
    pytest.param(DOCUMENTED, "POST /test/5", "ANY /{proxy+}", id="greedy-any"),
    pytest.param(DOCUMENTED, "GET /", None, id="a-greedy-variable-needs-a-segment"),
    # Other rows of the table.
    pytest.param(("GET /a", "ANY /a"), "GET /a", "GET /a", id="explicit-verb-before-any"),
    pytest.param(("GET /a", "ANY /a"), "PUT /a", "ANY /a", id="any"),
    pytest.param(("GET /pets",), "GET /pets/", None, id="a-trailing-slash-is-another-path"),
    pytest.param(("GET /pets",), "HEAD /pets", None, id="head-is-not-derived-from-get"),
    pytest.param(("GET /pets",), "GET /PETS", None, id="case-sensitive"),
    pytest.param(
        ("GET /a/{x+}", "ANY /{y}/b"), "GET /a/b", "ANY /{y}/b", id="full-match-before-a-longer-greedy-prefix"
    ),
    pytest.param(("GET /a/{x}/c", "GET /{y}/b/{z+}"), "GET /a/b/d", "GET /{y}/b/{z+}", id="back-out-of-a-dead-end"),
]


@pytest.mark.parametrize(("keys", "request_line", "key"), HTTP)
def test_an_http_api_serves(keys: tuple[str, ...], request_line: str, key: str | None):
    assert served(table(*keys, rest=False), request_line) == key


# ---- against a matcher that tries every route

SEGMENT = st.sampled_from(["a", "b", "{v}", "{v+}"])
METHOD = st.sampled_from(["GET", "POST", "ANY"])


@st.composite
def route_keys(draw: st.DrawFn) -> str:
    segments = draw(st.lists(SEGMENT, max_size=4))
    path = []
    for number, segment in enumerate(segments):
        path.append(segment.replace("v", f"v{number}"))
        if segment == "{v+}":
            break
    return f"{draw(METHOD)} /{'/'.join(path)}"


PATHS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=5).map(lambda segments: "/" + "/".join(segments))
#: How specific a segment of a template is, by the kind of thing that stands there.
_LITERAL, _VARIABLE, _GREEDY = 0, 1, 2


def naive(keys: Iterable[str], request: str, *, rest: bool) -> str | None:
    """The route by trying all: each one that matches is weighed, the most specific one wins."""
    method, _, path = request.partition(" ")
    wanted = path.strip("/").split("/") if path != "/" else []
    found = []
    for key in keys:
        verb, _, template = key.partition(" ")
        kinds = _kinds(template, wanted)
        if kinds is None or verb not in (method, "ANY"):
            continue
        greedy = bool(kinds) and kinds[-1] == _GREEDY
        found.append((0 if rest else greedy, kinds, verb == "ANY", key))
    return min(found)[3] if found else None


def _kinds(template: str, wanted: list[str]) -> tuple[int, ...] | None:
    segments = template.strip("/").split("/") if template != "/" else []
    kinds = []
    for number, segment in enumerate(segments):
        if number >= len(wanted):
            return None
        if segment.endswith("+}"):
            return (*kinds, _GREEDY)
        if segment.startswith("{"):
            kinds.append(_VARIABLE)
        elif segment == wanted[number]:
            kinds.append(_LITERAL)
        else:
            return None
    return tuple(kinds) if len(segments) == len(wanted) else None


def shape(key: str | None) -> str | None:
    """Two templates that differ in the names of variables alone are one; an API has only one of them."""
    return None if key is None else key.replace("{", "").replace("}", "")


@given(st.lists(route_keys(), unique=True, max_size=12), st.sampled_from(["GET", "POST", "PUT"]), PATHS, st.booleans())
@example(["GET /a/{v1+}", "ANY /{v0}/b"], "GET", "/a/b", False)
@example(["GET /a/{v1+}", "ANY /{v0}/b"], "GET", "/a/b", True)
def test_the_table_agrees_with_trying_every_route(keys: list[str], method: str, path: str, rest: bool):
    assert shape(served(table(*keys, rest=rest), f"{method} {path}")) == shape(
        naive(keys, f"{method} {path}", rest=rest)
    )


def test_paths_that_were_asked_for_are_remembered_in_bounds():
    one = table("GET /{x}", rest=True)
    for number in range(5_000):
        assert served(one, f"GET /{number}") == "GET /{x}"
    assert served(one, "GET /" + "x" * 4_000) == "GET /{x}"
    assert len(one._known) <= 1_024
    assert all(len(path) <= 128 for _, path in one._known)
