import json


async def greet(event, context):
    me = event["requestContext"]["connectionId"]
    await context.connections.post(me, "one moment …")
    return {"statusCode": 200, "body": f"Hello, {json.loads(event['body'])['name']}!"}
