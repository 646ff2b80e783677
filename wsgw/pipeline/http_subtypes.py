"""First-class actions of AWS services in HTTP APIs (`SQS-SendMessage`, …): a call made of the mapped requestParameters.

Source: developer guide, "Integration subtype reference".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import orjson

from wsgw.errors import BadRequest
from wsgw.invocation import HttpInvocation
from wsgw.mapping.http_values import compile_value
from wsgw.mapping.parameters import ParameterError

#: Gives a parameter's value for a request, None where there is none.
_Make = Callable[[HttpInvocation], Any]

_INTEGERS: Final = frozenset(("DelaySeconds", "MaxNumberOfMessages", "VisibilityTimeout", "WaitTimeSeconds"))
_JSON: Final = frozenset(
    ("AttributeNames", "MessageAttributeNames", "MessageAttributes", "MessageSystemAttributes", "Resources")
)
_BINARY: Final = frozenset({"Data"})
_REGION: Final = "Region"
_VERSION: Final = re.compile(r"-1\.0\Z")


class Subtype(NamedTuple):
    """An action: its service and operation as the SDK names them, and the parameters that a definition may give.

    `lower`: the operation's own parameters begin in lower case.
    """

    service: str
    operation: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    lower: bool = False


SUBTYPES: Final[Mapping[str, Subtype]] = {
    "EventBridge-PutEvents": Subtype(
        "events",
        "PutEvents",
        ("Detail", "DetailType", "Source"),
        ("Time", "EventBusName", "Resources", "Region", "TraceHeader"),
    ),
    "SQS-SendMessage": Subtype(
        "sqs",
        "SendMessage",
        ("QueueUrl", "MessageBody"),
        (
            "DelaySeconds",
            "MessageAttributes",
            "MessageDeduplicationId",
            "MessageGroupId",
            "MessageSystemAttributes",
            "Region",
        ),
    ),
    "SQS-ReceiveMessage": Subtype(
        "sqs",
        "ReceiveMessage",
        ("QueueUrl",),
        (
            "AttributeNames",
            "MaxNumberOfMessages",
            "MessageAttributeNames",
            "ReceiveRequestAttemptId",
            "VisibilityTimeout",
            "WaitTimeSeconds",
            "Region",
        ),
    ),
    "SQS-DeleteMessage": Subtype("sqs", "DeleteMessage", ("ReceiptHandle", "QueueUrl"), ("Region",)),
    "SQS-PurgeQueue": Subtype("sqs", "PurgeQueue", ("QueueUrl",), ("Region",)),
    "AppConfig-GetConfiguration": Subtype(
        "appconfig",
        "GetConfiguration",
        ("Application", "Environment", "Configuration", "ClientId"),
        ("ClientConfigurationVersion", "Region"),
    ),
    "Kinesis-PutRecord": Subtype(
        "kinesis",
        "PutRecord",
        ("StreamName", "Data", "PartitionKey"),
        ("SequenceNumberForOrdering", "ExplicitHashKey", "Region"),
    ),
    "StepFunctions-StartExecution": Subtype(
        "stepfunctions", "StartExecution", ("StateMachineArn",), ("Name", "Input", "Region"), lower=True
    ),
    "StepFunctions-StartSyncExecution": Subtype(
        "stepfunctions",
        "StartSyncExecution",
        ("StateMachineArn",),
        ("Name", "Input", "Region", "TraceHeader"),
        lower=True,
    ),
    "StepFunctions-StopExecution": Subtype(
        "stepfunctions", "StopExecution", ("ExecutionArn",), ("Cause", "Error", "Region"), lower=True
    ),
}


class Call(NamedTuple):
    """A call as the SDK takes it. `region` None: the SDK's own."""

    service: str
    operation: str
    parameters: dict[str, Any]
    region: str | None


class Action:
    """A compiled action. `needs_body`: a parameter reads the request's body."""

    __slots__ = ("_makers", "_required", "_subtype")

    def __init__(self, subtype: Subtype, makers: Mapping[str, _Make]) -> None:
        self._subtype = subtype
        self._makers = makers
        self._required = frozenset(subtype.required)

    def call(self, invocation: HttpInvocation) -> Call:
        """The call for a request. Raises BadRequest where a required parameter has no value, or one has a wrong one."""
        values: dict[str, Any] = {}
        for name, make in self._makers.items():
            value = make(invocation)
            if value is not None:
                values[name] = value
            elif name in self._required:
                raise BadRequest(detail=f"the request has no value for the parameter {name}")
        region = values.pop(_REGION, None)
        subtype = self._subtype
        if subtype.lower:
            values = {name[0].lower() + name[1:]: value for name, value in values.items()}
        elif subtype.operation == "PutEvents":
            values = {"Entries": [values]}
        return Call(subtype.service, subtype.operation, values, region)


def compile_action(name: str, parameters: Mapping[str, str]) -> Action:
    """The action `name` with the definition's `requestParameters`. Raises ParameterError (a ValueError)."""
    subtype = SUBTYPES.get(_VERSION.sub("", name))
    if subtype is None:
        raise ParameterError(f"there is no integration subtype {name!r}; there are {', '.join(SUBTYPES)}")
    known = (*subtype.required, *subtype.optional)
    for key in parameters:
        if key not in known:
            raise ParameterError(f"request parameter {key!r}: {name} has {', '.join(known)}")
    missing = [key for key in subtype.required if not parameters.get(key)]
    if missing:
        raise ParameterError(f"{name} needs the request parameter {missing[0]!r}")
    return Action(subtype, {key: _maker(key, expression) for key, expression in parameters.items()})


def _maker(key: str, expression: str) -> _Make:
    try:
        if key in _JSON:
            return _json(key, expression)
        read = compile_value(expression, "request").read
    except ParameterError as error:
        raise ParameterError(f"request parameter {key!r}: {error}") from error
    if key in _INTEGERS:
        return _integer(key, expression)
    if key in _BINARY:
        return lambda invocation: None if (text := read(invocation, None)) is None else text.encode("utf-8", "replace")
    return lambda invocation: read(invocation, None)


def _integer(key: str, expression: str) -> _Make:
    value = compile_value(expression, "request")
    if value.constant is not None and not value.constant.isdecimal():
        raise ParameterError(f"request parameter {key!r}: {expression!r} is no number")

    def make(invocation: HttpInvocation) -> int | None:
        text = value.read(invocation, None)
        if text is None:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise BadRequest(detail=f"the value for the parameter {key} is no number")
        return int(text)

    return make


def _json(key: str, expression: str) -> _Make:
    """A list or an object. Where the text is JSON as it stands, its strings are the values: none can break out."""
    try:
        skeleton = orjson.loads(expression)
    except orjson.JSONDecodeError:
        skeleton = None
    if isinstance(skeleton, (dict, list)):
        return _built(skeleton)
    value = compile_value(expression, "request")
    if value.constant is not None:
        raise ParameterError(f"{expression!r} is neither a JSON list nor a JSON object")

    def make(invocation: HttpInvocation) -> Any:
        text = value.read(invocation, None)
        if text is None:
            return None
        try:
            made = orjson.loads(text)
        except orjson.JSONDecodeError:
            made = None
        if not isinstance(made, (dict, list)):
            raise BadRequest(detail=f"the value for the parameter {key} is neither a JSON list nor a JSON object")
        return made

    return make


def _built(part: Any) -> _Make:
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
