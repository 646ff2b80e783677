"""Client sockets, and the only code that writes to them.

`lanes` (a `lane` for each socket) and `aiohttp_door` (an `aiohttp_handler`) take requests off the data port, `http` has
what they share, `data_plane` says what a request is about. `handshake`, `arrival` and `websocket` open connections;
`connection` is one client, `node` all of this process; `frames`, `frame_reader`, `incoming` and `deflate` are RFC 6455
and 7692 without I/O; `management` and `push` are @connections. May import live, pipeline, authorizers, integrations and
what is below.
"""
