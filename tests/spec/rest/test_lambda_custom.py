"""Lambda custom integrations (AWS): templates make the event, the error's message selects the answer.

Source: developer guide, "Set up Lambda custom integrations" and "Handle Lambda errors"; recorded on the service.
"""

from __future__ import annotations

import json

import pytest

from tests.harness.gateway import TestGateway
from tests.harness.lambda_endpoint import LambdaEndpoint, answers, raises, refuses, returns
from tests.harness.rest_api import JSON, ask, method, rest_api
from tests.harness.rest_api import answers as response
from wsgw.definitions.api import Stage

URI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations"
PATTERNS = (
    response("200"),
    response("405", selection_pattern=".*not allowed.*"),
    response("502", selection_pattern=r"(.|\n)*upstream(.|\n)*"),
)


async def test_the_payload_is_the_rendered_template(gateway: TestGateway, functions: LambdaEndpoint):
    functions.functions["f"] = returns("done")
    gateway.deploy(rest_api(method("POST /", "AWS", URI, request_templates={JSON: '{"wrapped": $input.body}'})))
    answer = await ask(gateway, "POST", "/", body=b'{"a": 1}')
    assert functions.calls[0].event == {"wrapped": {"a": 1}}
    assert (answer.status, answer.body) == (200, b'"done"')


async def test_the_payload_is_the_body_that_passes(gateway: TestGateway, functions: LambdaEndpoint):
    functions.functions["f"] = returns({"status": 404})
    gateway.deploy(rest_api(method("POST /", "AWS", URI, *PATTERNS)))
    answer = await ask(gateway, "POST", "/", body=b'{"a": 1}')
    assert functions.calls[0].event == {"a": 1}
    assert (answer.status, json.loads(answer.body)) == (200, {"status": 404})


ERRORS = [
    pytest.param("GET is not allowed here", 405, id="a pattern on words of the message"),
    pytest.param("first line\nthe upstream failed", 502, id="a message with line breaks needs (.|\\n)*"),
    pytest.param("line\nnot allowed", 200, id="a dot matches no line break"),
    pytest.param("something else", 200, id="no pattern: the default, with the error as its body"),
]


@pytest.mark.parametrize(("message", "status"), ERRORS)
async def test_the_error_message_selects(gateway: TestGateway, functions: LambdaEndpoint, message: str, status: int):
    functions.functions["f"] = raises("ValueError", message, kind="Handled")
    gateway.deploy(rest_api(method("POST /", "AWS", URI, *PATTERNS)))
    answer = await ask(gateway, "POST", "/", body=b"{}")
    assert answer.status == status
    assert json.loads(answer.body) == {"errorMessage": message, "errorType": "ValueError", "stackTrace": []}


async def test_success_never_matches_a_pattern(gateway: TestGateway, functions: LambdaEndpoint):
    functions.functions["f"] = returns("GET is not allowed here")
    everything = (response("200"), response("500", selection_pattern=r"(.|\n)*"))
    gateway.deploy(rest_api(method("POST /", "AWS", URI, *everything)))
    assert (await ask(gateway, "POST", "/", body=b"{}")).status == 200


async def test_an_error_raised_as_json_is_unpacked(gateway: TestGateway, functions: LambdaEndpoint):
    functions.functions["f"] = raises("E", json.dumps({"code": 409, "why": ["a", "b"]}))
    template = "#set($e = $util.parseJson($input.path('$.errorMessage')))$e.code $e.why[1]"
    gateway.deploy(
        rest_api(method("POST /", "AWS", URI, response("400", template, selection_pattern=".*code.*"), response("200")))
    )
    answer = await ask(gateway, "POST", "/", body=b"{}")
    assert (answer.status, answer.body) == (400, b"409 b")


async def test_an_asynchronous_call(gateway: TestGateway, functions: LambdaEndpoint):
    functions.functions["f"] = answers(202, b"")
    parameters = {"integration.request.header.X-Amz-Invocation-Type": "'Event'"}
    gateway.deploy(rest_api(method("POST /", "AWS", URI, response("202"), request_parameters=parameters)))
    answer = await ask(gateway, "POST", "/", body=b"{}")
    assert (answer.status, answer.body) == (202, b"")
    assert functions.calls[0].headers["X-Amz-Invocation-Type"] == "Event"


@pytest.mark.parametrize("responses", [(response("200"),), PATTERNS])
async def test_no_permission_to_call_it_is_an_internal_error(
    gateway: TestGateway, functions: LambdaEndpoint, responses: tuple[object, ...]
):
    functions.functions["f"] = refuses(403, "AccessDeniedException")
    gateway.deploy(rest_api(method("POST /", "AWS", URI, *responses)))  # type: ignore[arg-type]
    answer = await ask(gateway, "POST", "/", body=b"{}")
    assert (answer.status, json.loads(answer.body)) == (500, {"message": "Internal server error"})
    assert answer.header("x-amzn-errortype") == "InternalServerErrorException"


async def test_a_stage_variable_names_the_function(gateway: TestGateway, functions: LambdaEndpoint):
    functions.functions["pets-dev"] = returns("dev")
    uri = URI.replace("/f/", "/pets-${stageVariables.alias}/")
    stage = Stage(name="dev", variables={"alias": "dev"})
    gateway.deploy(
        rest_api(
            method("POST /own", "AWS", uri),
            method("POST /proxy", "AWS_PROXY", "pets-${stageVariables.alias}"),
            stage=stage,
        )
    )
    assert (await ask(gateway, "POST", "/own", body=b"{}")).body == b'"dev"'
    await ask(gateway, "POST", "/proxy")
    assert [call.function for call in functions.calls] == ["pets-dev", "pets-dev"]
