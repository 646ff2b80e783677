"""Base paths and the tree of resources."""

from __future__ import annotations

from typing import Any

import pytest

from tests.formats.openapi_documents import http_api, openapi, operation, swagger
from wsgw.formats.openapi import import_openapi


def resource_paths(document: dict[str, Any], basepath: Any = "ignore") -> list[str]:
    imported = import_openapi(document, basepath=basepath)
    assert imported.document is not None, imported.findings
    return [resource["path"] for resource in imported.document["resources"]]


TEST = {"/test": {"get": operation()}}
E_F = {"/e": {"get": operation()}, "/f": {"get": operation()}}
ABC = [{"url": "https://example.com/a/b/c"}]
VARIABLE = [{"url": "https://example.com", "variables": {"basePath": {"default": "/base-var"}}}]
URL = [{"url": "https://example.com/base-url/part/"}]
USED = [{"url": "https://example.com/{stage}/x", "variables": {"stage": {"default": "v1"}}}]

BASE_PATHS = [
    # Rows of the table of base paths.
    (openapi(E_F, servers=ABC), "ignore", ["/", "/e", "/f"]),
    (openapi(E_F, servers=ABC), "prepend", ["/", "/a", "/a/b", "/a/b/c", "/a/b/c/e", "/a/b/c/f"]),
    (openapi(E_F, servers=ABC), "split", ["/", "/b", "/b/c", "/b/c/e", "/b/c/f"]),
    # import-01 to import-09, recorded.
    (swagger(TEST, basePath="/base"), "ignore", ["/", "/test"]),
    (swagger(TEST, basePath="/base"), "prepend", ["/", "/base", "/base/test"]),
    (swagger(TEST, basePath="/base"), "split", ["/", "/test"]),
    (openapi(TEST, servers=VARIABLE), "ignore", ["/", "/test"]),
    (openapi(TEST, servers=VARIABLE), "prepend", ["/", "/base-var", "/base-var/test"]),
    (openapi(TEST, servers=VARIABLE), "split", ["/", "/test"]),
    (openapi(TEST, servers=URL), "ignore", ["/", "/test"]),
    (openapi(TEST, servers=URL), "prepend", ["/", "/base-url", "/base-url/part", "/base-url/part/test"]),
    (openapi(TEST, servers=URL), "split", ["/", "/part", "/part/test"]),
    (openapi(TEST, servers=USED), "prepend", ["/", "/v1", "/v1/x", "/v1/x/test"]),
    (openapi({"/": {"get": operation()}}, servers=URL), "split", ["/", "/part"]),
    (openapi(TEST), "prepend", ["/", "/test"]),
    (swagger(TEST, basePath="/"), "prepend", ["/", "/test"]),
]


@pytest.mark.parametrize(("document", "basepath", "paths"), BASE_PATHS)
def test_the_base_path_is_ignored_prepended_or_split(document, basepath, paths):
    assert resource_paths(document, basepath) == paths


def test_the_base_path_stands_before_the_routes_of_an_http_api_but_not_before_its_default_route():
    paths = {
        "/test": {"get": operation()},
        "/$default": {"x-amazon-apigateway-any-method": operation(isDefaultRoute=True)},
    }
    imported = import_openapi(http_api(paths, servers=VARIABLE), basepath="prepend")
    assert imported.document is not None
    assert [route["routeKey"] for route in imported.document["routes"]] == ["GET /base-var/test", "$default"]


def test_resources_have_those_above_them():
    imported = import_openapi(openapi({"/a/{b}/c+": {"get": operation()}} | {"/a/{b}/d": {"get": operation()}}))
    assert imported.document is None
    imported = import_openapi(openapi({"/a/{b}/d": {"get": operation()}, "/a": {"get": operation()}}))
    assert imported.document is not None
    by_path = {resource["path"]: resource for resource in imported.document["resources"]}
    assert list(by_path) == ["/", "/a", "/a/{b}", "/a/{b}/d"]
    assert by_path["/"]["id"] == imported.document["rootResourceId"]
    for path, above in (("/a", "/"), ("/a/{b}", "/a"), ("/a/{b}/d", "/a/{b}")):
        assert by_path[path]["parentId"] == by_path[above]["id"]
    assert by_path["/a/{b}/d"]["pathPart"] == "d"
    assert len({resource["id"] for resource in by_path.values()}) == 4


REFUSED = [
    pytest.param(["/a/{b}", "/a/{c}"], "/paths/~1a~1{c}", "variable path part already", id="one variable child"),
    pytest.param(["/a/{b}", "/a/{c+}"], "/paths/~1a~1{c+}", "variable path part already", id="greedy or not"),
    pytest.param(["/{p+}/x"], "/paths/~1{p+}~1x", "below a greedy", id="nothing below a greedy variable"),
    pytest.param(["/a{b}"], "/paths/~1a{b}", "cannot be a part", id="partial variable"),
    pytest.param(["/a b"], "/paths/~1a b", "cannot be a part", id="path part characters"),
    pytest.param(["a"], "/paths/a", "begins with a slash", id="no slash"),
    pytest.param(["/a//b"], "/paths/~1a~1~1b", "begins with a slash", id="empty segment"),
]


@pytest.mark.parametrize(("paths", "pointer", "message"), REFUSED)
def test_a_tree_that_cannot_be_is_refused(paths, pointer, message):
    imported = import_openapi(openapi({path: {"get": operation()} for path in paths}))
    assert imported.document is None
    (finding,) = imported.findings
    assert (finding.pointer, message in finding.message) == (pointer, True)


def test_a_slash_at_the_end_changes_nothing():
    assert resource_paths(openapi({"/a/": {"get": operation()}})) == ["/", "/a"]
    twice = openapi({"/a/": {"get": operation()}, "/a": {"get": operation()}})
    imported = import_openapi(twice)
    assert imported.document is None
    assert "two methods GET /a" in imported.findings[0].message
