"""Which method of a REST API takes a request, and what it sees of the path.

Sources: developer guide, "Develop REST APIs in API Gateway" and "Set up a proxy integration with a proxy resource";
recorded on the service where the two differ.
"""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from tests.harness.gateway import TestGateway
from tests.harness.raw_http import talk
from tests.harness.raw_websocket import Response
from tests.harness.rest_api import answers, ask, mock, rest_api
from wsgw.definitions.api import Api

TELL = answers("200", "$context.resourcePath|$input.params('proxy')|$context.path|$context.httpMethod")
NOTHING = {"message": "Missing Authentication Token"}


def telling(*keys: str) -> Api:
    return rest_api(*(mock(key, TELL) for key in keys))


def resource(response: Response) -> str:
    """The resource that answered; `-` where none did."""
    if response.status == 403:
        assert json.loads(response.body) == NOTHING
        assert response.header("x-amzn-errortype") == "MissingAuthenticationTokenException"
        return "-"
    return response.body.decode().partition("|")[0]


async def status_of_head(gateway: TestGateway, path: str) -> int:
    head = f"HEAD /pets/dev{path} HTTP/1.1\r\nHost: gateway.example\r\nConnection: close\r\n\r\n"
    return int((await talk(gateway.url, head.encode())).split(b" ", 2)[1])


SIBLING = ("POST /test", "ANY /{proxy+}")
PARTS = ("GET /part1", "GET /part1/hardcoded-value", "ANY /{param+}")
LEVELS = ("GET /pets/dog", "GET /pets/{id}", "ANY /{proxy+}", "PUT /pets/{id}")
ROWS = [
    pytest.param(SIBLING, "OPTIONS", "/test", "/{proxy+}", id="fallback to a greedy sibling that owns the verb"),
    pytest.param(SIBLING, "POST", "/test", "/test", id="a literal that owns the verb"),
    pytest.param(SIBLING, "GET", "/test/any", "/{proxy+}", id="below a literal without children"),
    pytest.param(PARTS, "GET", "/part1/random-value", "/{param+}", id="fallback to a greedy child of an ancestor"),
    pytest.param(("GET /existing",), "POST", "/existing", "-", id="unknown verb of a known path"),
    pytest.param(("GET /existing",), "GET", "/other", "-", id="unknown path"),
    pytest.param(LEVELS, "GET", "/pets/dog", "/pets/dog", id="literal before variable"),
    pytest.param(LEVELS, "GET", "/pets/cat", "/pets/{id}", id="variable before greedy"),
    pytest.param(LEVELS, "PUT", "/pets/dog", "/pets/{id}", id="a less specific resource that owns the verb"),
    pytest.param(LEVELS, "DELETE", "/pets/dog", "/{proxy+}", id="the least specific resource that owns the verb"),
    pytest.param(("GET /x", "ANY /x"), "GET", "/x", "/x", id="explicit verb before ANY"),
    pytest.param(("GET /x",), "GET", "/x/", "/x", id="a trailing slash is ignored"),
    pytest.param(("GET /a/b", "GET /{v}"), "GET", "/a%2Fb", "/{v}", id="segments are compared undecoded"),
]


@pytest.mark.parametrize(("keys", "verb", "path", "served"), ROWS)
async def test_the_most_specific_resource_that_owns_the_verb_serves(
    gateway: TestGateway, keys: tuple[str, ...], verb: str, path: str, served: str
):
    gateway.deploy(telling(*keys))
    assert resource(await ask(gateway, verb, path)) == served


async def test_head_is_not_derived_from_get(gateway: TestGateway):
    gateway.deploy(telling("GET /x"))
    assert await status_of_head(gateway, "/x") == 403


async def test_an_explicit_verb_beats_any_on_the_same_resource(gateway: TestGateway):
    gateway.deploy(rest_api(mock("GET /x", answers("200", "own")), mock("ANY /x", answers("200", "any"))))
    assert (await ask(gateway, "GET", "/x")).body == b"own"
    assert (await ask(gateway, "PUT", "/x")).body == b"any"


@pytest.mark.parametrize("verb", ["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"])
async def test_any_stands_for(gateway: TestGateway, verb: str):
    gateway.deploy(telling("ANY /x"))
    assert (await ask(gateway, verb, "/x")).status == 200
    assert await status_of_head(gateway, "/x") == 200


async def test_any_stands_for_no_other_verb(gateway: TestGateway):
    gateway.deploy(telling("ANY /x"))
    assert (await ask(gateway, "TRACE", "/x")).status == 403


async def test_x_http_method_override_replaces_the_verb(gateway: TestGateway):
    gateway.deploy(telling("GET /x", "DELETE /x"))
    response = await ask(gateway, "GET", "/x", "X-HTTP-Method-Override: DELETE")
    assert response.body.endswith(b"|DELETE")


@pytest.mark.parametrize("token", ["Bearer eyJh.eyJz.c2ln", "Basic dXNlcjpwYXNz", "token"])
@pytest.mark.parametrize("request_line", ["GET /nothing", "POST /x"])
async def test_what_is_not_there_takes_a_token_for_a_signature(gateway: TestGateway, token: str, request_line: str):
    gateway.deploy(telling("GET /x"))
    response = await ask(gateway, *request_line.split(), f"Authorization: {token}")
    assert (response.status, response.header("x-amzn-errortype")) == (403, "IncompleteSignatureException")
    digest = base64.b64encode(hashlib.sha256(token.encode()).digest()).decode()
    assert json.loads(response.body)["message"] == (
        "Invalid key=value pair (missing equal-sign) in Authorization header "
        f"(hashed with SHA-256 and encoded with Base64): '{digest}'."
    )


async def test_what_is_not_there_says_so_to_a_signed_request(gateway: TestGateway):
    gateway.deploy(telling("GET /x"))
    signed = "Authorization: AWS4-HMAC-SHA256 Credential=A/b/c/d/e, SignedHeaders=host, Signature=0"
    assert resource(await ask(gateway, "GET", "/nothing", signed)) == "-"


# ---- what a method sees of the path

VALUES = [
    pytest.param("/{proxy+}", "/a%20b%2Fc", "a%20b%2Fc", id="a variable is the raw segment"),
    pytest.param("/{proxy+}", "/a/b//c/", "a/b//c", id="greedy: inner slashes kept, trailing slash removed"),
    pytest.param("/x/{proxy}", "/x/caf%C3%A9+1", "caf%C3%A9+1", id="percent-encoding kept"),
]


@pytest.mark.parametrize(("path", "target", "value"), VALUES)
async def test_the_value_of_a_path_variable(gateway: TestGateway, path: str, target: str, value: str):
    gateway.deploy(telling(f"GET {path}"))
    assert (await ask(gateway, "GET", target)).body.decode().split("|")[:2] == [path, value]


async def test_context_path_has_the_stage_and_is_raw(gateway: TestGateway):
    gateway.deploy(telling("GET /{proxy+}"))
    assert (await ask(gateway, "GET", "//proxy%20value")).body.decode().split("|")[2] == "/dev//proxy%20value"


QUERIES = [
    pytest.param("?a=%41+b", "[a=A b]", id="form-decoded"),
    pytest.param("?a=1&A=2", "[a=1][A=2]", id="names are case-sensitive"),
    pytest.param("?a", "[a=]", id="a bare name is empty"),
    pytest.param("?a=1;b=2", "[a=1][b=2]", id="a semicolon separates, too"),
]


@pytest.mark.parametrize(("query", "seen"), QUERIES)
async def test_the_query_string(gateway: TestGateway, query: str, seen: str):
    template = "#set($q = $input.params().querystring)#foreach($k in $q.keySet())[$k=$q.get($k)]#end"
    gateway.deploy(rest_api(mock("GET /", answers("200", template))))
    assert (await ask(gateway, "GET", "/" + query)).body.decode() == seen


async def test_a_pipe_in_the_query_must_be_encoded(gateway: TestGateway):
    gateway.deploy(telling("GET /"))
    assert (await ask(gateway, "GET", "/?a=1|2")).status == 400
    assert (await ask(gateway, "GET", "/?a=1%7C2")).status == 200
