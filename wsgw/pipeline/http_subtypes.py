"""First-class actions of AWS services in HTTP APIs (`SQS-SendMessage`, …): a call made of the mapped requestParameters.

Here values are texts, lists and objects as JSON; whoever calls gives each the type that its service wants.
Source: developer guide, "Integration subtype reference".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import orjson

from wsgw.errors import BadRequest
from wsgw.integrations.aws_actions import AwsActions
from wsgw.invocation import HttpInvocation, IntegrationRequest, Invocation, Reply
from wsgw.mapping.http_values import compile_value
from wsgw.mapping.parameters import ParameterError
from wsgw.pipeline.run import Step

#: Gives a parameter's text for a request, None where there is none.
_Make = Callable[[HttpInvocation], str | None]

_INTEGERS: Final = frozenset(("DelaySeconds", "MaxNumberOfMessages", "VisibilityTimeout", "WaitTimeSeconds"))
_JSON: Final = frozenset(
    ("AttributeNames", "MessageAttributeNames", "MessageAttributes", "MessageSystemAttributes", "Resources")
)
_REGION: Final = "Region"
_LONGEST_REGION: Final = 32
_REGION_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class Subtype(NamedTuple):
    """The parameters that a definition has to give, and those that it may."""

    required: tuple[str, ...]
    optional: tuple[str, ...]


_OF_MESSAGES: Final = ("MessageAttributes", "MessageSystemAttributes")
_OF_RECEIVING: Final = ("AttributeNames", "MaxNumberOfMessages", "MessageAttributeNames")
SUBTYPES: Final[Mapping[str, Subtype]] = {
    "EventBridge-PutEvents": Subtype(
        ("Detail", "DetailType", "Source"), ("Time", "EventBusName", "Resources", "Region", "TraceHeader")
    ),
    "SQS-SendMessage": Subtype(
        ("QueueUrl", "MessageBody"),
        (*_OF_MESSAGES, "DelaySeconds", "MessageDeduplicationId", "MessageGroupId", "Region"),
    ),
    "SQS-ReceiveMessage": Subtype(
        ("QueueUrl",),
        (*_OF_RECEIVING, "ReceiveRequestAttemptId", "VisibilityTimeout", "WaitTimeSeconds", "Region"),
    ),
    "SQS-DeleteMessage": Subtype(("ReceiptHandle", "QueueUrl"), ("Region",)),
    "SQS-PurgeQueue": Subtype(("QueueUrl",), ("Region",)),
    "AppConfig-GetConfiguration": Subtype(
        ("Application", "Environment", "Configuration", "ClientId"), ("ClientConfigurationVersion", "Region")
    ),
    "Kinesis-PutRecord": Subtype(
        ("StreamName", "Data", "PartitionKey"), ("SequenceNumberForOrdering", "ExplicitHashKey", "Region")
    ),
    "StepFunctions-StartExecution": Subtype(("StateMachineArn",), ("Name", "Input", "Region")),
    "StepFunctions-StartSyncExecution": Subtype(("StateMachineArn",), ("Name", "Input", "Region", "TraceHeader")),
    "StepFunctions-StopExecution": Subtype(("ExecutionArn",), ("Cause", "Error", "Region")),
}


class Call(NamedTuple):
    """A call by the names of the subtype reference. `region` "": the default one; `role`: an ARN to act as."""

    service: str
    operation: str
    parameters: dict[str, str]
    region: str
    role: str | None


class Action:
    """A compiled action. `role`: the integration's credentials."""

    __slots__ = ("_makers", "_operation", "_required", "_role", "_service")

    def __init__(self, name: str, required: tuple[str, ...], makers: Mapping[str, _Make], role: str | None) -> None:
        self._service, _, self._operation = name.partition("-")
        self._makers = makers
        self._required = frozenset(required)
        self._role = role

    def call(self, invocation: HttpInvocation) -> Call:
        """The call for a request. Raises BadRequest where a required parameter has no value, or one has a wrong one."""
        values: dict[str, str] = {}
        for name, make in self._makers.items():
            value = make(invocation)
            if value is not None:
                values[name] = value
            elif name in self._required:
                raise BadRequest(detail=f"the request has no value for the parameter {name}")
        region = values.pop(_REGION, "")
        if region and not (len(region) <= _LONGEST_REGION and _REGION_NAME.fullmatch(region)):
            # It becomes part of a host name that signed requests go to.
            raise BadRequest(detail="the value for the parameter Region is no region")
        return Call(self._service, self._operation, values, region, self._role)


class ActionIntegration:
    """Makes the Call that a request has as its `target`."""

    def __init__(self, actions: AwsActions) -> None:
        self._actions = actions

    async def invoke(self, request: IntegrationRequest) -> Reply:
        """Raises what AwsActions.call raises."""
        call: Call = request.target
        return await self._actions.call(
            call.service, call.operation, call.parameters, call.region, request.timeout, call.role
        )


def map_to_action(action: Action, timeout: float) -> Step:
    """The call that `action` makes of the request."""

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        call = action.call(invocation)
        invocation.request = IntegrationRequest("POST", "", (), b"", timeout, target=call)

    return step


def compile_action(name: str, parameters: Mapping[str, str], role: str | None = None) -> Action:
    """The action `name` with the definition's `requestParameters`. Raises ParameterError (a ValueError)."""
    plain = name.removesuffix("-1.0")
    subtype = SUBTYPES.get(plain)
    if subtype is None:
        raise ParameterError(f"there is no integration subtype {name!r}; there are {', '.join(SUBTYPES)}")
    known = (*subtype.required, *subtype.optional)
    for key in parameters:
        if key not in known:
            raise ParameterError(f"request parameter {key!r}: {name} has {', '.join(known)}")
    missing = [key for key in subtype.required if not parameters.get(key)]
    if missing:
        raise ParameterError(f"{name} needs the request parameter {missing[0]!r}")
    makers = {key: _maker(key, expression) for key, expression in parameters.items()}
    return Action(plain, subtype.required, makers, role)


def _maker(key: str, expression: str) -> _Make:
    try:
        if key in _JSON:
            return _json(expression)
        value = compile_value(expression, "request")
    except ParameterError as error:
        raise ParameterError(f"request parameter {key!r}: {error}") from error
    if key in _INTEGERS and value.constant is not None and not value.constant.isdecimal():
        raise ParameterError(f"request parameter {key!r}: {expression!r} is no number")
    return lambda invocation: value.read(invocation, None)


def _json(expression: str) -> _Make:
    """A list or an object. Where the text is JSON as it stands, its strings are the values: none can break out."""
    try:
        skeleton = orjson.loads(expression)
    except orjson.JSONDecodeError:
        skeleton = None
    if isinstance(skeleton, (dict, list)):
        built = _built(skeleton)
        return lambda invocation: orjson.dumps(built(invocation)).decode()
    value = compile_value(expression, "request")
    if value.constant is not None:
        raise ParameterError(f"{expression!r} is neither a JSON list nor a JSON object")
    return lambda invocation: value.read(invocation, None)


def _built(part: Any) -> Callable[[HttpInvocation], Any]:
    if isinstance(part, dict):
        members = {key: _built(value) for key, value in part.items()}
        return lambda invocation: {key: make(invocation) for key, make in members.items()}
    if isinstance(part, list):
        items = [_built(value) for value in part]
        return lambda invocation: [make(invocation) for make in items]
    if isinstance(part, str):
        read = compile_value(part, "request").read
        return lambda invocation: read(invocation, None) or ""
    return lambda invocation: part
