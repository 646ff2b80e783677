"""What IAM policies may ask about a request and its sender: condition keys, each read only when a policy names it.

Callers from a network that the settings call a VPC endpoint's have no `aws:SourceIp`, as on the service: their address
is `aws:VpcSourceIp`. Source: developer guide, "AWS condition keys that can be used in API Gateway resource policies".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from time import gmtime, strftime
from typing import Any, Final, NamedTuple

from wsgw.authorizers.patterns import Context
from wsgw.caller import Principal
from wsgw.invocation import HttpInvocation, Invocation

Values = tuple[str, ...]

_NOTHING: Final[Values] = ()
_NO_FACTS: Final[Mapping[str, Values]] = {}


class VpcSource(NamedTuple):
    """By which endpoint, and from which VPC, callers of one network come; None where the settings do not say."""

    endpoint: str | None
    vpc: str | None


class VpcSources:
    """The networks that the setting `vpc_sources` names, each `CIDR=vpce-ID/vpc-ID`. The first that fits holds."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Raises ValueError for a network that is none."""
        self._networks: list[tuple[IPv4Network | IPv6Network, VpcSource]] = []
        for text in texts:
            network, _, names = text.partition("=")
            ids = names.split("/")
            endpoint = next((one for one in ids if one.startswith("vpce-")), None)
            vpc = next((one for one in ids if one.startswith("vpc-")), None)
            self._networks.append((ip_network(network, strict=False), VpcSource(endpoint, vpc)))
        self.of = lru_cache(maxsize=4096)(self._of) if self._networks else _of_none

    def _of(self, address: str) -> VpcSource | None:
        """The source that `address` is of."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return None
        # A dual-stack listener shows IPv4 peers so.
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        return next((source for network, source in self._networks if parsed in network), None)


def _of_none(_address: str) -> VpcSource | None:
    return None


class IamPrincipal(Principal):
    """A principal that has signed: `facts` are the condition keys, in lower case, that are true of it alone.

    `account_id` is the account that it is of, "" where its ARN names none. One instance serves all its requests.
    """

    __slots__ = ("account_id", "facts")

    account_id: str
    facts: Mapping[str, Values]


class _Keys(Context):
    """What has all that `_READERS` read, and of who signed it `signer`: the condition keys."""

    __slots__ = ()

    signer: Mapping[str, Values]

    def values(self, key: str) -> Values:
        """The values of `key` (lower case); empty where nothing is known."""
        read = _READERS.get(key)
        if read is None:
            return self.signer.get(key, _NOTHING)
        value = read(self)
        return _NOTHING if value is None else (value,)


class Facts(_Keys):
    """The condition keys of one request. `secure` and `header` are asked only if a policy does.

    signer: the condition keys of who signed it. vpc: what `VpcSources.of` says of `source_ip`. now: epoch seconds.
    header: gives the first value of a header, by its name in lower case.
    """

    __slots__ = ("header", "now", "region", "secure", "signer", "source_ip", "user_agent", "vpc")

    def __init__(
        self,
        *,
        source_ip: str,
        now: float,
        region: str,
        signer: Mapping[str, Values] = _NO_FACTS,
        vpc: VpcSource | None = None,
        user_agent: str | None = None,
        header: Callable[[str], str | None] = lambda _name: None,
        secure: Callable[[], bool | None] = lambda: None,
    ) -> None:
        self.source_ip = source_ip
        self.now = now
        self.region = region
        self.signer = signer
        self.vpc = vpc
        self.user_agent = user_agent
        self.header = header
        self.secure = secure


class InvocationFacts(_Keys):
    """The condition keys of an invocation; of a message: of its connection. Each is read when a policy asks for it."""

    __slots__ = ("_clock", "_invocation", "_now", "_vpcs", "region")

    def __init__(self, invocation: Invocation, clock: Callable[[], float], region: str, vpcs: VpcSources) -> None:
        self._invocation = invocation
        self._clock = clock
        self._now: float | None = None
        self._vpcs = vpcs
        self.region = region

    @property
    def signer(self) -> Mapping[str, Values]:  # type: ignore[override]
        principal = self._invocation.caller.principal
        return principal.facts if isinstance(principal, IamPrincipal) else _NO_FACTS

    @property
    def source_ip(self) -> str:
        return self._invocation.caller.source_ip

    @property
    def vpc(self) -> VpcSource | None:
        return self._vpcs.of(self._invocation.caller.source_ip)

    @property
    def user_agent(self) -> str | None:
        return self._invocation.caller.user_agent

    @property
    def now(self) -> float:
        # Once: a policy that has an hour begin and end sees one moment.
        if self._now is None:
            self._now = self._clock()
        return self._now

    def header(self, name: str) -> str | None:
        return _header(self._invocation, name)

    def secure(self) -> bool | None:
        return _secure(self._invocation)


def _header(invocation: Invocation, wanted: str) -> str | None:
    if isinstance(invocation, HttpInvocation):
        return invocation.fields.first(wanted)
    return next((value for name, value in invocation.headers if name.lower() == wanted), None)


def _secure(invocation: Invocation) -> bool | None:
    """Whether the client speaks TLS, with the gateway or with a proxy that is believed."""
    lines = invocation.forwarded if isinstance(invocation, HttpInvocation) else invocation.headers
    for name, value in reversed(lines):
        if name == "X-Forwarded-Proto":
            return value == "https"
    if isinstance(invocation, HttpInvocation):
        return None
    return invocation.connection.callback_base.startswith("https:")


def _secure_text(facts: Any) -> str | None:
    secure: bool | None = facts.secure()
    return None if secure is None else str(secure).lower()


_READERS: Final[dict[str, Callable[[Any], str | None]]] = {
    "aws:sourceip": lambda facts: facts.source_ip if facts.vpc is None else None,
    "aws:vpcsourceip": lambda facts: None if facts.vpc is None else facts.source_ip,
    "aws:sourcevpc": lambda facts: None if facts.vpc is None else facts.vpc.vpc,
    "aws:sourcevpce": lambda facts: None if facts.vpc is None else facts.vpc.endpoint,
    "aws:useragent": lambda facts: facts.user_agent,
    "aws:referer": lambda facts: facts.header("referer"),
    "aws:securetransport": _secure_text,
    "aws:currenttime": lambda facts: strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(facts.now)),
    "aws:epochtime": lambda facts: str(int(facts.now)),
    "aws:requestedregion": lambda facts: facts.region,
    "aws:viaawsservice": lambda _facts: "false",
}
#: The condition keys that a request may have, beside `aws:PrincipalTag/…`: in lower case, and as AWS spells them.
KEYS: Final = {
    name.lower(): name
    for name in (
        *("aws:SourceIp", "aws:VpcSourceIp", "aws:SourceVpc", "aws:SourceVpce", "aws:UserAgent", "aws:Referer"),
        *("aws:SecureTransport", "aws:CurrentTime", "aws:EpochTime", "aws:RequestedRegion", "aws:ViaAWSService"),
        *("aws:PrincipalArn", "aws:PrincipalType", "aws:PrincipalAccount", "aws:PrincipalOrgID", "aws:userid"),
        *("aws:username", "aws:PrincipalIsAWSService"),
    )
}
