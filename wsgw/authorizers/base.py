"""The Verifier protocol: whatever finds out who is calling, for one route."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

from wsgw.caller import Principal
from wsgw.invocation import Invocation


class Verifier(Protocol):
    """Finds out who is behind an invocation of one route. One instance serves concurrent invocations.

    Whether the principal may call this route is asked of its `grants` afterwards (pipeline/permit.py): a verifier
    refuses only whom it does not know, or whom an authorizer has refused without a policy.
    """

    def verify(self, invocation: Invocation) -> Coroutine[Any, Any, Principal]:
        """Who is calling.

        Raises Unauthorized and the errors of signatures for callers that are not known, AccessDenied where an
        authorizer said no, AuthorizerFailure and AuthorizerConfigurationError where it cannot be told.
        Notes in `invocation.authorization` what logs are to say.
        """
        ...
