"""Who has signed an invocation: by the keys in force, made ready once, noted for logs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.authorizers.sigv4_signing import KEY, NOW, altered, sign
from wsgw.authorizers import iam_verifier
from wsgw.authorizers.access import Access
from wsgw.authorizers.iam import SignedRequest
from wsgw.authorizers.iam_verifier import IamVerifier
from wsgw.caller import Caller, ConnectionFacts
from wsgw.errors import GatewayError, InvalidSignature, MissingAuthenticationToken, UnrecognizedClient
from wsgw.header_fields import HeaderFields
from wsgw.invocation import HttpInvocation, Invocation

POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
WITH_POLICY = msgspec.structs.replace(KEY, policies=(POLICY,))


@pytest.fixture
def access() -> Access:
    nothing: Any = None
    one = Access(nothing, nothing, nothing, lambda: NOW)
    one.admit([WITH_POLICY])
    return one


def received(request: SignedRequest) -> Any:
    return SimpleNamespace(method=request.method, target=request.raw_target, headers=request.headers, body=request.body)


def invocation(request: SignedRequest | None, method: str = "POST") -> HttpInvocation:
    site: Any = SimpleNamespace(api_id="a", stage="prod")
    one = HttpInvocation(site, Caller(), "id", 0, method, "/", "/", "", HeaderFields([]), b"")
    one.received = None if request is None else received(request)
    return one


async def test_a_key_is_made_ready_once_until_keys_are_replaced(access: Access, monkeypatch: pytest.MonkeyPatch):
    compiled: list[Any] = []

    def counting(document: Any) -> Any:
        compiled.append(document)
        return original(document)

    original = iam_verifier.compile_policy
    monkeypatch.setattr(iam_verifier, "compile_policy", counting)
    verifier = IamVerifier(access, region="us-east-1")
    first = await verifier.verify(invocation(sign()))
    assert await verifier.verify(invocation(sign(body=b"other"))) is first
    assert len(compiled) == 1
    access.admit([WITH_POLICY])
    assert await verifier.verify(invocation(sign())) is not first
    access.admit([])
    with pytest.raises(UnrecognizedClient):
        await verifier.verify(invocation(sign()))


async def test_logs_learn_what_became_of_a_signature(access: Access):
    verifier = IamVerifier(access, region="us-east-1")
    good, bad = invocation(sign()), invocation(altered(sign(), body=b"x"))
    await verifier.verify(good)
    assert good.authorization is not None
    assert (good.authorization.phase, good.authorization.status, good.authorization.error) == ("authenticate", 200, "")
    with pytest.raises(InvalidSignature) as refusal:
        await verifier.verify(bad)
    assert bad.authorization is not None
    assert (bad.authorization.status, bad.authorization.error) == (403, refusal.value.message)


WHY = {
    "access_key_unknown": [],
    "session_token_wrong_or_missing access_key=AKIDEXAMPLE": [{"session_token": "another"}],
    "signature_does_not_match access_key=AKIDEXAMPLE": [{"secret": "another"}],
    "access_key_expired access_key=AKIDEXAMPLE": [{"expires": NOW - 1}],
}


@pytest.mark.parametrize(("why", "keys"), WHY.items(), ids=WHY.keys())
async def test_operators_read_why_a_signature_was_refused(access: Access, why: str, keys: list[dict[str, Any]]):
    access.admit([msgspec.structs.replace(WITH_POLICY, **members) for members in keys])
    with pytest.raises(GatewayError) as refused:
        await IamVerifier(access, region="us-east-1").verify(invocation(sign()))
    assert refused.value.detail == why
    assert "AKIDEXAMPLE" not in refused.value.message


async def test_another_method_than_the_signed_one_must_be_signed_for(access: Access):
    verifier = IamVerifier(access, region="us-east-1")
    with pytest.raises(InvalidSignature, match="'x-http-method-override' must be a 'SignedHeader'"):
        await verifier.verify(invocation(sign("POST"), "DELETE"))
    signed = sign("POST", headers={"X-HTTP-Method-Override": "DELETE"})
    assert (await verifier.verify(invocation(signed, "DELETE"))).id == KEY.principal


async def test_what_is_no_request_is_signed_by_nobody(access: Access):
    verifier = IamVerifier(access, region="us-east-1")
    with pytest.raises(MissingAuthenticationToken):
        await verifier.verify(invocation(None))
    site: Any = SimpleNamespace()
    with pytest.raises(MissingAuthenticationToken):
        await verifier.verify(Invocation(site, "MESSAGE", "send", ConnectionFacts(), "id", 0))


async def test_a_key_that_can_sign_another_region_cannot_sign_here(access: Access):
    with pytest.raises(InvalidSignature, match="valid region"):
        await IamVerifier(access, region="eu-west-1").verify(invocation(sign()))
