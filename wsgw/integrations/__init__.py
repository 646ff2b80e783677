"""What a route calls. `base` has the Invoker protocol; one file and one class per type of integration.

Library exceptions end here: an Invoker raises GatewayErrors only. May import mapping, invocation, definitions, errors.
"""
