"""The addresses that a started gateway prints, and that they are the right ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.harness.gateway import TestGateway
from tests.harness.serving import serving
from wsgw.cli.addresses import MOST, addresses
from wsgw.cli.definition_files import read_definitions
from wsgw.definitions.api import Api, ApiMapping, DomainName

DATA = "http://127.0.0.1:8080"
MOCK = {"integration": {"type": "MOCK", "responseTemplates": {"application/json": "{}"}}}
REST = {"protocol": "REST", "routes": {"GET /": MOCK}}
HTTP = {"protocol": "HTTP", "routes": {"GET /": "http://127.0.0.1:1/"}}
CHAT = {"protocol": "WEBSOCKET", "routeSelectionExpression": "$request.body.action", "routes": {}}

CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"pets": REST}, [f"pets: {DATA}/prod"]),
    ({"shop": HTTP}, [f"shop: {DATA}/"]),
    ({"pets": REST, "shop": HTTP}, [f"pets: {DATA}/prod", f"shop: {DATA}/"]),
    ({"pets": REST, "more": REST}, [f"pets: {DATA}/pets/prod", f"more: {DATA}/more/prod"]),
    ({"web": HTTP, "shop": HTTP}, [f"web: '{DATA}/web/$default'", f"shop: '{DATA}/shop/$default'"]),
    ({"chat": CHAT, "pets": REST}, ["chat: ws://127.0.0.1:8080/chat/prod", f"pets: {DATA}/pets/prod"]),
    ({"pets": {**REST, "stages": {"a": {}, "b": {}}}}, [f"pets: {DATA}/a", f"pets: {DATA}/b"]),
    ({"pets": {**REST, "disableExecuteApiEndpoint": True}}, []),
]


def defined(apis: dict[str, Any], directory: Path) -> tuple[Api, ...]:
    file = directory / "wsgw.yaml"
    file.write_text(json.dumps({"apis": apis}))
    return read_definitions([file], {}).apis


@pytest.mark.parametrize(("apis", "lines"), CASES, ids=[" ".join(apis) for apis, _ in CASES])
def test_each_stage_has_the_shortest_address_that_leads_there(apis: dict[str, Any], lines: list[str], tmp_path: Path):
    assert addresses(DATA, defined(apis, tmp_path)) == lines


def test_many_are_not_listed(tmp_path: Path):
    lines = addresses(DATA, defined({f"api{number}": REST for number in range(MOST + 3)}, tmp_path))
    assert len(lines) == MOST + 1
    assert lines[-1] == "… and 3 more stages"


@pytest.mark.parametrize("apis", [apis for apis, _ in CASES if "chat" not in apis], ids=lambda apis: " ".join(apis))
async def test_they_lead_to_a_stage(apis: dict[str, Any], gateway: TestGateway, tmp_path: Path):
    deployed = defined(apis, tmp_path)
    gateway.deploy(*deployed)
    async with aiohttp.ClientSession() as session:
        for line in addresses(gateway.url, deployed):
            name, _, url = line.partition(": ")
            async with session.get(url.strip("'")) as answer:
                # A backend that is not there is an answer of the right API.
                assert answer.status == (200 if apis[name]["protocol"] == "REST" else 503), line


def test_domain_names_are_listed_with_what_their_base_paths_lead_to(tmp_path: Path):
    apis = defined({"pets": REST, "shop": HTTP, "chat": CHAT}, tmp_path)
    targets = {"": "shop", "v1/pets": "pets", "ws": "chat"}
    mappings = tuple(ApiMapping(api_id=api, stage="", key=key) for key, api in targets.items())
    whole = ApiMapping(api_id="pets", stage="prod")
    domains = [DomainName(name="api.example.com", mappings=mappings), DomainName(name="p.example", mappings=(whole,))]
    assert addresses("https://0.0.0.0:8443", apis, domains)[3:] == [
        "shop: https://api.example.com:8443/",
        "pets: https://api.example.com:8443/v1/pets/{stage}",
        "chat: wss://api.example.com:8443/ws/{stage}",
        "pets: https://p.example:8443/",
    ]
    many = DomainName(name="p.example", mappings=(whole,) * (MOST + 2))
    assert addresses(DATA, apis, [many])[-1] == "… and 2 more mappings of domain names"


@pytest.mark.slow
async def test_serve_prints_them(tmp_path: Path):
    defined({"pets": REST}, tmp_path)
    async with serving(tmp_path / "wsgw.yaml") as served:
        await served.says(f"wsgw: pets: {served.ready['data']}/prod")
        assert urlsplit(served.ready["data"]).port
