"""The load generator behind `wsgw loadtest`.

`plan` says what a run is to do, `scenarios` do it with the clients of `client` and the HTTP connections of `posting`,
`ledger` checks that every answer is the right one, `tally` and `histogram` count, `generator` spreads a run over
processes, `report` and `page` show the result. It imports nothing of the gateway: it can aim at any WebSocket server.

Only `client` needs picows (the extra `loadtest`); the rest imports without it.
"""
