"""What templates, validation and parameter mapping of REST APIs cost: `python loadtest/micro/mappings.py`.

Prints the median of several rounds in microseconds per operation; nothing else should run on the machine. A route that
uses none of them has none of their steps.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Coroutine
from functools import partial
from statistics import median
from types import SimpleNamespace
from typing import Any

from wsgw.caller import Caller
from wsgw.definitions.api import GatewayResponse
from wsgw.definitions.model import Model
from wsgw.errors import MissingAuthenticationToken
from wsgw.header_fields import HeaderFields
from wsgw.invocation import HttpInvocation, Reply
from wsgw.mapping.log_format import DEFAULT_LOG_FORMATS, compile_log_format
from wsgw.mapping.request_variables import request_context
from wsgw.mapping.rest_parameters import (
    compile_request_parameters,
    compile_response_parameters,
    required_request_parameters,
)
from wsgw.mapping.template import Params, Scope, Template, compile_template
from wsgw.pipeline.refuse_rest import rest_refuser
from wsgw.pipeline.validate import validate_body

ROUNDS, OPERATIONS = 9, 5_000

ORDER = {"id": "o-1", "lines": [{"sku": f"s-{number}", "count": number, "note": "x" * 60} for number in range(10)]}
BODY = json.dumps(ORDER).encode()
SCHEMA = {
    "type": "object",
    "required": ["id", "lines"],
    "properties": {
        "id": {"type": "string"},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["sku", "count"],
                "properties": {"sku": {"type": "string"}, "count": {"type": "integer", "minimum": 0}},
            },
        },
    },
}
SHORT = '{"id": "$input.params(\'id\')", "stage": "$context.stage"}'
TUTORIAL = """#set($order = $input.path('$'))
{
  "TableName": "orders",
  "Item": {
    "id": {"S": "$order.id"},
    "caller": {"S": "$context.identity.sourceIp"},
    "lines": {"L": [
#foreach($line in $order.lines)
      {"M": {"sku": {"S": "$util.escapeJavaScript($line.sku)"}, "n": {"N": "$line.count"}}}#if($foreach.hasNext),#end

#end
    ]}
  }
}"""
REQUEST_PARAMETERS = {
    "integration.request.path.id": "method.request.path.id",
    "integration.request.querystring.q": "method.request.querystring.q",
    "integration.request.header.X-Trace": "context.requestId",
    "integration.request.header.X-Kind": "'pets'",
}
RESPONSE_PARAMETERS = {
    "method.response.header.ETag": "integration.response.header.ETag",
    "method.response.header.Access-Control-Allow-Origin": "'*'",
}
CUSTOM = {
    "MISSING_AUTHENTICATION_TOKEN": GatewayResponse(
        response_type="MISSING_AUTHENTICATION_TOKEN",
        status_code="404",
        response_parameters={"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
        response_templates={"application/json": '{"message":$context.error.messageString,"id":"$context.requestId"}'},
    )
}


def request(body: bytes = BODY) -> HttpInvocation:
    caller = Caller()
    caller.source_ip, caller.user_agent, caller.domain_name = "203.0.113.9", "load/1", "api.example.com"
    caller.principal = None
    site: Any = SimpleNamespace(
        api_id="orders", stage="dev", account_id="0", deployment_id="d", stage_variables={}, log_line=None
    )
    fields = HeaderFields([("Host", "api.example.com"), ("Content-Type", "application/json"), ("Accept", "*/*")])
    made = HttpInvocation(site, caller, "request-1", 1_790_294_473_121, "POST", "/dev/o/1", "/o/1", "q=1", fields, body)
    made.path_parameters = {"id": "1"}
    return made


def rendered(template: Template, text: str, params: Params, context: dict[str, Any]) -> str:
    return template.render(Scope(text, params, context, {}))


def report(name: str, operation: Callable[[], object]) -> None:
    operation()
    costs = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(OPERATIONS):
            operation()
        costs.append((time.perf_counter() - started) / OPERATIONS * 1e6)
    print(f"{name:60} {median(costs):7.2f} µs")


def stepped(step: Callable[[Any], Coroutine[Any, Any, None]], make: Callable[[], HttpInvocation]) -> Callable[[], None]:
    """Drives a step that waits for nothing, without a loop around it."""

    def operation() -> None:
        try:
            step(make()).send(None)
        except StopIteration:
            pass

    return operation


def main() -> None:
    report("making a request, part of all below but the compiled ones", request)
    one = request()
    text = BODY.decode()
    params = Params({"id": "1"}, {"q": "1"}, {"Accept": "*/*"})
    context = request_context(one)
    for name, source in (("short template", SHORT), ("template of a tutorial, 10 turns", TUTORIAL)):
        report(f"{name}, {len(BODY)} bytes", partial(rendered, compile_template(source), text, params, context))
    report("$context of a request, made", lambda: request_context(request()))
    validate: Any = validate_body({"application/json": Model(name="Order", schema=SCHEMA)})
    report(f"validation of {len(BODY)} bytes, parsed", stepped(validate, request))
    required = required_request_parameters({"method.request.querystring.q": True, "method.request.header.accept": True})
    report("two required parameters", lambda: required(request()))
    mapped = compile_request_parameters(REQUEST_PARAMETERS)
    report("four request parameters", lambda: mapped(request()))
    answered = compile_response_parameters(RESPONSE_PARAMETERS)
    reply = Reply(200, BODY, [("ETag", "x"), ("Content-Type", "application/json")])
    report("two response parameters", lambda: answered(one, reply))
    responses: tuple[tuple[str, dict[str, GatewayResponse]], ...] = (("default", {}), ("custom", CUSTOM))
    for name, given in responses:
        report(f"gateway response, {name}", partial(rest_refuser(given), MissingAuthenticationToken(), one))
    line = compile_log_format(DEFAULT_LOG_FORMATS["REST"], "REST")
    one.reply = reply
    report("access log line, default format", lambda: line(one))


if __name__ == "__main__":
    main()
