"""Where AWS services are and what they speak, by the SDK's data: endpoints, signing names, service models.

Source: AWS SDKs reference guide, "Service-specific endpoints"; botocore's endpoints.json and service-2.json files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from wsgw.errors import GatewayError

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


def service_of(session: Any, name: str, region: str) -> Service:
    """The service that integration URIs call `name`, as the SDK's `session` knows it. It reads files: not for the loop.

    region: "" for the session's own. Raises GatewayError, its detail naming the remedy.
    """
    try:
        return _described(session, name, region)
    except GatewayError:
        raise
    except Exception as error:
        raise told(error) from error


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


def told(error: Exception) -> GatewayError:
    """An error of the SDK's as one of ours, for the log; the client learns nothing of it."""
    return GatewayError(detail=f"AWS credentials or configuration: {type(error).__name__}: {error}"[:400])
