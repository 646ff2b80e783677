"""The chat that every tutorial on WebSocket APIs begins with, written for Lambda: ids in a table, everybody is told.

`connect`, `disconnect` and `send` are plain functions that know nothing but the event and boto3, as they would run in
AWS; `table` stands for their DynamoDB table. `send_async` does the same with what the gateway itself gives a handler.
"""

from __future__ import annotations

import json
from typing import Any

import boto3

from wsgw.errors import Gone

table: dict[str, dict[str, str]] = {}

Event = dict[str, Any]
Result = dict[str, Any]


def connect(event: Event, context: Any) -> Result:
    id = event["requestContext"]["connectionId"]
    table[id] = {"connectionId": id}
    return {"statusCode": 200, "body": "Connected."}


def disconnect(event: Event, context: Any) -> Result:
    table.pop(event["requestContext"]["connectionId"], None)
    return {"statusCode": 200, "body": "Disconnected."}


def send(event: Event, context: Any) -> Result:
    about = event["requestContext"]
    management = boto3.client("apigatewaymanagementapi", endpoint_url=f"https://{about['domainName']}/{about['stage']}")
    text = json.loads(event["body"])["data"]
    for id in list(table):
        try:
            management.post_to_connection(ConnectionId=id, Data=text)
        except management.exceptions.GoneException:
            table.pop(id, None)
    management.close()
    return {"statusCode": 200, "body": "Data sent."}


async def send_async(event: Event, context: Any) -> Result:
    text = json.loads(event["body"])["data"]
    for id in list(table):
        try:
            await context.connections.post(id, text)
        except Gone:
            table.pop(id, None)
    return {"statusCode": 200, "body": "Data sent."}
