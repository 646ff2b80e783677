"""What can go wrong with an invocation: a class for each, with the GatewayResponse type that it is of.

Raise what happened; `pipeline/refuse.py` and the edge decide how it looks on the wire. `message` is what a client may
read, `detail` what only the operator's log may say.
Source: developer guide, "Gateway response types", and "Log $context.error.responseType".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from wsgw.definitions.firewall import CustomResponse


class GatewayError(Exception):
    """An invocation ends here. Subclasses fix type, status and wording; an instance may word it more exactly."""

    response_type: ClassVar[str] = "DEFAULT_5XX"
    status: ClassVar[int] = 500
    error_type: ClassVar[str] = "InternalServerErrorException"
    default_message: ClassVar[str] = "Internal server error"
    #: What an HTTP API's answer has as `www-authenticate`, "" for none.
    challenge: str = ""

    def __init__(self, message: str | None = None, *, detail: str = "") -> None:
        self.message = self.default_message if message is None else message
        self.detail = detail
        super().__init__(self.message if not detail else f"{self.message}: {detail}")


# ---- 4xx: what the caller did


class AccessDenied(GatewayError):
    response_type, status = "ACCESS_DENIED", 403
    error_type, default_message = "AccessDeniedException", "Forbidden"


class Unauthorized(GatewayError):
    response_type, status = "UNAUTHORIZED", 401
    error_type, default_message = "UnauthorizedException", "Unauthorized"


class Forbidden(GatewayError):
    """No API, stage or route is behind this address, or not for this method."""

    response_type, status = "ACCESS_DENIED", 403
    error_type, default_message = "ForbiddenException", "Forbidden"


class MissingAuthenticationToken(GatewayError):
    response_type, status = "MISSING_AUTHENTICATION_TOKEN", 403
    error_type, default_message = "MissingAuthenticationTokenException", "Missing Authentication Token"


class IncompleteSignature(GatewayError):
    response_type, status = "INVALID_SIGNATURE", 403
    error_type, default_message = "IncompleteSignatureException", "The request signature is incomplete."


class InvalidSignature(GatewayError):
    response_type, status = "INVALID_SIGNATURE", 403
    error_type = "InvalidSignatureException"
    default_message = (
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method. Consult the service documentation for details."
    )


class UnrecognizedClient(GatewayError):
    response_type, status = "INVALID_SIGNATURE", 403
    error_type = "UnrecognizedClientException"
    default_message = "The security token included in the request is invalid."


class ExpiredToken(GatewayError):
    response_type, status = "EXPIRED_TOKEN", 403
    error_type = "ExpiredTokenException"
    default_message = "The security token included in the request is expired"


class InvalidApiKey(GatewayError):
    response_type, status = "INVALID_API_KEY", 403
    error_type, default_message = "ForbiddenException", "Forbidden"


class WafFiltered(GatewayError):
    """A web ACL has blocked it. `response`: what it answers instead of what the API would (a CustomResponse)."""

    response_type, status = "WAF_FILTERED", 403
    error_type, default_message = "ForbiddenException", "Forbidden"

    def __init__(self, message: str | None = None, *, detail: str = "", response: CustomResponse | None = None) -> None:
        super().__init__(message, detail=detail)
        self.response = response


class BadRequest(GatewayError):
    """A request that this service cannot read at all."""

    response_type, status = "DEFAULT_4XX", 400
    error_type, default_message = "BadRequestException", "Bad Request"


class BadRequestParameters(GatewayError):
    response_type, status = "BAD_REQUEST_PARAMETERS", 400
    error_type, default_message = "BadRequestException", "Missing required request parameters"


class BadRequestBody(GatewayError):
    response_type, status = "BAD_REQUEST_BODY", 400
    error_type, default_message = "BadRequestException", "Bad request body"


class NotFound(GatewayError):
    """No stage or route of an HTTP API is behind this address."""

    response_type, status = "RESOURCE_NOT_FOUND", 404
    error_type, default_message = "NotFoundException", "Not Found"


class ResourceNotFound(GatewayError):
    """What a REST API says where something other than a route is missing."""

    response_type, status = "RESOURCE_NOT_FOUND", 404
    error_type, default_message = "NotFoundException", "Resource not found"


class Gone(GatewayError):
    """The connection is closed, or never was. Its answer has no body."""

    response_type, status = "DEFAULT_4XX", 410
    error_type, default_message = "GoneException", ""


class RequestTooLarge(GatewayError):
    response_type, status = "REQUEST_TOO_LARGE", 413
    error_type, default_message = "RequestTooLargeException", "Request Too Long"


class UriTooLong(GatewayError):
    """The ARN of what is asked for is longer than a policy could name."""

    response_type, status = "DEFAULT_4XX", 414
    error_type, default_message = "RequestUriTooLongException", "Request URI too long"


class UnsupportedMediaType(GatewayError):
    response_type, status = "UNSUPPORTED_MEDIA_TYPE", 415
    error_type, default_message = "BadRequestException", "Unsupported Media Type"


class Throttled(GatewayError):
    response_type, status = "THROTTLED", 429
    error_type, default_message = "TooManyRequestsException", "Too Many Requests"


class QuotaExceeded(GatewayError):
    """A usage plan's quota is used up."""

    response_type, status = "QUOTA_EXCEEDED", 429
    error_type, default_message = "LimitExceededException", "Limit Exceeded"


class LimitExceeded(GatewayError):
    """The client behind a connection does not read fast enough: its outbox is full."""

    response_type, status = "THROTTLED", 429
    error_type, default_message = "LimitExceededException", "Limit Exceeded"


# ---- 5xx: what the gateway or a backend did


class ApiConfigurationError(GatewayError):
    """The definition asks for something that cannot be done: a template fails, nothing matches a status, …"""

    response_type, status = "API_CONFIGURATION_ERROR", 500


class AuthorizerConfigurationError(GatewayError):
    """The authorizer cannot be called, or answers what none may. The service words it as null."""

    response_type, status = "AUTHORIZER_CONFIGURATION_ERROR", 500
    error_type, default_message = "AuthorizerConfigurationException", ""


class AuthorizerFailure(GatewayError):
    """The authorizer failed. The service words it as null."""

    response_type, status = "AUTHORIZER_FAILURE", 500
    error_type, default_message = "AuthorizerConfigurationException", ""


class IntegrationFailure(GatewayError):
    """The backend could not be reached, or broke off its answer."""

    response_type, status = "INTEGRATION_FAILURE", 504
    default_message = "Network error communicating with endpoint"


class IntegrationTimeout(GatewayError):
    response_type, status = "INTEGRATION_TIMEOUT", 504
    default_message = "Endpoint request timed out"


class FunctionError(GatewayError):
    """A function raised, crashed or ran out of time, or its result is not a proxy result."""

    response_type, status = "DEFAULT_5XX", 502
    #: What a function that raised said: it may repeat what a client has sent, and is for no log and no client.
    function_message: str = ""


class ServiceUnavailable(GatewayError):
    """This node cannot answer now: it drains, or what it depends on is away."""

    response_type, status = "DEFAULT_5XX", 503
    error_type, default_message = "ServiceUnavailable", "Service Unavailable"
    #: Seconds after which the caller may try again, as Retry-After says it.
    retry_after: ClassVar[int] = 1


class DefinitionError(Exception):
    """A definition cannot be served. `findings` says everything that is wrong with it, each with its place."""

    def __init__(self, findings: list[str]) -> None:
        self.findings = findings
        super().__init__("\n".join(findings))


class StoreUnavailable(Exception):
    """A store did not answer in time. Callers say what happens then: fail open, or fail fast."""
