"""Every recorded case of REST and HTTP APIs against a gateway of ours, over real sockets.

A case that belongs to a later feature is skipped, with the feature's name; all others must pass.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.harness.gateway import TestGateway
from tests.harness.lambda_endpoint import LambdaEndpoint
from tests.parity.cases import ACCESS, MAPPINGS, Case, cases, later
from tests.parity.client import body_of, head_of, send
from tests.parity.expected import BACKEND, KNOWN, check_answer, check_backend
from tests.parity.given import API_ID, apis_of, fill, placeholders, stage_of
from tests.parity.stubs import AnyPath, answer_of, function_of

_REQUESTS = [case for case in cases() if "control" not in case["request"] and case["topic"] not in (MAPPINGS, *ACCESS)]
_ALSO_KNOWN = frozenset({"backend_calls", "lambda_invocations"})


@pytest.fixture
async def gateway() -> AsyncIterator[TestGateway]:
    running = await TestGateway(lanes=True).start()
    yield running
    await running.stop()


@pytest.mark.parametrize("case", _REQUESTS, ids=lambda case: case["id"])
async def test_a_recorded_request_gets_the_recorded_answer(
    case: Case, functions: LambdaEndpoint, gateway: TestGateway, record_property: pytest.RecordProperty
) -> None:
    record_property("parity", case["topic"])
    feature = later(case)
    if feature is not None:
        pytest.skip(f"belongs to a later feature: {feature}")
    given, request = case["given"], case["request"]
    unknown = set(case["expected"]) - KNOWN - set(BACKEND) - _ALSO_KNOWN
    assert not unknown, f"nobody checks {unknown}"
    backends = {name: AnyPath(answer_of(stub)) for name, stub in given.get("backends", {}).items()}
    for name in ("b", "b404", "b500"):
        backends.setdefault(name, AnyPath(answer_of({"behaviour": "records"})))
    for backend in backends.values():
        await backend.start()
    try:
        for name, stub in given.get("lambdas", {}).items():
            functions.functions[f"arn:aws:lambda:us-east-1:000000000000:function:{name}"] = function_of(stub)
        look_up = placeholders(case, {name: backend.url for name, backend in backends.items()})
        gateway.deploy(apis_of(case, look_up))
        stage = stage_of(case)
        prefix = "" if stage == "$default" else f"/{stage}"
        target = fill(request["raw_url"], look_up) if "raw_url" in request else prefix + fill(request["path"], look_up)
        host = f"{API_ID}.execute-api.us-east-1.amazonaws.com"
        body = body_of(case)
        answer = await send(gateway.url, head_of(case, target, host, body), body or b"")
        expected = fill(case["expected"], look_up)
        check_answer(expected, answer)
        check_backend(expected, [one for backend in backends.values() for one in backend.requests])
    finally:
        for backend in backends.values():
            await backend.stop()
