"""schemathesis tries what an imported REST API promises: no server error, no answer that its document doesn't have.

It generates requests that the document allows, requests that it forbids, and sequences of them. Check T-14.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from aiohttp import web

from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway
from wsgw.cli.definition_files import read_definitions

FILE = Path(__file__).with_name("lending.yaml")
BOOK = {"id": "b1", "title": "A book", "pages": 100}
#: API Gateway answers a method that isn't there with 403, where this tool wants 405.
EXCLUDED = "unsupported_method,allow_header_conformance"


def service(backend: Backend) -> None:
    def books(request: Received) -> web.Response:
        if request.method == "GET":
            return web.json_response([BOOK, BOOK])
        return web.json_response({**json.loads(request.body), "id": "b2"}, status=201)

    backend.answer("/books", books)
    backend.answer("/put", lambda request: web.Response(body=request.body, content_type="application/json"))
    backend.otherwise = lambda request: web.json_response(BOOK)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["positive", "negative"])
async def test_the_api_does_what_its_document_says(
    gateway: TestGateway, backend: Backend, tmp_path: Path, mode: str, lanes: bool
):
    service(backend)
    file = tmp_path / "lending.yaml"
    file.write_text(FILE.read_text().replace("http://service.example", backend.url))
    read = read_definitions([file], {})
    assert list(read.findings) == []
    gateway.deploy(*read.apis)
    tool = [str(Path(sys.executable).with_name("st")), "run", str(file), "--url", f"{gateway.url}/lending/prod"]
    options = ["--mode", mode, "--max-examples", "40", "--seed", "1", "--exclude-checks", EXCLUDED, "--no-color"]
    limits = ["--suppress-health-check", "all", "--request-timeout", "10", "--generation-database", "none"]
    run = await asyncio.create_subprocess_exec(
        *tool,
        *options,
        *limits,
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(FILE.parent)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(run.communicate(), 100)
    assert run.returncode == 0, said.decode()
