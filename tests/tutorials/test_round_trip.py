"""Each tutorial's API, exported and imported again, is the API that it was. Check T-12."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wsgw.formats.comparable import differences
from wsgw.formats.openapi import import_openapi
from wsgw.formats.openapi_writer import Version, export_openapi
from wsgw.formats.parse import parse

HERE = Path(__file__).parent
FILES = sorted([*HERE.glob("*.yaml"), *HERE.glob("*.json")])
#: They have no Swagger 2.
HTTP_APIS = {"queue.yaml", "quick_create.yaml", "quick_create_function.json"}
VERSIONS: tuple[Version, ...] = ("oas30", "swagger")
CASES = [(file, version) for file in FILES for version in VERSIONS if version == "oas30" or file.name not in HTTP_APIS]


def test_there_are_tutorials():
    assert {"petstore.yaml", "petstore.json", "guestbook.yaml", "greedy_proxy.yaml"} <= {file.name for file in FILES}


@pytest.mark.parametrize(("file", "version"), CASES, ids=[f"{file.name} {version}" for file, version in CASES])
def test_import_export_import_gives_the_same_api(file: Path, version: Version):
    (before,) = parse(file.read_bytes(), file.name, {}).documents
    exported = export_openapi(before, version)
    assert exported.findings == ()
    # As a file would have it.
    after = import_openapi(json.loads(json.dumps(exported.document)))
    assert after.document is not None, after.findings
    assert differences(before, after.document) == []
    again = export_openapi(after.document, version)
    assert again.document == exported.document
