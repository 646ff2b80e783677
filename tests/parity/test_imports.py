"""The recorded cases of ImportRestApi and PutRestApi: what importing a definition file gives."""

from __future__ import annotations

from typing import Any

import pytest

from tests.parity.cases import IMPORTS, Case, cases
from tests.parity.given import fill, placeholders
from wsgw.formats.openapi import import_openapi
from wsgw.formats.openapi_merge import merge

_CASES = [case for case in cases() if case["request"].get("control", {}).get("operation") in IMPORTS]
_BASE: dict[str, Any] = {"openapi": "3.0.1", "info": {"title": "n", "version": "1"}, "paths": {}}


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case["id"])
def test_a_recorded_import_gives_the_recorded_api(case: Case, record_property: pytest.RecordProperty) -> None:
    record_property("parity", case["topic"])
    control, expected = case["request"]["control"], case["expected"]
    parameters = control["params"]
    basepath = parameters.get("parameters", {}).get("basepath", "ignore")
    body = fill(parameters.get("body", parameters.get("body_raw")), placeholders(case, {}))
    imported = import_openapi(body, basepath=basepath)
    if expected["status"] >= 400:
        assert imported.document is None
        assert any(finding.severity == "error" for finding in imported.findings)
        return
    document = imported.document
    assert document is not None, imported.findings
    if control["operation"] == "PutRestApi":
        existing = import_openapi(_BASE).document
        assert existing is not None
        existing |= case["given"]["calls"][0]["params"]
        document = merge(existing, document, parameters["mode"])
    for name, value in expected.get("body_json_subset", {}).items():
        assert document[name] == value
    if "then_get_resources_paths" in expected:
        assert sorted(one["path"] for one in document["resources"]) == expected["then_get_resources_paths"]
    for found, wanted in zip(document["authorizers"], expected.get("then_get_authorizers", ()), strict=False):
        assert {name: found.get(name) for name in wanted} == wanted
    assert len(document["authorizers"]) == len(expected.get("then_get_authorizers", ()))
    for place, wanted in expected.get("then_get_method", {}).items():
        path, verb = place.split()
        method = next(one for one in document["resources"] if one["path"] == path)["resourceMethods"][verb]
        assert {name: method.get(name) for name in wanted} == wanted
