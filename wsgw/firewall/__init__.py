"""Web ACLs made ready: rules that look at a request or handshake before a route is looked for.

`compile` makes one callable of a WebAcl; `inspected` gives the parts of a request, `transformations` undo encodings,
`matches` compares; `rates` counts, `samples` keeps what operators look at, `firewalls` holds what outlives deployments.
Nothing here waits: a decision is made on the spot. May import observe, stores and what is below.
"""
