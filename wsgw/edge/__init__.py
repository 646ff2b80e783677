"""Client sockets, and the only code that writes to them.

`lanes` and `http` take requests off the data port; `websocket` has handshake, messages and close; `connection` is one
client, `node` all of this process, `frames` RFC 6455 without I/O; `management` and `push` are @connections.
"""
