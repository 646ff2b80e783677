"""Who sent something: Caller, whom an authorizer says it is (Principal), and what stays true of a connection.

Plain, slotted objects: one of each is made per request, and one per connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol


class Grants(Protocol):
    """What a principal's policies say; see authorizers/grants.py."""

    def decide(
        self, action: str, resource: str, facts: Callable[[], Any], names: Callable[[str], Any] = ...
    ) -> Any: ...


PrincipalKind = Literal["LAMBDA", "IAM", "JWT", "COGNITO", "TICKET"]


class Principal:
    """Who an authorizer says is calling. `context` is as events show it: every value a string.

    `kind`: who said so. `identity`: members of `$context.identity`. `values`: the context with JSON's own types, as
    payload format 2.0 shows it. `claims` of a token, every value a string; `scopes`: those that the route asks for, of
    a JWT. `usage_key`: the value of the API key that an authorizer names. `expires`: epoch seconds after which the
    caller is no longer known to be this one. `credential`: what it has shown, by the name that a revocation has for
    it, as `accessKey/AKID`. `grants`: its policies; None where nothing is to be evaluated.
    """

    __slots__ = (
        "claims",
        "context",
        "credential",
        "expires",
        "grants",
        "id",
        "identity",
        "kind",
        "scopes",
        "usage_key",
        "values",
    )

    def __init__(
        self,
        id: str,
        context: Mapping[str, str],
        identity: Mapping[str, str] | None = None,
        *,
        kind: PrincipalKind = "LAMBDA",
        values: Mapping[str, Any] | None = None,
        claims: Mapping[str, str] | None = None,
        scopes: Sequence[str] | None = None,
        usage_key: str | None = None,
        expires: float | None = None,
        credential: str = "",
        grants: Grants | None = None,
    ) -> None:
        self.id = id
        self.context = context
        self.identity = identity or {}
        self.kind = kind
        self.values = context if values is None else values
        self.claims = claims
        self.scopes = scopes
        self.usage_key = usage_key
        self.expires = expires
        self.credential = credential
        self.grants = grants


class CallerKey(NamedTuple):
    """The API key that a caller has shown: its id and its value, a secret."""

    id: str
    value: str


class Authorization:
    """What logs say of how an invocation was authorized. Latencies in milliseconds, statuses as HTTP has them.

    `status` and `error` of the phase that decided; `function_status`, `function_request_id` and `function_latency` of
    the call of the authorizer, where there was one. `phase`: `authenticate` (who is it), `authorize` (may they).
    Not slotted: of most callers nothing is other than it stands here, and is not written into each.
    """

    status = 200
    error = ""
    latency = 0
    phase: Literal["authenticate", "authorize"] = "authorize"
    function_status = 0
    function_request_id = ""
    function_latency = 0


class ClientCertificate(NamedTuple):
    """What a client has shown in mutual TLS (`der`), and the file of those who vouch for it."""

    der: bytes
    truststore: str


class Caller:
    """Who sent something: from where, with what, as whom, and by what name they called us.

    `domain_name`: a configured name, never what an unknown Host header says. `certificate`: in mutual TLS. `api_key`:
    where the route asks for one.
    """

    __slots__ = ("api_key", "certificate", "domain_name", "principal", "source_ip", "user_agent")

    source_ip: str
    user_agent: str | None
    domain_name: str
    principal: Principal | None
    certificate: ClientCertificate | None
    api_key: CallerKey | None

    def __init__(self) -> None:
        self.principal = None
        self.certificate = None
        self.api_key = None


class ConnectionFacts(Caller):
    """What stays true of a connection all its life, and what every event of it says. The edge's Connection is one.

    connected_at: epoch milliseconds; `callback_base`: scheme, host and port at which backends reach this gateway,
    configured as `domain_name` is. `bucket`: the connection's own, where its stage has one for each; see
    pipeline/throttle.py.
    """

    __slots__ = ("bucket", "callback_base", "connected_at", "id")

    id: str
    connected_at: int
    callback_base: str

    def __init__(self) -> None:
        super().__init__()
        self.bucket: Any = None
