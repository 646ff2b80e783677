"""The steps of one invocation: each is `async (Invocation) -> None`, does its part, fills its own field, or raises.

`run` walks them; `refuse` says how a GatewayError looks. The outer function of a step runs once per deployment, the
inner one per invocation. May import integrations, authorizers, observe, stores, mapping and what is below.
"""
