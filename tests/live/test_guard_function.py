"""Authorizers that are asked, made ready: what all their routes share."""

from __future__ import annotations

import gc
import threading
from types import SimpleNamespace
from typing import Any

from wsgw.authorizers.access import Access
from wsgw.authorizers.lambda_verifier import Answered, CallAuthorizer
from wsgw.definitions.authorizer import Authorizer
from wsgw.live import guard_function
from wsgw.stores.memory import MemoryThrottle
from wsgw.stores.memory_cache import MemoryCache
from wsgw.stores.memory_quota import MemoryQuota

PYTHON = Authorizer(id="f", name="f", type="REQUEST", called="PYTHON", uri="auth:authorize")


def noting(threads: list[threading.Thread]) -> Any:
    def authorize(event: Any, context: Any) -> Any:
        threads.append(threading.current_thread())
        return {}

    return authorize


async def asked(call: CallAuthorizer) -> None:
    await call({}, "id", Answered())


async def test_routes_share_the_threads_of_a_plain_function_as_long_as_there_are_any():
    threads: list[threading.Thread] = []
    handler = noting(threads)
    access = Access(MemoryCache(), MemoryQuota(), MemoryThrottle(), lambda: 1_000.0)
    parts: Any = SimpleNamespace(access=access, handler=lambda uri: handler, connections=object())
    calls = [guard_function._call(PYTHON, PYTHON.uri, parts) for _ in range(5)]
    for call in calls:
        await asked(call)
    assert len(set(threads)) == 1
    del calls, call
    gc.collect()
    assert len(access._shared) == 0


async def test_another_function_has_threads_of_its_own():
    threads: list[threading.Thread] = []
    handlers = {"a": noting(threads), "b": noting(threads)}
    access = Access(MemoryCache(), MemoryQuota(), MemoryThrottle(), lambda: 1_000.0)
    parts: Any = SimpleNamespace(access=access, handler=handlers.__getitem__, connections=object())
    calls = [guard_function._call(PYTHON, uri, parts) for uri in handlers]
    for call in calls:
        await asked(call)
    assert len(set(threads)) == 2
