"""OpenAPI documents as definition files: `wsgw check` and `wsgw serve` take them as they are."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from tests.harness.backend import Backend
from tests.harness.serving import serving
from wsgw.cli.check import check

PETS = """\
openapi: 3.0.1
info: {title: Pet Store, version: "1.0"}
paths:
  /pets/{petId}:
    get:
      parameters: [{name: petId, in: path, required: true, schema: {type: string}}]
      responses: {"200": {description: a pet}}
      x-amazon-apigateway-integration:
        type: http_proxy
        httpMethod: GET
        uri: %s/animals/{petId}
        requestParameters: {integration.request.path.petId: method.request.path.petId}
        responses: {default: {statusCode: "200"}}
"""
HTTP = """\
{
	"openapi": "3.0.1",
	"info": {"title": "Shop"},
	"x-amazon-apigateway-importexport-version": "1.0",
	"paths": {
		"/$default": {
			"x-amazon-apigateway-any-method": {
				"isDefaultRoute": true,
				"x-amazon-apigateway-integration": {
					"type": "http_proxy", "httpMethod": "ANY", "uri": "%s/shop", "payloadFormatVersion": "1.0"
				}
			}
		}
	}
}
"""


def get(url: str) -> bytes:
    with urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
    return body


async def test_a_rest_api_and_an_http_api_are_served_from_their_documents(tmp_path: Path, backend: Backend):
    backend.on("/animals/7", body="a pet")
    backend.on("/shop/anything", body="the shop")
    (tmp_path / "pets.yaml").write_text(PETS % backend.url)
    (tmp_path / "shop.json").write_text(HTTP % backend.url)
    async with serving(tmp_path / "pets.yaml", tmp_path / "shop.json") as served:
        data = served.ready["data"]
        assert await asyncio.to_thread(get, f"{data}/pet-store/prod/pets/7") == b"a pet"
        assert await asyncio.to_thread(get, f"{data}/shop/$default/anything") == b"the shop"


def test_findings_have_file_line_and_pointer(tmp_path: Path):
    file = tmp_path / "pets.yaml"
    file.write_text(
        (PETS % "http://localhost")
        .replace("http_proxy", "htp_proxy")
        .replace("name: petId, in: path", "name: petId, in: cookie")
    )
    result = CliRunner().invoke(check, [str(file)])
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"{file}:6: warning: /paths/~1pets~1{{petId}}/get/parameters/0: API Gateway has no cookie parameters: it is "
        "left out",
        f"{file}:9: error: /paths/~1pets~1{{petId}}/get/x-amazon-apigateway-integration/type: 'htp_proxy' is not known "
        "here (known are aws, aws_proxy, http, http_proxy, mock, python)",
        "1 file, 0 APIs: 1 error, 1 warning",
    ]


@pytest.mark.parametrize("uri", ["ftp://example.com", "http://"])
def test_what_is_wrong_with_the_api_is_said_of_the_place_in_the_document(tmp_path: Path, uri: str):
    file = tmp_path / "pets.yaml"
    file.write_text(PETS.replace("%s/animals/{petId}", uri))
    result = CliRunner().invoke(check, [str(file)])
    place = "/paths/~1pets~1{petId}/get/x-amazon-apigateway-integration/uri: "
    assert result.output.startswith(f"{file}:11: error: {place}"), result.output
