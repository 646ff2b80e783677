// Drives the AWS SDK for JavaScript: node post.mjs ENDPOINT '[["post", ID, TEXT], ["bytes", ID, HEX], ["get", ID], ["delete", ID]]'
// Prints one JSON array: what each step gave, or the name and status of its error.
import {
  ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GetConnectionCommand,
  PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi";

const [endpoint, steps] = process.argv.slice(2);
const client = new ApiGatewayManagementApiClient({ endpoint, region: "us-east-1", maxAttempts: 1 });

const commands = {
  post: (ConnectionId, text) => new PostToConnectionCommand({ ConnectionId, Data: text }),
  bytes: (ConnectionId, hex) => new PostToConnectionCommand({ ConnectionId, Data: Buffer.from(hex, "hex") }),
  large: (ConnectionId, size) => new PostToConnectionCommand({ ConnectionId, Data: Buffer.alloc(size, "x") }),
  get: (ConnectionId) => new GetConnectionCommand({ ConnectionId }),
  delete: (ConnectionId) => new DeleteConnectionCommand({ ConnectionId }),
};

const results = [];
for (const [operation, ...rest] of JSON.parse(steps)) {
  try {
    const { $metadata, ...members } = await client.send(commands[operation](...rest));
    results.push({ status: $metadata.httpStatusCode, ...members });
  } catch (error) {
    results.push({ error: error.name, status: error.$metadata?.httpStatusCode, message: error.message });
  }
}
client.destroy();
console.log(JSON.stringify(results));
