"""What must be known of AWS services to call them without the SDK's clients: endpoints, protocols, credentials.

botocore knows all of it: its endpoint and service data, and its chain of credentials (environment, profiles, roles,
containers). It is imported when the first service is called, not before: it costs half a second.
Source: AWS SDKs reference guide, "Service-specific endpoints"; botocore's service-2.json files.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

from wsgw.authorizers.canonical import Pair, query_pairs
from wsgw.authorizers.signing import Credentials, canonical_target, signed_headers
from wsgw.errors import ApiConfigurationError, GatewayError, IntegrationTimeout
from wsgw.integrations.http_pool import HttpPool, header_block
from wsgw.invocation import Headers, Reply

log = logging.getLogger("wsgw.aws")

#: Services whose clients botocore calls by another name than integration URIs do.
_CLIENTS = {
    "states": "stepfunctions",
    "email": "ses",
    "monitoring": "cloudwatch",
    "data.iot": "iot-data",
    "data.jobs.iot": "iot-jobs-data",
    "runtime.sagemaker": "sagemaker-runtime",
    "runtime.lex": "lex-runtime",
    "execute-api": "apigatewaymanagementapi",
    "entitlement.marketplace": "marketplace-entitlement",
    "metering.marketplace": "meteringmarketplace",
    "elasticloadbalancing": "elbv2",
    "elasticmapreduce": "emr",
    "streams.dynamodb": "dynamodbstreams",
    "tagging": "resourcegroupstaggingapi",
}
#: Names with a dot that are one service's, not a subdomain of another.
WHOLE_NAMES = frozenset(name for name in _CLIENTS if "." in name)
#: Assumed roles are assumed anew this long before they end.
_EARLY = 300.0


class Service(NamedTuple):
    """A service in a region. `base`: scheme, host and perhaps port; `path`: what stands before every path, mostly "".

    `custom`: the base is configured (AWS_ENDPOINT_URL…), so that no label can be put before its host. `model` is
    botocore's ServiceModel, None for a service that it does not know.
    """

    base: str
    path: str
    region: str
    signing_name: str
    custom: bool
    model: Any

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the model says of protocol, version and target prefix."""
        return self.model.metadata if self.model is not None else {}


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
            raise _told(error) from error
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    async def _find_credentials(self) -> Any:
        session = await self._sdk()
        try:
            found = await session.get_credentials()
        except Exception as error:
            raise _told(error) from error
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
        return await asyncio.to_thread(_service, session, name, region)

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


def _service(session: Any, name: str, region: str) -> Service:
    try:
        return _described(session, name, region)
    except GatewayError:
        raise
    except Exception as error:
        raise _told(error) from error


def _described(session: Any, name: str, region: str) -> Service:
    from botocore.regions import EndpointResolver

    region = region or session.get_config_variable("region") or ""
    if not region:
        raise GatewayError(detail="no AWS region: set AWS_DEFAULT_REGION, or give the integration's uri its region")
    last = name.rpartition(".")[2]
    model = _model(session, _CLIENTS.get(name) or _CLIENTS.get(last, last))
    prefix = model.endpoint_prefix if model is not None else last
    resolver = EndpointResolver(session.get_component("data_loader").load_data("endpoints"))
    found = resolver.construct_endpoint(prefix, region) or {}
    scope = found.get("credentialScope", {})
    signing_name = scope.get("service") or (model.signing_name if model is not None else last)
    custom = _configured_endpoint(session, model, last)
    if custom is not None:
        scheme, _, rest = custom.rstrip("/").partition("://")
        host, _, path = rest.partition("/")
        return Service(f"{scheme}://{host}", f"/{path}" if path else "", region, signing_name, True, model)
    host = found.get("hostname") or f"{prefix}.{region}.amazonaws.com"
    return Service(f"https://{host}", "", scope.get("region") or region, signing_name, False, model)


def _model(session: Any, client: str) -> Any:
    from botocore.exceptions import UnknownServiceError
    from botocore.model import ServiceModel

    try:
        return ServiceModel(session.get_component("data_loader").load_service_model(client, "service-2"), client)
    except UnknownServiceError:
        return None


def _configured_endpoint(session: Any, model: Any, name: str) -> str | None:
    """The environment's endpoint for the service or for all, then the profile's; None for the region's own."""
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    service_id = (model.service_id if model is not None else name).replace(" ", "_").replace("-", "_")
    for variable in (f"AWS_ENDPOINT_URL_{service_id.upper()}", "AWS_ENDPOINT_URL"):
        if os.environ.get(variable):
            return os.environ[variable]
    profile = session.get_scoped_config()
    services = session.full_config.get("services", {}).get(profile.get("services"), {})
    configured: str | None = services.get(service_id.lower(), {}).get("endpoint_url") or profile.get("endpoint_url")
    return configured


def _told(error: Exception) -> GatewayError:
    """An error of the SDK's as one of ours, for the log; the client learns nothing of it."""
    return GatewayError(detail=f"AWS credentials or configuration: {type(error).__name__}: {error}"[:400])


def query_of(text: str) -> list[Pair]:
    """The pairs of a raw query, or of a form. Raises ApiConfigurationError for what no URL may hold."""
    if not text.isascii():
        raise ApiConfigurationError(detail="characters in a query that are not encoded")
    return query_pairs(text)
