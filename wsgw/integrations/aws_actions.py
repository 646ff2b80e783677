"""HTTP APIs' first-class actions (`SQS-SendMessage`, …): an operation of a service, called by its parameters' names.

The SDK's models say how an operation's request is written, and the answer goes back as the service wrote it.
Source: developer guide, "Integration subtype reference for HTTP APIs".
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from wsgw.errors import ApiConfigurationError, BadRequest, IntegrationTimeout
from wsgw.integrations.aws_endpoints import Service
from wsgw.integrations.aws_services import AwsRequest, AwsServices, query_of
from wsgw.integrations.aws_shapes import value_of
from wsgw.invocation import Reply

#: The words of subtypes, and what integration URIs call these services.
_SERVICES = {
    "SQS": "sqs",
    "EventBridge": "events",
    "Kinesis": "kinesis",
    "StepFunctions": "states",
    "AppConfig": "appconfig",
}
Parameters = Mapping[str, str]
#: The first parameter that the SDK finds something wrong with; its value comes behind it.
_NAMED = re.compile(r'parameter (?:in [A-Za-z.]+: )?"?([A-Za-z]+)')


class AwsActions:
    """Calls operations. `services` is shared by all routes."""

    __slots__ = ("_operations", "_services")

    def __init__(self, services: AwsServices) -> None:
        self._services = services
        self._operations: dict[tuple[str, str], _Operation] = {}

    async def call(
        self, service: str, operation: str, parameters: Parameters, region: str, timeout: float, role: str | None = None
    ) -> Reply:
        """The service's answer, errors included.

        service, operation: the halves of a subtype. parameters: by the names of the subtype reference; lists and maps
        are JSON text. region: "" for the default one. timeout: seconds. Raises BadRequest for a parameter that is
        nothing of its type, and what AwsServices.send raises.
        """
        deadline = asyncio.timeout(timeout)
        try:
            async with deadline:
                found = await self._services.find(_SERVICES.get(service, service.lower()), region)
                written = self._operation(found, operation).request(parameters)
                request = written._replace(timeout=timeout, role=role)
                return await self._services.send(found, request)
        except TimeoutError as error:
            if deadline.expired():
                raise IntegrationTimeout(detail=f"{service}-{operation}") from error
            raise

    def _operation(self, service: Service, operation: str) -> _Operation:
        key = (service.signing_name, operation)
        known = self._operations.get(key)
        if known is None:
            known = self._operations[key] = _Operation(service.model, operation)
        return known


class _Operation:
    """One operation: its parameters by the subtypes' names, and how its request is written."""

    def __init__(self, model: Any, name: str) -> None:
        from botocore.serialize import create_serializer

        if model is None or name not in model.operation_names:
            raise ApiConfigurationError(detail=f"the SDK knows no operation {name}: update aiobotocore")
        self._model = model.operation_model(name)
        self._serializer = create_serializer(model.resolved_protocol, include_validation=True)
        shape = self._model.input_shape
        # PutEvents takes a list; API Gateway's parameters are those of its one entry.
        self._entries = name == "PutEvents"
        members = shape.members["Entries"].member.members if self._entries else shape.members
        # The reference writes every name with a capital, the models of some services do not.
        self._members = {_capital(member): (member, kind) for member, kind in members.items()}

    def request(self, parameters: Parameters) -> AwsRequest:
        from botocore.exceptions import ParamValidationError

        values: dict[str, Any] = {}
        for name, text in parameters.items():
            if name not in self._members:
                raise ApiConfigurationError(detail=f"{self._model.name} has no parameter {name}")
            member, shape = self._members[name]
            values[member] = value_of(shape, name, text)
        if self._entries:
            values = {"Entries": [values]}
        try:
            written = self._serializer.serialize_to_request(values, self._model)
        except (ParamValidationError, ValueError) as error:
            # Not the error's whole text: it repeats values, which are the client's.
            named = _NAMED.search(str(error))
            which = f"parameter {named[1]}" if named is not None else "a parameter"
            raise BadRequest(detail=f"{self._model.name}: {which} is missing or not of its type") from error
        query = written["query_string"]
        pairs = query_of(query) if isinstance(query, str) else _pairs(query)
        body = written["body"]
        return AwsRequest(
            written["method"],
            written["url_path"],
            pairs,
            list(written["headers"].items()),
            body if isinstance(body, bytes) else str(body or "").encode(),
            0,
            written.get("host_prefix", ""),
        )


def _pairs(query: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(quote(name, safe=""), quote(str(value), safe="")) for name, value in query.items()]


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
