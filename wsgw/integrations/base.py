"""The Invoker protocol: whatever runs an Integration."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

from wsgw.invocation import IntegrationRequest, Reply


class Invoker(Protocol):
    """Runs one kind of Integration. One instance serves many routes and concurrent invocations."""

    def invoke(self, request: IntegrationRequest) -> Coroutine[Any, Any, Reply]:
        """Call the backend and give its answer as it came.

        Raises IntegrationTimeout when `request.timeout` has passed, IntegrationFailure when the backend cannot be
        reached or breaks off, FunctionError when a function fails.
        """
        ...
