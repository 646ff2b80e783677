// A client made with the npm package ws: node ws_client.mjs '{"url", "deflate", "messages": [{"text"} | {"hex"}], "close": [code, reason] | null}'
// Sends each message when the one before it was answered, then closes, or waits for the server to close.
// Prints one JSON object: what came back, the extensions agreed on, and the code and reason of the close.
import WebSocket from "ws";

const { url, deflate, messages, close } = JSON.parse(process.argv[2]);
const socket = new WebSocket(url, { perMessageDeflate: deflate ? { threshold: 0 } : false });
const received = [];

function next() {
  const message = messages[received.length];
  if (message !== undefined) {
    socket.send(message.text ?? Buffer.from(message.hex, "hex"));
  } else if (close) {
    socket.close(...close);
  }
}

socket.on("open", next);
socket.on("message", (data, binary) => {
  received.push(binary ? { hex: data.toString("hex") } : { text: data.toString() });
  next();
});
socket.on("close", (code, reason) => {
  console.log(JSON.stringify({ received, extensions: socket.extensions, code, reason: reason.toString() }));
});
