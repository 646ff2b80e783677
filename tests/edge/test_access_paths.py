"""Attacks on access control by how a request is written: its path, its method. S-53, with authorizers and policies."""

from __future__ import annotations

import random
import re
from urllib.parse import unquote

import pytest

from tests.harness.attacks import ARN, BOTH, Asked, proxied, raw
from tests.harness.authorizers import call, policy
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from wsgw.definitions.access import Cors
from wsgw.definitions.api import Protocol

# ---- paths


def read_by_others(target: str) -> str:
    """A path as a careless backend takes it: decoded, without matrix parameters, slashes and dot segments settled."""
    path = re.sub(r";[^/]*", "", unquote(target.partition("?")[0])).replace("\\", "/")
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    return "/" + "/".join(kept)


SPELLINGS = [
    "/admin/x",
    "/%61dmin/x",
    "/%41dmin/../admin/x",
    "//admin/x",
    "///admin/x",
    "/admin//x",
    "/admin/x/",
    "/admin/x//",
    "/admin%2Fx",
    "/admin%2fx",
    "/%2Fadmin/x",
    "/./admin/x",
    "/%2e/admin/x",
    "/public/../admin/x",
    "/public/..%2fadmin/x",
    "/public/%2e%2e/admin/x",
    "/public/..;/admin/x",
    "/public/..;a=b/admin/x",
    "/admin;a=b/x",
    "/admin;/x",
    "/;/admin/x",
    "/admin%3Bv=1/x",
    "/admin/x;v=1",
    "/admin/x/;v=1",
    "/admin/x;v=1/",
    "/admin\\x",
    "/admin%5Cx",
    "/admin/x%00",
    "/admin/x?",
    "/admin/x%23",
    "/admin%2F%2Fx",
    "/public%2F..%2Fadmin/x",
]


@BOTH
@pytest.mark.parametrize("denied", ["/admin/*", "/admin/x"])
@pytest.mark.parametrize("target", SPELLINGS)
async def test_no_spelling_of_a_path_is_a_way_around_a_deny(
    gateway: TestGateway, backend: Backend, protocol: Protocol, target: str, denied: str
):
    """S-53: encoding, dot segments, matrix parameters, slashes. Whatever reaches the backend is not what was denied."""
    asked = Asked(policy())
    deny = {"Action": "*", "Effect": "Deny", "Resource": f"{ARN}/GET{denied}"}
    asked.result["policyDocument"]["Statement"].append(deny)
    gateway.deploy(proxied(protocol, backend, "ANY /{proxy+}", who={"result_ttl": 300}), handlers={"authorize": asked})
    # What is kept after another path has the same answer.
    assert (await call(gateway, protocol, "X-Token: t", path="/public/x")).status == 200
    answer = await call(gateway, protocol, "X-Token: t", path=target)
    reached = [read_by_others(one.target) for one in backend.requests[1:]]
    if read_by_others(target) == "/admin/x" or denied == "/admin/*":
        assert answer.status in (400, 403, 404)
        assert reached == []
    assert "/admin/x" not in reached


@pytest.mark.parametrize("target", SPELLINGS)
async def test_no_spelling_of_a_path_is_a_way_around_a_resource_policy(
    gateway: TestGateway, backend: Backend, target: str
):
    """S-53."""
    statements = [
        {"Effect": effect, "Principal": "*", "Action": "execute-api:Invoke", "Resource": resource}
        for effect, resource in (("Allow", "execute-api:/*"), ("Deny", "execute-api:/dev/GET/admin/*"))
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    gateway.deploy(proxied("REST", backend, "ANY /{proxy+}!", policy=document))
    assert (await call(gateway, "REST", path="/public/x")).status == 200
    assert (await call(gateway, "REST", path=target)).status in (400, 403, 404), target
    assert [read_by_others(one.target) for one in backend.requests] == ["/public/x"]


@BOTH
@pytest.mark.parametrize("target", [one for one in SPELLINGS if one != "/admin/x"])
async def test_no_spelling_of_a_path_has_what_another_one_is_allowed(
    gateway: TestGateway, backend: Backend, protocol: Protocol, target: str
):
    """S-53: an allowance is of the path that is written in it, by whatever else it could be read as."""
    asked = Asked(policy(resource=f"{ARN}/GET/public/*"))
    gateway.deploy(proxied(protocol, backend, "ANY /{proxy+}"), handlers={"authorize": asked})
    assert (await call(gateway, protocol, "X-Token: t", path=target)).status in (400, 403, 404)
    assert backend.requests == []


@BOTH
@pytest.mark.parametrize("target", ["/a", "/%61", "/a/", "//a", "/a//", "/A", "/a;b", "/a%20", "/a%2F", "/a.", "/./a"])
async def test_an_open_route_beside_a_guarded_one_is_reached_by_its_own_path_only(
    gateway: TestGateway, backend: Backend, protocol: Protocol, target: str
):
    """S-53: matched, authorized and sent on as one path."""
    asked = Asked(Exception("Unauthorized"))
    gateway.deploy(proxied(protocol, backend, "GET /a", "GET /{proxy+}!"), handlers={"authorize": asked})
    answer = await call(gateway, protocol, "X-Token: t", path=target)
    if answer.status == 200:
        (sent,) = backend.requests
        assert read_by_others(sent.target) != "/a" or target in ("//a", "/a/", "/a//", "/a;b", "/a%2F"), sent.target
        assert sent.target.startswith(("/a", "/A", "//a"))
    else:
        assert backend.requests == []


# ---- methods


@BOTH
@pytest.mark.parametrize(
    "verb", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "POST", "get", "GETX", "TRACE", "CONNECT"]
)
async def test_no_other_method_is_a_way_around_the_guard_of_any(
    gateway: TestGateway, backend: Backend, protocol: Protocol, verb: str
):
    asked = Asked(Exception("Unauthorized"))
    gateway.deploy(proxied(protocol, backend, "ANY /a", "GET /a!"), handlers={"authorize": asked})
    assert (await raw(gateway, "/pets/dev/a", "X-Token: t", verb=verb)).status in (400, 401, 403, 404, 405)
    assert backend.requests == []


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "x-http-method-override", "X-Http-Method-Override"])
@pytest.mark.parametrize("verb", ["GET", "POST", "HEAD", "OPTIONS"])
async def test_an_overridden_method_is_authorized_as_what_it_became(
    gateway: TestGateway, backend: Backend, header: str, verb: str
):
    """S-53: the override comes before the route, its authorizer and the key of its results."""
    asked = Asked(policy(resource=f"{ARN}/GET/*"))
    api = proxied("REST", backend, "ANY /a!", "DELETE /a", "GET /a", who={"result_ttl": 300})
    gateway.deploy(api, handlers={"authorize": asked})
    assert (await raw(gateway, "/pets/dev/a", "X-Token: t")).status == 200
    assert (await raw(gateway, "/pets/dev/a", f"{header}: DELETE", verb=verb)).status == 401
    assert (await raw(gateway, "/pets/dev/a", "X-Token: t", f"{header}: DELETE", verb=verb)).status == 403
    assert [one.method for one in backend.requests] == ["GET"]


@pytest.mark.parametrize("overrides", [("GET", "DELETE"), ("DELETE", "GET"), ("POST", "DELETE")])
async def test_of_two_overrides_the_one_that_was_authorized_is_sent_on(
    gateway: TestGateway, backend: Backend, overrides: tuple[str, str]
):
    """S-53."""
    gateway.deploy(
        proxied("REST", backend, "ANY /a!", "DELETE /a"), handlers={"authorize": Asked(Exception("Unauthorized"))}
    )
    lines = [f"X-HTTP-Method-Override: {one}" for one in overrides]
    answer = await raw(gateway, "/pets/dev/a", *lines, verb="POST")
    assert answer.status == 200 or not backend.requests
    assert [one.method for one in backend.requests] in ([], [overrides[0]])
    assert "DELETE" not in [one.method for one in backend.requests]


async def test_a_preflight_is_answered_without_asking_anybody_and_nothing_else_is(
    gateway: TestGateway, backend: Backend
):
    asked = Asked(Exception("Unauthorized"))
    cors = Cors(allow_origins=("https://a.example",), allow_methods=("GET",))
    gateway.deploy(proxied("HTTP", backend, "ANY /a", cors=cors), handlers={"authorize": asked})
    page, wants = "Origin: https://a.example", "Access-Control-Request-Method: GET"
    assert (await raw(gateway, "/pets/dev/a", page, wants, verb="OPTIONS")).status in (200, 204)
    assert asked.events == []
    for lines, verb in [((page,), "OPTIONS"), ((wants,), "OPTIONS"), ((page, wants), "GET"), ((page, wants), "HEAD")]:
        assert (await raw(gateway, "/pets/dev/a", "X-Token: t", *lines, verb=verb)).status == 401, (lines, verb)
    assert backend.requests == []


# ---- one path for all


PIECES = ["a", "A", "%61", "%2F", "%2f", "/", "//", ";", ";v=1", ".", "..", "%2e", "*", "%2A", "+", "%20", "~", "%7E"]
PIECES += ["%C3%A9", "@", "%40", ":", "=", "&", "'", "%25", "%2561", ",", "$", "!", "(", ")", "-", "_", "%"]


def made_up(seed: int, count: int) -> list[str]:
    """Paths of whatever is read in two ways."""
    rolls = random.Random(seed)
    return ["/" + "".join(rolls.choices(PIECES, k=rolls.randint(1, 7))) for _ in range(count)]


@BOTH
@pytest.mark.parametrize("seed", range(3))
async def test_what_is_authorized_is_what_is_sent_on(
    gateway: TestGateway, backend: Backend, protocol: Protocol, seed: int
):
    """S-53: one path for match, authorizer and upstream, whatever the client writes."""
    asked = Asked(lambda event: policy(resource=event["methodArn"]))
    gateway.deploy(proxied(protocol, backend, "ANY /{proxy+}", who={"result_ttl": 0}), handlers={"authorize": asked})
    let_in = 0
    for target in made_up(seed, 150):
        before = len(backend.requests)
        answer = await call(gateway, protocol, "X-Token: t", path=target)
        assert answer.status in (200, 400, 403, 404), (target, answer)
        if answer.status != 200:
            assert len(backend.requests) == before, target
            continue
        let_in += 1
        _, _, named = asked.events[-1]["methodArn"].partition("/dev/GET")
        sent = backend.requests[-1].target
        # `{proxy+}` has no slashes at its end, and a REST API's none at its beginning.
        ends = str.strip if protocol == "REST" else str.rstrip
        assert ends(sent, "/").replace("*", "%2A") == ends(named, "/"), target
        assert asked.events[-1]["path"].endswith(named.replace("%2A", "*")) or "%2A" in target
    assert let_in > 30
