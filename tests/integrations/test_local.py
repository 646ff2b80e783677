"""T-11 for functions in this process, and how a definition finds them."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wsgw.errors import (
    DefinitionError,
    FunctionError,
    Gone,
    IntegrationTimeout,
    LimitExceeded,
    RequestTooLarge,
)
from wsgw.integrations.local import PythonIntegration, load_handler
from wsgw.invocation import IntegrationRequest


class Recorder:
    """Connections that are all open, but for those whose error is in `errors`."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.errors: dict[str, Exception] = {}

    def _record(self, id: str, *call: Any) -> None:
        if id in self.errors:
            raise self.errors[id]
        self.calls.append((*call, id))

    async def post(self, connection_id: str, data: bytes, is_binary: bool = False, /) -> None:
        self._record(connection_id, "post", data, is_binary)

    async def get(self, connection_id: str, /) -> dict[str, Any]:
        self._record(connection_id, "get")
        return {"connectedAt": "2026-09-25T00:22:29.887Z"}

    async def delete(self, connection_id: str, /) -> None:
        self._record(connection_id, "delete")


@pytest.fixture
def connections() -> Recorder:
    return Recorder()


def request(event_type: str = "MESSAGE", timeout: float = 10, body: str = "hello") -> IntegrationRequest:
    event = {"requestContext": {"eventType": event_type, "requestId": "EOAAAAAAIAMEAAA="}, "body": body}
    return IntegrationRequest("POST", "chat:send", (), b"", timeout, event)


# ---- calling


async def test_a_handler_gets_the_event_and_a_context_and_its_result_is_the_reply(connections):
    seen = []

    async def handler(event, context):
        seen.append((event["body"], context.aws_request_id, context.function_name))
        return {"statusCode": 403, "headers": {"X-Why": "full"}, "body": "no room"}

    reply = await PythonIntegration(handler, connections, "chat:send").invoke(request("CONNECT"))
    assert (reply.status, reply.body, list(reply.headers)) == (403, b"no room", [("X-Why", "full")])
    assert seen == [("hello", "EOAAAAAAIAMEAAA=", "chat:send")]


@pytest.mark.parametrize("result", [None, "text", {"statusCode": 200}])
async def test_a_message_that_needs_no_answer_gets_none(connections, result):
    async def handler(_event, _context):
        return result

    assert (await PythonIntegration(handler, connections).invoke(request())).body == b""


@pytest.mark.parametrize("result", [None, "text", {}, {"statusCode": "soon"}, {"statusCode": 200, "body": {}}])
async def test_a_handshake_needs_a_proxy_result(connections, result):
    async def handler(_event, _context):
        return result

    with pytest.raises(FunctionError) as caught:
        await PythonIntegration(handler, connections).invoke(request("CONNECT"))
    assert caught.value.status == 502


async def test_a_handler_may_spoil_its_event(connections):
    async def handler(event, _context):
        event.clear()
        return {"body": "done"}

    assert (await PythonIntegration(handler, connections).invoke(request())).body == b"done"


async def test_a_failing_handler_is_a_function_error_and_its_traceback_is_logged_once(connections, caplog):
    async def handler(event, _context):
        return event["nothing like this"]

    with pytest.raises(FunctionError) as caught:
        await PythonIntegration(handler, connections, "chat:send").invoke(request())
    assert caught.value.message == "Internal server error"
    assert caught.value.detail == "python chat:send: KeyError"
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "chat:send" in record.getMessage()
    assert "EOAAAAAAIAMEAAA=" in record.getMessage()
    assert "nothing like this" in caplog.text


async def test_a_handler_that_exits_does_not_end_the_gateway(connections):
    async def handler(_event, _context):
        sys.exit(3)

    with pytest.raises(FunctionError, match="SystemExit"):
        await PythonIntegration(handler, connections).invoke(request())


async def test_a_timeout_of_the_handlers_own_is_its_failure_and_not_the_gateways(connections):
    async def handler(_event, _context):
        raise TimeoutError

    with pytest.raises(FunctionError, match="TimeoutError"):
        await PythonIntegration(handler, connections).invoke(request())


async def test_a_handler_that_awaits_something_cancelled_fails_alone(connections):
    async def handler(_event, _context):
        other = asyncio.ensure_future(asyncio.Event().wait())
        other.cancel()
        await other

    with pytest.raises(FunctionError, match="CancelledError"):
        await PythonIntegration(handler, connections).invoke(request())


async def test_at_the_deadline_the_handler_is_cancelled(connections):
    cancelled = asyncio.Event()

    async def handler(_event, _context):
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(IntegrationTimeout) as caught:
        await PythonIntegration(handler, connections).invoke(request(timeout=0.05))
    assert caught.value.status == 504
    assert cancelled.is_set()


@pytest.mark.parametrize("end", [lambda: {"body": "too late"}, lambda: 1 // 0])
async def test_what_a_handler_does_after_its_deadline_does_not_count(connections, end, caplog):
    async def handler(_event, _context):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return end()

    with pytest.raises(IntegrationTimeout):
        await PythonIntegration(handler, connections).invoke(request(timeout=0.05))
    assert not caplog.records


async def test_cancelling_an_invocation_cancels_its_handler(connections):
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(_event, _context):
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    task = asyncio.create_task(PythonIntegration(handler, connections).invoke(request()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()


async def test_the_context_counts_down_to_the_deadline(connections):
    async def handler(_event, context):
        return {"body": str(context.get_remaining_time_in_millis())}

    reply = await PythonIntegration(handler, connections).invoke(request(timeout=20))
    assert 15_000 < int(reply.body) <= 20_000


# ---- connections


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        ("Grüße", "Grüße".encode()),
        (b"\x00\xff", b"\x00\xff"),
        ({"a": [1, None]}, b'{"a":[1,null]}'),
        ([1], b"[1]"),
        ("", b""),
    ],
)
async def test_a_handler_posts_text_bytes_and_json(connections, data, sent):
    async def handler(_event, context):
        await context.connections.post("abc=", data)
        await context.connections.post("abc=", data, binary=True)

    await PythonIntegration(handler, connections).invoke(request())
    assert connections.calls == [("post", sent, False, "abc="), ("post", sent, True, "abc=")]


async def test_a_handler_gets_and_deletes_connections(connections):
    async def handler(_event, context):
        found = await context.connections.get("abc=")
        await context.connections.delete("abc=")
        return {"body": found["connectedAt"]}

    reply = await PythonIntegration(handler, connections).invoke(request())
    assert reply.body == b"2026-09-25T00:22:29.887Z"
    assert connections.calls == [("get", "abc="), ("delete", "abc=")]


@pytest.mark.parametrize("error", [Gone, LimitExceeded, RequestTooLarge])
async def test_a_handler_can_tell_why_a_push_failed(connections, error):
    connections.errors["abc="] = error()

    async def handler(_event, context):
        try:
            await context.connections.post("abc=", "hello")
        except error as caught:
            return {"body": type(caught).__name__}

    assert (await PythonIntegration(handler, connections).invoke(request())).body == error.__name__.encode()


async def test_a_push_that_fails_unnoticed_is_the_handlers_failure(connections):
    connections.errors["abc="] = Gone()

    async def handler(_event, context):
        await context.connections.post("abc=", "hello")

    with pytest.raises(FunctionError, match="Gone"):
        await PythonIntegration(handler, connections).invoke(request())


# ---- plain functions


async def test_a_plain_function_runs_in_a_thread_and_may_block_on_connections(connections):
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("kept")
    loop_thread = threading.get_ident()

    def handler(event, context):
        assert threading.get_ident() != loop_thread
        context.connections.post("abc=", event["body"])
        found = context.connections.get("abc=")
        context.connections.delete("abc=")
        return {"body": found["connectedAt"] + variable.get()}

    reply = await PythonIntegration(handler, connections).invoke(request())
    assert reply.body == b"2026-09-25T00:22:29.887Zkept"
    assert connections.calls == [("post", b"hello", False, "abc="), ("get", "abc="), ("delete", "abc=")]


@pytest.mark.parametrize("error", [ValueError, SystemExit, Gone])
async def test_a_failing_plain_function_is_a_function_error(connections, error):
    def handler(_event, _context):
        raise error

    with pytest.raises(FunctionError, match=error.__name__):
        await PythonIntegration(handler, connections).invoke(request())


async def test_a_plain_function_that_blocks_is_left_behind_at_the_deadline(connections):
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def handler(_event, _context):
        began.set()
        go_on.wait(10)
        ended.set()

    integration = PythonIntegration(handler, connections)
    try:
        # On a busy machine its thread may begin after the deadline: then the handler is not called at all.
        while not began.is_set():
            with pytest.raises(IntegrationTimeout):
                await integration.invoke(request(timeout=0.05))
        assert not ended.is_set()
    finally:
        go_on.set()
    assert ended.wait(10)


class CallableObject:
    async def __call__(self, _event, _context):
        return {"body": "called"}


async def partial_target(word, _event, _context):
    return {"body": word}


@pytest.mark.parametrize(
    ("handler", "body"), [(CallableObject(), b"called"), (functools.partial(partial_target, "part"), b"part")]
)
async def test_whatever_gives_something_to_await_is_awaited(connections, handler, body):
    assert (await PythonIntegration(handler, connections).invoke(request())).body == body


# ---- finding a handler

Writer = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Writer]:
    """Write a module into a directory of this test; what it changes in this process is undone."""
    path, modules = list(sys.path), set(sys.modules)

    def write(name: str, text: str, directory: str = "api") -> Path:
        base = tmp_path / directory
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text(textwrap.dedent(text))
        return base

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


HANDLER = """
    async def send(event, context):
        return {"body": __name__}

    class Room:
        @staticmethod
        async def join(event, context):
            return {"body": "joined"}

    def needs_three(event, context, more): ...
    def needs_none(): ...
    number = 7
"""


@pytest.mark.parametrize(
    ("file", "spec", "body"),
    [
        ("wsgw_room.py", "wsgw_room:send", b"wsgw_room"),
        ("wsgw_room.py", "python:wsgw_room:send", b"wsgw_room"),
        ("wsgw_room.py", "wsgw_room:Room.join", b"joined"),
        ("wsgw_rooms/__init__.py", "wsgw_rooms:send", b"wsgw_rooms"),
        ("wsgw_rooms/handlers.py", "wsgw_rooms.handlers:send", b"wsgw_rooms.handlers"),
    ],
)
async def test_a_handler_is_found_beside_its_definition(write, connections, file, spec, body):
    handler = load_handler(spec, write(file, HANDLER))
    assert (await PythonIntegration(handler, connections).invoke(request())).body == body


UNUSABLE = [
    ("wsgw_room", "module:function"),
    ("wsgw_room:", "module:function"),
    (":send", "module:function"),
    ("wsgw_room:send()", "module:function"),
    ("../wsgw_room:send", "module:function"),
    ("wsgw_nowhere:send", "no module wsgw_nowhere: put it beside the definition file"),
    ("wsgw_nowhere.handlers:send", "no module wsgw_nowhere: put it beside the definition file"),
    ("wsgw_room:sendd", "define `async def sendd(event, context)`"),
    ("wsgw_room:number", "make it `async def number(event, context)`"),
    ("wsgw_room:needs_three", "make it `async def needs_three(event, context)`"),
    ("wsgw_room:needs_none", "make it `async def needs_none(event, context)`"),
]


@pytest.mark.parametrize(("spec", "remedy"), UNUSABLE)
def test_a_handler_that_cannot_be_used_is_said_with_its_place_and_a_remedy(write, spec, remedy):
    base = write("wsgw_room.py", HANDLER)
    with pytest.raises(DefinitionError) as caught:
        load_handler(spec, base)
    [finding] = caught.value.findings
    assert finding.startswith(f"python:{spec}: ")
    assert remedy in finding


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "import wsgw_missing_library",
            "importing wsgw_broken failed: ModuleNotFoundError: No module named 'wsgw_miss",
        ),
        ("1 / 0", "importing wsgw_broken failed: ZeroDivisionError"),
        ("def send(:", "importing wsgw_broken failed: SyntaxError"),
        ("raise SystemExit(1)", "importing wsgw_broken failed: SystemExit"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(write, text, reason):
    with pytest.raises(DefinitionError) as caught:
        load_handler("wsgw_broken:send", write("wsgw_broken.py", text))
    assert reason in str(caught.value)


def test_another_directorys_module_of_the_same_name_is_not_taken_for_ones_own(write):
    first, second = write("wsgw_twin.py", HANDLER, "one"), write("wsgw_twin.py", HANDLER, "two")
    load_handler("wsgw_twin:send", first)
    with pytest.raises(DefinitionError, match="give one of the two another name"):
        load_handler("wsgw_twin:send", second)


@pytest.mark.parametrize("path", ["exit", "nothing"])
def test_a_module_without_a_file_is_said_by_its_name(write, path):
    with pytest.raises(DefinitionError, match=f"python:sys:{path}: .*sys"):
        load_handler(f"sys:{path}", write("other.py", ""))


def test_a_handler_of_an_installed_package_is_found_from_anywhere(write):
    library, base = write("wsgw_library.py", HANDLER, "library"), write("other.py", "", "api")
    sys.path.append(str(library))
    assert load_handler("wsgw_library:send", base).__module__ == "wsgw_library"
