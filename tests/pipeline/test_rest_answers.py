"""What proxies of REST APIs give back of a backend's or function's headers: each row of the table. Source: recorded."""

from __future__ import annotations

import pytest

from tests.mapping.request_samples import request
from wsgw.errors import ApiConfigurationError
from wsgw.invocation import Reply
from wsgw.pipeline.rest_function import call_by_method, map_function_answer
from wsgw.pipeline.rest_proxy import map_rest_answer

REMAPPED = [
    "Connection", "Content-Length", "Date", "Server", "Authorization", "Host", "Max-Forwards", "User-Agent",
    "WWW-Authenticate", "x-amzn-RequestId",
]  # fmt: skip
UNCHANGED = [
    "Accept", "Accept-Charset", "Accept-Encoding", "Age", "Content-Encoding", "Pragma", "Range", "Referer", "TE",
    "Warn", "X-Own", "Set-Cookie",
]  # fmt: skip


async def given(step, *headers: tuple[str, str], status: int = 200) -> Reply:
    invocation = request(reply=Reply(status, b"body", list(headers)))
    await step(invocation)
    reply = invocation.reply
    assert (reply.status, reply.body) == (status, b"body")
    return reply


def names(reply: Reply) -> list[str]:
    return [name for name, _ in reply.headers]


@pytest.mark.parametrize("step", [map_rest_answer(), map_function_answer()], ids=["HTTP_PROXY", "AWS_PROXY"])
@pytest.mark.parametrize("name", REMAPPED)
async def test_a_header_that_is_ours_to_say_is_renamed(step, name):
    reply = await given(step, (name, "value"), status=418)
    assert reply.header(f"x-amzn-remapped-{name}") == "value"
    assert name not in names(reply)


@pytest.mark.parametrize("step", [map_rest_answer(), map_function_answer()], ids=["HTTP_PROXY", "AWS_PROXY"])
@pytest.mark.parametrize("name", UNCHANGED)
async def test_another_header_passes_with_its_repeats(step, name):
    reply = await given(step, (name, "1"), (name, "2"))
    assert [value for key, value in reply.headers if key == name] == ["1", "2"]


@pytest.mark.parametrize("step", [map_rest_answer(), map_function_answer()], ids=["HTTP_PROXY", "AWS_PROXY"])
async def test_transfer_encoding_ends_here(step):
    assert not any("transfer" in name.lower() for name in names(await given(step, ("Transfer-Encoding", "chunked"))))


async def test_via_of_a_backend_ends_here_and_that_of_a_function_passes():
    assert "Via" not in names(await given(map_rest_answer(), ("Via", "1.1 b")))
    assert "Via" in names(await given(map_function_answer(), ("Via", "1.1 b")))


@pytest.mark.parametrize("step", [map_rest_answer(), map_function_answer()], ids=["HTTP_PROXY", "AWS_PROXY"])
async def test_an_answer_without_a_content_type_is_json(step):
    assert (await given(step)).header("content-type") == "application/json"
    assert (await given(step, ("content-type", "text/csv"))).header("content-type") == "text/csv"


async def test_the_trace_id_is_of_a_functions_answer_and_not_of_a_proxied_one():
    assert "X-Amzn-Trace-Id" in names(await given(map_function_answer()))
    assert "X-Amzn-Trace-Id" not in names(await given(map_rest_answer()))


@pytest.mark.parametrize(
    ("integration_method", "verb", "called"),
    [("POST", "GET", True), ("GET", "POST", False), ("ANY", "POST", True), ("ANY", "GET", False)],
)
async def test_a_function_is_called_with_post_only(integration_method, verb, called):
    step = call_by_method(integration_method)
    if called:
        await step(request(verb))
    else:
        with pytest.raises(ApiConfigurationError):
            await step(request(verb))
