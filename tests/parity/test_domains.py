"""The documented example of a domain name whose paths lead to four APIs."""

from __future__ import annotations

import pytest

from tests.harness.gateway import TestGateway
from tests.parity.cases import MAPPINGS, Case, cases
from tests.parity.client import head_of, send
from tests.parity.test_parity import gateway  # noqa: F401  # the fixture
from wsgw.definitions.api import Api, ApiMapping, DomainName, Stage
from wsgw.definitions.route import Integration, Route

_CASES = [case for case in cases() if case["topic"] == MAPPINGS]


def _api(number: int, name: str) -> Api:
    async def says_its_name(_event: object, _context: object) -> dict[str, object]:
        return {"statusCode": 200, "body": name}

    uri = f"handlers:say{number}"
    _HANDLERS[uri] = says_its_name
    route = Route(key="$default", integration=Integration(type="PYTHON", uri=uri, payload_format_version="2.0"))
    stage = Stage(name="$default")
    return Api(id=f"api{number}", name=name, protocol="HTTP", routes={"$default": route}, stages={"$default": stage})


_HANDLERS: dict[str, object] = {}


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case["id"])
async def test_the_longest_mapping_key_wins(
    case: Case,
    gateway: TestGateway,  # noqa: F811
    record_property: pytest.RecordProperty,
) -> None:
    record_property("parity", case["topic"])
    given, request = case["given"], case["request"]
    apis = [_api(number, name) for number, name in enumerate(given["mappings"].values())]
    mappings = tuple(
        ApiMapping(api_id=f"api{number}", stage="$default", key="" if key == "(none)" else key)
        for number, key in enumerate(given["mappings"])
    )
    gateway.app.deploy(
        apis,
        handlers=_HANDLERS,  # type: ignore[arg-type]
        domain_names=(DomainName(name=given["domain"], mappings=mappings),),
    )
    answer = await send(gateway.url, head_of(case, request["path"], request["host"], None), b"")
    assert (answer.status, answer.body.decode()) == (case["expected"]["status"], case["expected"]["body"])
