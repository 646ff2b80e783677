"""`$context` of requests to REST and HTTP APIs: its variables one by one, and as a whole, for templates.

Source: developer guide, "$context variables for mapping templates, models, authorizers, and CloudWatch access
logging" and "Customizing HTTP API access logs"; the members that templates see are recorded on the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final

from wsgw.invocation import HttpInvocation
from wsgw.mapping.caller_readers import (
    Reader,
    Value,
    authorizer_decision_reader,
    identity_reader,
    vpc_reader,
    vpc_source,
)
from wsgw.mapping.client_certificate import client_certificate
from wsgw.mapping.readers import COMMON, add_sections, nothing, waf_response_code, web_acl_arn
from wsgw.mapping.times import clf_time

#: What `$context.identity` has, with a value or without.
_IDENTITY: Final = (
    "cognitoIdentityPoolId",
    "accountId",
    "cognitoIdentityId",
    "caller",
    "sourceIp",
    "principalOrgId",
    "accessKey",
    "cognitoAuthenticationType",
    "cognitoAuthenticationProvider",
    "userArn",
    "userAgent",
    "user",
)


def request_context(invocation: HttpInvocation) -> dict[str, Any]:
    """All of `$context` of a request, nested: made when first asked for, kept for all its templates.

    What a template writes into it, `requestOverride` and `responseOverride` above all, later ones read.
    """
    context = invocation.context
    if context is None:
        context = invocation.context = _new_context(invocation)
    return context


def _new_context(invocation: HttpInvocation) -> dict[str, Any]:
    site, caller = invocation.site, invocation.caller
    identity: dict[str, Any] = dict.fromkeys(_IDENTITY)
    identity["sourceIp"] = caller.source_ip
    identity["userAgent"] = caller.user_agent
    if caller.certificate is not None:
        identity["clientCert"] = client_certificate(caller.certificate.der)
    source = vpc_source(invocation)
    if source is not None:
        identity.update(vpcId=source.vpc, vpceId=source.endpoint)
    context: dict[str, Any] = {
        "resourceId": invocation.resource_id,
        "resourcePath": invocation.resource_path,
        "httpMethod": invocation.method,
        "extendedRequestId": invocation.extended_request_id,
        "requestTime": clf_time(invocation.request_time),
        "path": invocation.path,
        "accountId": site.account_id,
        "protocol": invocation.protocol,
        "requestOverride": {"header": {}, "path": {}, "querystring": {}},
        "stage": site.stage,
        "domainPrefix": invocation.domain_prefix,
        "requestTimeEpoch": invocation.request_time,
        "requestId": invocation.request_id,
        "identity": identity,
        "domainName": caller.domain_name,
        "deploymentId": site.deployment_id,
        "responseOverride": {"header": {}},
        "apiId": site.api_id,
    }
    if invocation.operation_name:
        context["operationName"] = invocation.operation_name
    if invocation.waf_action:
        context.update(wafResponseCode=waf_response_code(invocation), webaclArn=web_acl_arn(invocation))
    add_sections(context, invocation)
    return context


# ---- one by one


def _base_path(invocation: HttpInvocation) -> Value:
    return invocation.base_path or None


def _response_length(invocation: HttpInvocation) -> Value:
    """Bytes of the answer's body as far as they are known: a stream may not say how long it is."""
    reply = invocation.reply
    if reply is None or invocation.is_head:
        return 0
    announced = reply.stream.length if reply.stream is not None else None
    return len(reply.body) if announced is None else announced


def _data_processed(invocation: HttpInvocation) -> Value:
    length = _response_length(invocation)
    return len(invocation.body) + (length if isinstance(length, int) else 0)


def _trace_id(invocation: HttpInvocation) -> Value:
    """The trace's id, without what else an X-Amzn-Trace-Id says."""
    for part in invocation.trace.split(";"):
        if part.startswith("Root="):
            return part.removeprefix("Root=")
    return invocation.trace or None


def _endpoint_reader(*names: str) -> Reader:
    """Reads the header of the answer that an AWS service names its own request in."""

    def read(invocation: HttpInvocation) -> Value:
        reply = invocation.reply
        return None if reply is None else next(filter(None, map(reply.header, names)), None)

    return read


_REQUEST: Final[Mapping[str, Reader]] = {
    **COMMON,
    "accountId": attrgetter("site.account_id"),
    "customDomain.basePathMatched": _base_path,
    "domainPrefix": attrgetter("domain_prefix"),
    "extendedRequestId": attrgetter("extended_request_id"),
    "httpMethod": attrgetter("method"),
    "path": attrgetter("path"),
    "protocol": attrgetter("protocol"),
    "responseLatency": attrgetter("response_latency"),
    "responseLength": _response_length,
    "integrationErrorMessage": COMMON["integration.error"],
    "integrationStatus": COMMON["integration.integrationStatus"],
    "awsEndpointRequestId": nothing,
}

REST_READERS: Final[Mapping[str, Reader]] = {
    **_REQUEST,
    **dict.fromkeys(("authorizer.claims", "cipherSuite", "isCanaryRequest", "tlsVersion"), nothing),
    "customDomain.routingRuleIdMatched": nothing,
    **{f"authorizer.{part}": authorizer_decision_reader(part) for part in ("error", "latency", "status")},
    "wafResponseCode": waf_response_code,
    "webaclArn": web_acl_arn,
    **{f"integration.{part}": nothing for part in ("responseTransferMode", "timeToAllHeaders", "timeToFirstContent")},
    "identity.accessKey": identity_reader("accessKey"),
    "identity.vpcId": vpc_reader("vpc"),
    "identity.vpceId": vpc_reader("endpoint"),
    "deploymentId": attrgetter("site.deployment_id"),
    "operationName": lambda invocation: invocation.operation_name or None,
    "resourceId": attrgetter("resource_id"),
    "resourcePath": attrgetter("resource_path"),
    "xrayTraceId": _trace_id,
}
HTTP_READERS: Final[Mapping[str, Reader]] = {
    **_REQUEST,
    "awsEndpointRequestId": _endpoint_reader("x-amzn-requestid", "x-amz-request-id"),
    "awsEndpointRequestId2": _endpoint_reader("x-amz-id-2"),
    "dataProcessed": _data_processed,
}
