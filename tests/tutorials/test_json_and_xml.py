"""JSON clients of an XML service and XML clients of a JSON service, by mapping templates of an OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree

import aiohttp
import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from wsgw.cli.definition_files import read_definitions

FILE = Path(__file__).with_name("orders_xml.yaml")
TAKEN = """<?xml version="1.0"?>
<taken>
  <number>42</number><state>OPEN</state>
  <note>it's "here"</note>
  <note>second</note>
</taken>"""


@pytest.fixture
async def url(gateway: TestGateway, backend: Backend, tmp_path: Path) -> str:
    file = tmp_path / "orders.yaml"
    file.write_text(FILE.read_text().replace("http://service.example", backend.url))
    read = read_definitions([file], {})
    assert list(read.findings) == []
    gateway.deploy(*read.apis)
    return f"{gateway.url}/orders/prod"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_json_becomes_xml_for_the_service(url, session, backend):
    backend.on("/soap/orders", 200, TAKEN, {"Content-Type": "application/xml"})
    lines = [{"sku": "tea", "quantity": 2}, {"sku": "cup", "quantity": 1}]
    order = {"customer": "Smith & <Sons>", "express": True, "lines": lines}
    async with session.post(f"{url}/orders", json=order) as answer:
        assert answer.status == 201
    [received] = backend.requests
    assert (received.header("Content-Type"), received.header("Accept")) == (
        "application/xml; charset=utf-8",
        "application/xml",
    )
    root = ElementTree.fromstring(received.text.strip())
    assert (root.tag, root.get("express"), root.findtext("customer")) == ("order", "true", "Smith & <Sons>")
    found = [(line.get("number"), line.get("sku"), line.text) for line in root.iter("line")]
    assert found == [("1", "tea", "2"), ("2", "cup", "1")]


async def test_xml_becomes_json_for_the_client(url, session, backend):
    backend.on("/soap/orders", 200, TAKEN, {"Content-Type": "application/xml"})
    async with session.post(f"{url}/orders", json={"customer": "Ada", "lines": []}) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (201, "application/json")
        text = await answer.text()
    # Escaped as JavaScript is: an apostrophe, too, which JSON does not know.
    assert json.loads(text.replace("\\'", "'")) == {
        "number": 42,
        "state": "OPEN",
        "notes": ['it\'s "here"', "second"],
    }
    assert b"express" not in backend.requests[0].body


async def test_a_refusal_in_xml_is_a_text_in_json(url, session, backend):
    backend.on("/soap/orders", 422, '<fault code="7">no\n</fault>', {"Content-Type": "application/xml"})
    async with session.post(f"{url}/orders", json={"customer": "Ada", "lines": []}) as answer:
        assert answer.status == 400
        assert await answer.json() == {"message": "not taken", "answer": '<fault code="7">no\n</fault>'}


@pytest.mark.parametrize("path", ["/orders", "/feed"])
async def test_what_no_template_takes_is_a_415(url, session, backend, path):
    async with session.post(url + path, data=b"a,b", headers={"Content-Type": "text/csv"}) as answer:
        assert (answer.status, await answer.json()) == (415, {"message": "Unsupported Media Type"})
    assert backend.requests == []


async def test_an_xml_document_is_a_text_for_a_json_service_and_its_answer_becomes_xml(url, session, backend):
    entries = [{"key": "a", "values": {"price": 1.5, "name": "tea"}}, {"key": "b", "values": {}}]
    backend.on("/feed", 200, json.dumps({"entries": entries}), {"Content-Type": "application/json"})
    document = '<feed lang="en">"quoted"\n</feed>'
    headers = {"Content-Type": "application/xml", "Accept": "application/xml"}
    async with session.post(f"{url}/feed", data=document, headers=headers) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/xml")
        root = ElementTree.fromstring(await answer.text())
    assert [(one.get("key"), [(value.tag, value.text) for value in one]) for one in root] == [
        ("a", [("price", "1.5"), ("name", "tea")]),
        ("b", []),
    ]
    assert json.loads(backend.requests[0].body) == {"document": document, "length": len(document)}
    assert backend.requests[0].header("Content-Type") == "application/json"
