"""S-36: how long a refusal takes says nothing of whether a key exists, nor of how much of a signature was right."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from tests.authorizers.sigv4_signing import KEY, verifier, with_header
from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway
from tests.harness.management import signed_call
from tests.harness.raw_websocket import open_socket
from tests.harness.rest_api import mock, rest_api
from tests.harness.signed_requests import signed
from wsgw.authorizers.iam import SignedRequest
from wsgw.errors import GatewayError

SAMPLES = 10_000
STRANGER = "AKIDNOBODYX"
#: Beyond it a difference of two means is no accident.
SIGNIFICANT = 3.0
#: What a quiet local network adds to how long an answer takes, as a standard deviation, nanoseconds. Here client and
#: gateway share a thread, and a fifth of a microsecond shows: no attacker ever measures that.
JITTER = 50_000


@contextmanager
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def significance(first: list[int], second: list[int]) -> float:
    """By how many standard errors the means of both differ, without the slowest tenth of each, over a network."""
    kept = [sorted(one)[: len(one) * 9 // 10] for one in (first, second)]
    means = [statistics.fmean(one) for one in kept]
    error = sum((statistics.variance(one) + JITTER**2) / len(one) for one in kept) ** 0.5
    return abs(means[0] - means[1]) / error


def guessed(right: int) -> SignedRequest:
    """A request whose signature has its first `right` characters right."""
    request = signed()
    line = next(value for name, value in request.headers if name.lower() == "authorization")
    head, signature = line[:-64], line[-64:]
    wrong = "".join("1" if character == "0" else "0" for character in signature[right:])
    return with_header(request, "Authorization", head + signature[:right] + wrong)


def of_stranger(request: SignedRequest) -> SignedRequest:
    """The same from somebody whom nobody knows."""
    line = next(value for name, value in request.headers if name.lower() == "authorization")
    return with_header(request, "Authorization", line.replace(KEY.access_key_id, STRANGER))


@pytest.mark.slow
@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(lambda: (guessed(0), of_stranger(guessed(0))), id="unknown-key"),
        pytest.param(lambda: (guessed(0), guessed(63)), id="nearly-right"),
    ],
)
async def test_over_a_socket_no_difference_is_significant(make_gateway: MakeGateway, lanes: bool, pair: object):
    """S-36: 10,000 samples of each, in turn, on one connection."""
    if not lanes:
        pytest.skip("once is enough")
    assert callable(pair)
    gateway: TestGateway = await make_gateway(access_keys=(KEY,))
    guarded = msgspec.structs.replace(mock("ANY /a"), authorization_type="AWS_IAM")
    gateway.deploy(rest_api(guarded))
    requests = [signed_call(one) for one in pair()]
    took: tuple[list[int], list[int]] = ([], [])
    async with await open_socket(gateway.url) as socket:
        with no_collection():
            for number in range(2 * SAMPLES + 200):
                # In turn, and each as often behind itself as behind the other.
                which = (number ^ number >> 1) & 1
                began = time.perf_counter_ns()
                await socket.send(requests[which])
                response = await socket.receive_response()
                took[which].append(time.perf_counter_ns() - began)
                assert response.status == 403
    assert significance(took[0][100:], took[1][100:]) < SIGNIFICANT


@pytest.mark.parametrize("right", [0, 32, 63])
def test_an_unknown_key_takes_as_long_as_a_wrong_signature(right: int):
    """S-36, in process, where nothing hides a difference: a twentieth at most, a microsecond."""
    request = guessed(right)
    stranger = of_stranger(request)
    checked = verifier(now=time.time())
    took: tuple[list[int], list[int]] = ([], [])
    with no_collection():
        for number in range(6_000):
            which = (number ^ number >> 1) & 1
            one = (request, stranger)[which]
            began = time.perf_counter_ns()
            with pytest.raises(GatewayError):
                checked.verify(one)
            took[which].append(time.perf_counter_ns() - began)
    first, second = map(statistics.median, took)
    assert abs(first - second) < max(first, second) / 20
