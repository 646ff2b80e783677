"""AWS services called without the SDK's clients: found, signed for, and sent to over our own HTTP pool.

The SDK is there for what it knows: where services are, and the chain of credentials (environment, profiles, roles,
containers). It is imported when the first service is called, not before: it costs half a second.
Source: AWS SDKs reference guide, "Credential providers"; STS API reference, "AssumeRole".
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

from wsgw.authorizers.canonical import Pair, query_pairs
from wsgw.authorizers.signing import Credentials, canonical_target, signed_headers
from wsgw.errors import ApiConfigurationError, GatewayError, IntegrationTimeout
from wsgw.integrations.aws_endpoints import Service, service_of, told
from wsgw.integrations.http_pool import HttpPool, header_block
from wsgw.invocation import Headers, Reply

log = logging.getLogger("wsgw.aws")

#: Assumed roles are assumed anew this long before they end.
_EARLY = 300.0
#: Services in regions that are known again.
_MOST_KNOWN = 128


class AwsRequest(NamedTuple):
    """A request to a service, not signed yet. `path` and `query` are encoded in any way, `timeout` is in seconds.

    `host_prefix` goes before the host's name. `role`: the ARN of the role to call as, None for the gateway's own.
    """

    method: str
    path: str
    query: list[Pair]
    headers: Headers
    body: bytes
    timeout: float
    host_prefix: str = ""
    role: str | None = None


class AwsServices:
    """Finds services and sends them signed requests, over `pool`. Who made this object closes it.

    assume_roles: call as the role that a request names; otherwise always with the gateway's own credentials. `now`
    gives epoch seconds.
    """

    def __init__(self, pool: HttpPool, *, assume_roles: bool = False, now: Callable[[], float] = time.time) -> None:
        self._pool = pool
        self._assume_roles = assume_roles
        self._now = now
        self._session: Any = None
        self._own: Any = None
        self._services: dict[tuple[str, str], Service] = {}
        self._roles: dict[str, tuple[Credentials, float]] = {}
        self._ignored: set[str] = set()
        self._under_way: dict[Any, asyncio.Task[Any]] = {}

    async def find(self, name: str, region: str) -> Service:
        """The service that integration URIs call `name` (`sqs`, `states`, `data.iot`), in `region` ("": the default).

        Raises GatewayError, its detail naming the remedy, where there is no region or the profile cannot be read.
        """
        known = self._services.get((name, region))
        if known is None:
            known = await self._once(("service", name, region), partial(self._look_up, name, region))
            if len(self._services) >= _MOST_KNOWN:
                # A mapping may take the region from a request.
                self._services.clear()
            self._services[name, region] = known
        return known

    async def send(self, service: Service, request: AwsRequest) -> Reply:
        """Sign `request`, send it and give the service's answer, errors included.

        Raises IntegrationTimeout, what HttpPool.send_to raises, and GatewayError where there are no credentials.
        """
        deadline = asyncio.timeout(request.timeout)
        try:
            async with deadline:
                role = self._role(request.role)
                credentials = await (self._own_credentials() if role is None else self._role_credentials(role))
                return await self._send(service, request, credentials)
        except TimeoutError as error:
            if deadline.expired():
                raise IntegrationTimeout(detail=f"{service.signing_name} in {service.region}") from error
            raise

    async def close(self) -> None:
        """End what is still being looked up; who waits for it is cancelled."""
        under_way = list(self._under_way.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _send(self, service: Service, request: AwsRequest, credentials: Credentials) -> Reply:
        base = service.base
        if request.host_prefix and not service.custom:
            base = base.replace("://", f"://{request.host_prefix}", 1)
        path, query = canonical_target(service.path + (request.path or "/"), request.query, service.signing_name)
        target = self._pool.target(base + path + (f"?{query}" if query else ""))
        headers = [("Host", target.authority), *request.headers]
        added = signed_headers(
            request.method,
            path,
            query,
            headers,
            request.body,
            credentials=credentials,
            region=service.region,
            service=service.signing_name,
            now=self._now(),
        )
        lines = header_block([*request.headers, *added])
        return await self._pool.send_to(target, request.method, lines, request.body, request.timeout)

    # ---- credentials

    def _role(self, role: str | None) -> str | None:
        if role is None or self._assume_roles:
            return role
        if role not in self._ignored:
            self._ignored.add(role)
            log.warning("%s is not assumed, the gateway's own credentials are used: see the setting assume_roles", role)
        return None

    async def _own_credentials(self) -> Credentials:
        if self._own is None:
            self._own = await self._once("credentials", self._find_credentials)
        try:
            # Temporary ones are renewed here when it is time.
            frozen = await self._own.get_frozen_credentials()
        except Exception as error:
            raise told(error) from error
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    async def _find_credentials(self) -> Any:
        session = await self._sdk()
        try:
            found = await session.get_credentials()
        except Exception as error:
            raise told(error) from error
        if found is None:
            raise GatewayError(
                detail="no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
            )
        return found

    async def _role_credentials(self, role: str) -> Credentials:
        known = self._roles.get(role)
        if known is None or known[1] - _EARLY <= self._now():
            known = self._roles[role] = await self._once(("role", role), partial(self._assume, role))
        return known[0]

    async def _assume(self, role: str) -> tuple[Credentials, float]:
        from botocore.parsers import create_parser

        sts = await self.find("sts", "")
        form = {
            "Action": "AssumeRole",
            "Version": sts.metadata["apiVersion"],
            "RoleArn": role,
            "RoleSessionName": "wsgw",
        }
        headers = (("Content-Type", "application/x-www-form-urlencoded"),)
        request = AwsRequest("POST", "/", [], headers, urlencode(form).encode(), 10)
        reply = await self._send(sts, request, await self._own_credentials())
        shape = sts.model.operation_model("AssumeRole").output_shape
        answer = {"status_code": reply.status, "headers": dict(reply.headers), "body": reply.body}
        parsed = create_parser("query").parse(answer, shape)
        if reply.status != 200:
            why = parsed.get("Error", {}).get("Code", reply.status)
            raise GatewayError(detail=f"sts:AssumeRole {role}: {why}; let the gateway's own credentials assume it")
        given = parsed["Credentials"]
        expires: datetime = given["Expiration"]
        credentials = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        return credentials, expires.timestamp()

    # ---- services

    async def _look_up(self, name: str, region: str) -> Service:
        session = await self._sdk()
        return await asyncio.to_thread(service_of, session, name, region)

    async def _sdk(self) -> Any:
        if self._session is None:
            self._session = await self._once("session", partial(asyncio.to_thread, _new_session))
        return self._session

    async def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` gives. Everybody who waits shares one attempt, which goes on when one of them goes away."""
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(make())
            task.add_done_callback(partial(self._done, key))
        return await asyncio.shield(task)

    def _done(self, key: Any, task: asyncio.Task[Any]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen, even where everybody who waited has gone


def _new_session() -> Any:
    from aiobotocore.session import AioSession

    return AioSession()


def query_of(text: str) -> list[Pair]:
    """The pairs of a raw query, or of a form. Raises ApiConfigurationError for what no URL may hold."""
    if not text.isascii():
        raise ApiConfigurationError(detail="characters in a query that are not encoded")
    return query_pairs(text)
