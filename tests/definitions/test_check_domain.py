"""What is said about custom domain names."""

from __future__ import annotations

import json

import pytest

from wsgw.definitions.api import ApiMapping, DomainName
from wsgw.definitions.check_domain import check_domains
from wsgw.definitions.freeze import freeze
from wsgw.formats.parse import parse

APIS = {"shop": {"protocol": "HTTP"}, "pets": {"protocol": "REST"}, "chat": {"protocol": "WEBSOCKET"}}


def findings_of(name: str = "a.example", **members: object) -> list[str]:
    members.setdefault("mappings", {"/": "shop/$default"})
    parsed = parse(json.dumps({"apis": APIS, "domainNames": {name: members}}).encode(), "f", {})
    assert [str(finding) for finding in parsed.findings] == []
    apis = [freeze(document) for document in parsed.documents]
    return [str(one).replace('domainNames["a.example"].', "") for one in check_domains(parsed.domain_names, apis)]


WRONG = [
    ({"mappings": {}}, "warning: mappings: it leads nowhere: every request is refused (add one, as /: API/STAGE)"),
    (
        {"mappings": {"/": "gone"}},
        "error: mappings./: there is no API 'gone' (APIs: shop, pets, chat)",
    ),
    (
        {"mappings": {"v1": "shop/gone"}},
        "error: mappings.v1: the API has no stage 'gone' (stages of shop: $default)",
    ),
    (
        {"mappings": {"a b": "shop"}},
        'error: mappings["a b"]: not a base path that a mapping can have (use up to 300 letters, digits, '
        "$-_.+!*'() and single slashes)",
    ),
    ({"certificate": "c.pem"}, "error: certificateKey: a certificate and its key go together (name both files)"),
    ({"certificateKey": "k.pem"}, "error: certificate: a certificate and its key go together (name both files)"),
    (
        {"mappings": {"/": "shop", "chat": "chat"}},
        "warning: mappings: API Gateway lets no WebSocket API share a domain name with others; this gateway does",
    ),
]


@pytest.mark.parametrize(("members", "message"), WRONG, ids=[message[:60] for _, message in WRONG])
def test_each_fault_is_found_and_worded(members: dict, message: str):
    assert findings_of(**members) == [message]


@pytest.mark.parametrize("name", ["a.example", "*.example.com", "A.Example", "localhost"])
def test_names_that_a_domain_can_have_are_taken(name: str):
    assert findings_of(name) == []


@pytest.mark.parametrize("name", ["a b", "a..b", "-a.example", "a.*.example", "a.example:80", ""])
def test_names_that_no_domain_can_have_are_refused(name: str):
    (finding,) = findings_of(name)
    assert "not a domain name (write it as api.example.com or *.example.com)" in finding


def test_base_paths_may_have_several_levels_and_must_differ():
    assert findings_of(mappings={"orders/v1/items": "shop", "/": "pets/prod"}) == []
    mapping = ApiMapping(api_id="shop", stage="", key="x")
    domain = DomainName(name="a.example", mappings=(mapping, mapping))
    assert [
        one.message
        for one in check_domains([domain], [freeze({"apiId": "shop", "name": "shop", "protocolType": "HTTP"})])
    ] == ["there are two mappings with this base path"]


def test_an_api_that_nothing_leads_to_is_warned_of():
    api = freeze({"apiId": "shop", "name": "shop", "protocolType": "HTTP", "disableExecuteApiEndpoint": True})
    assert [str(one) for one in check_domains([], [api])] == [
        "warning: apis.shop.disableExecuteApiEndpoint: no domain name leads to the API: nobody can reach it (add one)"
    ]
    domain = DomainName(name="a.example", mappings=(ApiMapping(api_id="shop", stage="$default"),))
    assert check_domains([domain], [api]) == []


def test_a_name_that_is_there_twice_is_an_error_whatever_its_case():
    domains = {"a.example": {"mappings": {"/": "shop/$default"}}, "A.Example": {"mappings": {"/": "pets/prod"}}}
    parsed = parse(json.dumps({"apis": APIS, "domainNames": domains}).encode(), "f", {})
    apis = [freeze(document) for document in parsed.documents]
    assert [one.message for one in check_domains(parsed.domain_names, apis)] == [
        "it is there twice: names have no case"
    ]


@pytest.mark.parametrize("protocol", ["HTTP", "REST", "WEBSOCKET"])
def test_a_way_around_mutual_tls_is_a_warning(protocol: str):
    """At its own address an API asks for no certificate, as on the service; each kind can be closed there."""

    def found(**members: object) -> list[str]:
        api = {"protocol": protocol, "routes": {}, **members}
        domain = {"mappings": {"/": "a"}, "truststore": "clients.pem"}
        parsed = parse(json.dumps({"apis": {"a": api}, "domainNames": {"a.example": domain}}).encode(), "f", {})
        assert [str(finding) for finding in parsed.findings] == []
        return [str(one) for one in check_domains(parsed.domain_names, map(freeze, parsed.documents))]

    (one,) = found()
    assert one.startswith("warning: ")
    assert "a answers without a client certificate, too" in one
    assert found(disableExecuteApiEndpoint=True) == []
