"""Python functions in this process: `async def handler(event, context)`, as Lambda calls them, without Lambda.

`event` is the Lambda proxy event, `context.connections` reaches open connections, and what a handler returns is a
Lambda proxy result. A plain function works too, in a thread, for the sake of libraries that block.
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import inspect
import logging
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

from wsgw.errors import DefinitionError, FunctionError, GatewayError, IntegrationTimeout
from wsgw.integrations import handler_words as words
from wsgw.integrations.handler_context import BlockingConnections, Connections, Context, Handler, HandlerConnections
from wsgw.integrations.proxy_result import Answer, proxy_reply
from wsgw.invocation import IntegrationRequest, Reply

log = logging.getLogger("wsgw.python")

#: Calls of one plain function that run at once; more wait for their turn, and their deadline runs.
_THREADS = 32


class PythonIntegration:
    """Calls one handler, as `load_handler` gives it. `answer`: as LambdaIntegration has it."""

    def __init__(
        self, handler: Handler, connections: Connections, name: str = "", answer: Answer | None = None
    ) -> None:
        self._handler = handler
        self._connections = connections
        self._answer = answer
        self._name = name or _name_of(handler)
        self._async_connections = HandlerConnections(connections)
        # Its threads end when nothing refers to it any more: a new deployment has integrations of its own.
        self._threads = None if is_async(handler) else ThreadPoolExecutor(_THREADS, f"handler-{self._name}")

    async def invoke(self, request: IntegrationRequest) -> Reply:
        """Call the handler with `request.event`.

        Raises FunctionError where it fails or its result is no proxy result; its traceback is in the log. Raises
        IntegrationTimeout at the deadline: an asynchronous handler is cancelled then, a plain one runs on unheard.
        """
        event = request.event
        if event is None:
            raise GatewayError(detail=f"python {self._name}: a request without an event")
        # Read before the call: the event is the handler's own, to change as it likes.
        context = event["requestContext"]
        event_type, request_id = context.get("eventType", "REQUEST"), context["requestId"]
        result = await self.call(event, request_id, request.timeout)
        if self._answer is not None:
            return self._answer(result, request.target)
        return proxy_reply(result, event_type)

    async def call(
        self, event: dict[str, Any], request_id: str, timeout: float, unlogged: frozenset[str] = frozenset()
    ) -> Any:
        """What the handler gives for `event`. unlogged: texts of exceptions that are an answer and no failure.

        Raises FunctionError and IntegrationTimeout, as `invoke` does.
        """
        deadline = asyncio.timeout(timeout)
        try:
            async with deadline:
                result = await self._call(event, request_id, timeout)
        except asyncio.CancelledError:
            if _being_cancelled():
                raise
            # The handler awaited something that somebody else had cancelled: its failure, not ours.
            raise self._failed(request_id, "CancelledError") from None
        except (Exception, SystemExit) as error:
            if not deadline.expired():
                raise self._failed(request_id, type(error).__name__, str(error), unlogged) from error
        if deadline.expired():
            raise IntegrationTimeout(detail=f"python {self._name}")
        return result

    async def _call(self, event: dict[str, Any], request_id: str, timeout: float) -> Any:
        if self._threads is None:
            return await self._handler(event, Context(self._async_connections, request_id, self._name, timeout))
        loop = asyncio.get_running_loop()
        context = Context(BlockingConnections(self._connections, loop), request_id, self._name, timeout)
        run = contextvars.copy_context().run
        return await loop.run_in_executor(self._threads, run, self._handler, event, context)

    def _failed(
        self, request_id: str, kind: str, message: str = "", unlogged: frozenset[str] = frozenset()
    ) -> FunctionError:
        """Log the exception being handled, and give what the caller is told."""
        if message not in unlogged:
            log.exception("handler %s failed: request=%s", self._name, request_id)
        error = FunctionError(detail=f"python {self._name}: {kind}")
        error.function_message = message
        return error


def is_async(handler: Callable[..., Any]) -> bool:
    """`handler` gives something to await: an `async def`, a partial of one, an object whose `__call__` is one."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__)


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _name_of(handler: Handler) -> str:
    named = getattr(handler, "func", handler)
    return f"{getattr(named, '__module__', '?')}:{getattr(named, '__qualname__', type(named).__name__)}"


def load_handler(spec: str, base: Path) -> Handler:
    """The function that `spec` names, `module:function` (`package.module:function`, `module:object.method`).

    base: the directory of the definition file, from now on the first place where modules are looked for. Raises
    DefinitionError with the file and the remedy.
    """
    spec = spec.removeprefix("python:")
    module_name, _, path = spec.partition(":")
    parts = path.split(".")
    if not all(part.isidentifier() for part in [*module_name.split("."), *parts]):
        raise _unusable(spec, "write it as python:module:function, for instance python:chat.handlers:send")
    module = _module(spec, module_name, base)
    handler: Any = module
    for part in parts:
        if not hasattr(handler, part):
            raise _unusable(spec, words.no_function(_file_of(module), path))
        handler = getattr(handler, part)
    if not callable(handler) or not _takes_two(handler):
        raise _unusable(spec, words.other_parameters(_file_of(module), path))
    return handler  # type: ignore[no-any-return]  # what a module holds has no type


def _module(spec: str, name: str, base: Path) -> ModuleType:
    directory = str(base.resolve())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    # The file may have been written after Python last looked into its directory.
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            raise _unusable(spec, words.no_module(error.name, base)) from error
        raise _unusable(spec, words.import_failed(name, error)) from error
    _check_origin(spec, base, module)
    return module


def _check_origin(spec: str, base: Path, module: ModuleType) -> None:
    """Refuse another directory's module of the same name: Python has one module per name."""
    wanted = base.resolve().joinpath(*module.__name__.split("."))
    loaded = Path(_file_of(module)).resolve()
    for file in (wanted.with_name(f"{wanted.name}.py"), wanted / "__init__.py"):
        if file.is_file() and file != loaded:
            raise _unusable(spec, words.other_module(loaded, file))


def _file_of(module: ModuleType) -> str:
    """Its file. Modules that Python has built in, and packages without `__init__.py`, have none: their name."""
    return getattr(module, "__file__", None) or module.__name__


def _takes_two(handler: Any) -> bool:
    try:
        inspect.signature(handler).bind(None, None)
    except TypeError:
        return False
    except ValueError:
        # Some callables written in C tell nothing of their parameters.
        return True
    return True


def _unusable(spec: str, why: str) -> DefinitionError:
    return DefinitionError([words.unusable(spec, why)])
